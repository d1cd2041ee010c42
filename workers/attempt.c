#include "workers/attempt.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/mem.h"
#include "workers/db_pool.h"
#include "workers/worker.h"

#define LOG_FLUSH_BYTES 4096
#define LOG_FLUSH_MS 1000
/* While PostgreSQL is away the log waits in memory, up to here. */
#define LOG_HELD_BYTES_MAX (256 * 1024)
#define BACKOFF_MS_MAX 300000
#define PAUSE_SLICE_MS 50
#define QUERY_PAUSE_MS 500

static struct attempt *of(const struct subtask_ctx *ctx)
{
	return (struct attempt *)ctx; /* ctx is the first member */
}

static json_t *parse_context(const char *text)
{
	json_t *context = text ? json_loads(text, 0, NULL) : NULL;

	return context ? context : json_object();
}

/* Columns as subtask_claim.sql and subtask_claim_apart.sql list them. */
enum {
	C_TASK,
	C_SUBTASK,
	C_CLAIM,
	C_ATTEMPT,
	C_RUN_TIME,
	C_TRIES,
	C_NODE,
	C_TYPE,
	C_OPERATION,
	C_TEMPLATE,
	C_FIRST,
	C_CONTEXT,
	C_HOST,
	C_CLUSTER,
	C_OBPROXY,
	C_TRACE,
	C_TRACEPARENT
};

/* What follows from key, template, context and the moment. */
static void begin(struct worker *w, struct attempt *a, int16_t node)
{
	a->node = &a->template->nodes[node];
	a->started_us = clock_mono_us();
	a->ctx.task_id = a->key.task_id;
	a->ctx.subtask_id = a->key.subtask_id;
	a->ctx.claim = a->key.claim;
	a->ctx.node_key = a->node->key;
	a->ctx.string_map = json_object_get(a->context, "stringMap");
	a->ctx.list_map = json_object_get(a->context, "listMap");
	a->ctx.settings = &w->settings;
	a->ctx.worker = w;
	if (a->node->timeout_s)
		a->ctx.deadline_ms = a->started_us / 1000 + a->node->timeout_s * INT64_C(1000);
}

struct attempt *attempt_from_row(struct worker *w, const PGresult *res, int row)
{
	const struct catalog_type *type = catalog_type(w->catalog, db_get_int2(res, row, C_TYPE));
	const struct template *t = catalog_template(w->catalog, db_get_int4(res, row, C_TEMPLATE));
	int16_t node = db_get_int2(res, row, C_NODE);
	const char *traceparent = db_get_text(res, row, C_TRACEPARENT);
	struct attempt *a;

	if (!type || !type->type || !t || node < 0 || node >= t->node_count)
		return NULL;
	a = xcalloc(1, sizeof(*a));
	a->key = (struct attempt_key){db_get_int8(res, row, C_TASK),
	        db_get_int8(res, row, C_SUBTASK), db_get_int8(res, row, C_CLAIM)};
	a->type = type;
	a->template = t;
	a->first_subtask_id = db_get_int8(res, row, C_FIRST);
	a->tries = db_get_int2(res, row, C_TRIES);
	a->context = parse_context(db_get_text(res, row, C_CONTEXT));
	a->traceparent = traceparent ? xstrdup(traceparent) : NULL;
	a->ctx = (struct subtask_ctx){
	        .attempt = db_get_int4(res, row, C_ATTEMPT),
	        .run_time = db_get_int4(res, row, C_RUN_TIME),
	        .host_id = db_get_int8(res, row, C_HOST),
	        .cluster_id = db_get_int8(res, row, C_CLUSTER),
	        .obproxy_server_id = db_get_int8(res, row, C_OBPROXY),
	};
	begin(w, a, node);
	return a;
}

/* Columns of a row of subtask_complete and subtask_succeed. */
enum { H_KIND, H_TASK, H_SUBTASK, H_TYPE, H_CLAIM, H_NODE, H_ATTEMPT, H_RUN_TIME, H_TRIES };

struct attempt *attempt_handed_on(
        struct worker *w, const struct attempt *upstream, const PGresult *res, int row)
{
	struct attempt *a = xcalloc(1, sizeof(*a));

	a->key = (struct attempt_key){db_get_int8(res, row, H_TASK),
	        db_get_int8(res, row, H_SUBTASK), db_get_int8(res, row, H_CLAIM)};
	a->type = catalog_type(w->catalog, db_get_int2(res, row, H_TYPE));
	a->template = upstream->template;
	a->first_subtask_id = upstream->first_subtask_id;
	a->tries = db_get_int2(res, row, H_TRIES);
	a->context = json_incref(upstream->context); /* nobody changes it */
	a->traceparent = upstream->traceparent ? xstrdup(upstream->traceparent) : NULL;
	a->ctx = (struct subtask_ctx){
	        .attempt = db_get_int4(res, row, H_ATTEMPT),
	        .run_time = db_get_int4(res, row, H_RUN_TIME),
	        .host_id = upstream->ctx.host_id,
	        .cluster_id = upstream->ctx.cluster_id,
	        .obproxy_server_id = upstream->ctx.obproxy_server_id,
	};
	begin(w, a, db_get_int2(res, row, H_NODE));
	return a;
}

struct attempt *attempt_to_hand_back(struct worker *w, const struct attempt_key *key)
{
	struct attempt *a = xcalloc(1, sizeof(*a));

	a->key = *key;
	a->ctx.task_id = key->task_id;
	a->ctx.subtask_id = key->subtask_id;
	a->ctx.claim = key->claim;
	a->ctx.worker = w;
	a->rule = RULE_CLAIM_LOST;
	a->started_us = clock_mono_us();
	return a;
}

void attempt_free(struct attempt *a)
{
	if (!a)
		return;
	for (int i = 0; i < a->extra_count; i++)
		db_params_release(&a->extras[i].params);
	json_decref(a->context);
	strbuf_release(&a->log);
	free(a->traceparent);
	free(a);
}

void attempt_run(struct attempt *a)
{
	a->outcome = a->type->type->run(&a->ctx, &a->err);
	if (a->outcome == SUBTASK_FAIL) {
		if (!a->err.kind)
			err_set(&a->err, ERR_PERMANENT, "", "%s failed without saying why",
			        a->type->name);
		subtask_log(&a->ctx, "failed: %s%s%s", a->err.code, a->err.code[0] ? ": " : "",
		        a->err.text);
	} else if (a->outcome == SUBTASK_WAIT) {
		subtask_log(&a->ctx, "handed back, to be tried again in %d ms", a->wait_ms);
	} else if (a->outcome == SUBTASK_DONE && (a->log.len > 0 || a->log_chunk > 0)) {
		subtask_log(&a->ctx, "done in %lld ms",
		        (long long)(clock_mono_us() - a->started_us) / 1000);
	}
}

static int32_t backoff_ms(const struct attempt *a)
{
	int64_t ms = a->node->backoff_ms;

	for (int i = 0; i < a->tries && ms < BACKOFF_MS_MAX; i++)
		ms *= 2;
	return ms > BACKOFF_MS_MAX ? BACKOFF_MS_MAX : (int32_t)ms;
}

void attempt_decide(struct attempt *a)
{
	enum stop_reason stop = atomic_load(&a->stop);

	a->delay_ms = 0;
	if (a->rule == RULE_CLAIM_LOST)
		return;
	if (a->outcome == SUBTASK_DONE) {
		a->rule = RULE_SUCCEEDED;
	} else if (a->outcome == SUBTASK_WAIT) {
		a->rule = RULE_WAITS;
		a->delay_ms = a->wait_ms;
	} else if (stop == STOP_DEADLINE) {
		a->rule = RULE_DEADLINE;
	} else if (stop == STOP_DRAIN || a->outcome == SUBTASK_LATER) {
		a->rule = RULE_HANDED_BACK;
	} else if (err_is_retryable(&a->err) && a->tries + 1 < a->node->tries) {
		a->rule = RULE_AUTO_RETRY;
		a->delay_ms = backoff_ms(a);
	} else {
		a->rule = RULE_RUN_FAILED;
	}
}

/* ---- what subtask types call ---- */

const char *subtask_value(const struct subtask_ctx *ctx, const char *name)
{
	return json_string_value(json_object_get(ctx->string_map, name));
}

bool subtask_cancelled(const struct subtask_ctx *ctx)
{
	return atomic_load(&of(ctx)->stop) != STOP_NONE;
}

void subtask_wait_ms(struct subtask_ctx *ctx, int32_t ms)
{
	of(ctx)->wait_ms = ms > 0 ? ms : 1;
}

static void add_params(struct db_params *p, const struct attempt *a)
{
	db_add_int8(p, a->key.task_id);
	db_add_int8(p, a->key.subtask_id);
	db_add_int8(p, a->key.claim);
}

/* Best effort while it runs; what is left goes with the completing transaction. */
static void flush_log(struct attempt *a)
{
	struct db_params params = DB_PARAMS_INIT;
	struct db *db = db_pool_borrow(a->ctx.worker->pool);
	struct err err;

	add_params(&params, a);
	db_add_int4(&params, a->log_chunk);
	db_add_text(&params, a->log.buf);
	if (db_query(db, QUERY_LOG_ADD, &params, NULL, &err) == 0) {
		a->log_chunk++;
		strbuf_reset(&a->log);
	}
	a->log_flushed_ms = clock_mono_ms();
	db_pool_return(a->ctx.worker->pool, db);
	db_params_release(&params);
}

/* Text columns take neither NUL nor invalid UTF-8; strbuf_add_json's rules are stricter still. */
static void add_printable(struct strbuf *sb, const char *text)
{
	for (const unsigned char *at = (const unsigned char *)text; *at;) {
		size_t n = *at < 0x80             ? 1
		           : (*at & 0xe0) == 0xc0 ? 2
		           : (*at & 0xf0) == 0xe0 ? 3
		           : (*at & 0xf8) == 0xf0 ? 4
		                                  : 0;
		json_t *probe;

		if (n == 1 || (n && strnlen((const char *)at, n) == n &&
		                      (probe = json_stringn((const char *)at, n)))) {
			if (n > 1)
				json_decref(probe);
			strbuf_add(sb, at, n);
			at += n;
		} else {
			strbuf_adds(sb, "\xef\xbf\xbd");
			at++;
		}
	}
}

void subtask_log(struct subtask_ctx *ctx, const char *fmt, ...)
{
	struct attempt *a = of(ctx);
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	va_list ap;

	if (a->log.len > LOG_HELD_BYTES_MAX)
		return;
	va_start(ap, fmt);
	strbuf_vaddf(&line, fmt, ap);
	va_end(ap);
	clock_add_iso(&a->log, clock_unix_us());
	strbuf_addc(&a->log, ' ');
	add_printable(&a->log, line.buf ? line.buf : "");
	strbuf_addc(&a->log, '\n');
	if (a->log.len > LOG_HELD_BYTES_MAX)
		strbuf_adds(&a->log, "(log cut here: PostgreSQL is away)\n");
	if (a->on_slot && (a->log.len >= LOG_FLUSH_BYTES ||
	                          clock_mono_ms() - a->log_flushed_ms >= LOG_FLUSH_MS))
		flush_log(a);
}

int subtask_pause(struct subtask_ctx *ctx, int64_t ms, struct err *err)
{
	int64_t end_ms = clock_mono_ms() + ms, left_ms;

	while ((left_ms = end_ms - clock_mono_ms()) > 0) {
		int64_t slice_ms = left_ms < PAUSE_SLICE_MS ? left_ms : PAUSE_SLICE_MS;
		struct timespec t = {0, slice_ms * 1000000};

		if (subtask_cancelled(ctx))
			return err_set(err, ERR_CANCELLED, "TSK10014", "the attempt was ended");
		nanosleep(&t, NULL);
	}
	return 0;
}

int64_t subtask_timeout_ms(const struct subtask_ctx *ctx)
{
	return of(ctx)->node->timeout_s * INT64_C(1000);
}

int subtask_query(struct subtask_ctx *ctx, enum query query, const struct db_params *params,
        PGresult **ret_res, struct err *err)
{
	for (;;) {
		struct db *db = db_pool_borrow(ctx->worker->pool);
		int rc = db_query(db, query, params, ret_res, err);
		struct err ended;

		db_pool_return(ctx->worker->pool, db);
		if (rc == 0 || !err_is_retryable(err) || of(ctx)->type->type->never_blocks)
			return rc;
		if (subtask_pause(ctx, QUERY_PAUSE_MS, &ended) != 0)
			return -1;
	}
}

void subtask_on_success(struct subtask_ctx *ctx, enum query query, const struct db_params *params)
{
	struct attempt *a = of(ctx);
	struct attempt_extra *extra = &a->extras[a->extra_count];

	if (a->extra_count == ATTEMPT_EXTRAS_MAX)
		BUG("%s adds more than %d statements", a->type->name, ATTEMPT_EXTRAS_MAX);
	*extra = (struct attempt_extra){.query = query};
	add_params(&extra->params, a);
	db_params_append(&extra->params, params);
	a->extra_count++;
}

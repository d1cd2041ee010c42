/* completer: commits results in batches and publishes what became READY. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "workers/executor_internal.h"

/* A batch beside another one costs a transaction more: from here on it pays (design, 10: 31,000
 * moves a second at 10 rows a statement, 78,000 at 100). */
#define BESIDE_MIN 100
/* SQLSTATE: subtask_succeed found a row of a downstream. */
#define UNIQUE_VIOLATION "23505"

void completer_add(struct executor *ex, struct attempt *a)
{
	a->next = NULL;
	if (ex->done_tail)
		ex->done_tail->next = a;
	else
		ex->done = a;
	ex->done_tail = a;
	ex->done_count++;
}

void executor_forget(struct executor *ex, struct attempt *a)
{
	HASH_DEL(ex->running, a);
	if (a->type) {
		struct lane *lane = executor_lane(ex, a->type->type_id);

		if (lane)
			lane->used--;
		metric_add(METRIC_SLOTS_USED, -1);
	}
	attempt_free(a);
}

static struct attempt *pop_done(struct executor *ex)
{
	struct attempt *a = ex->done;

	ex->done = a->next;
	if (!ex->done)
		ex->done_tail = NULL;
	ex->done_count--;
	a->next = NULL;
	return a;
}

/* An attempt with rows of its own to write goes alone: its data error is its own failure. */
static size_t take_batch(struct completion *c)
{
	struct executor *ex = c->ex;
	struct attempt **tail = &c->list;
	size_t count = 0;

	while (ex->done && count < ex->complete_max) {
		if (ex->done->extra_count && count)
			break;
		*tail = pop_done(ex);
		(*tail)->taken = false;
		count++;
		if ((*tail)->extra_count)
			break;
		tail = &(*tail)->next;
	}
	return count;
}

static struct attempt *find_in_batch(const struct executor *ex, const struct attempt_key *key)
{
	struct attempt *a;

	/* NOLINTNEXTLINE(clang-analyzer-*): uthash reads the key byte by byte */
	HASH_FIND(hh, ex->running, key, sizeof(*key), a);
	return a;
}

static void on_result(void *arg, int index, const PGresult *res)
{
	struct completion *c = arg;

	if (index != c->answer) /* locks before it, logs and rows of the type behind it */
		return;
	for (int row = 0; row < PQntuples(res); row++) {
		const struct attempt_key key = {db_get_int8(res, row, 1), db_get_int8(res, row, 2),
		        db_get_int8(res, row, 4)};

		if (db_get_int4(res, row, 0) == 0) {
			struct attempt *a = find_in_batch(c->ex, &key);

			if (a)
				a->taken = true;
			continue;
		}
		if (db_get_int4(res, row, 0) == 2) {
			handoff_take(c, res, row);
			continue;
		}
		if (c->ready_count == c->ready_alloc) {
			c->ready_alloc = c->ready_alloc * 2 + 64;
			c->ready = xrealloc(c->ready, c->ready_alloc * sizeof(*c->ready));
		}
		c->ready[c->ready_count++] = (struct ready_row){
		        key.task_id, key.subtask_id, db_get_int2(res, row, 3)};
	}
}

static const char *result_name(enum rule rule)
{
	switch (rule) {
	case RULE_SUCCEEDED:
		return "successful";
	case RULE_RUN_FAILED:
		return "failed";
	case RULE_DEADLINE:
		return "deadline";
	case RULE_AUTO_RETRY:
		return "retry";
	default:
		return "handed_back";
	}
}

static void report(const struct attempt *a)
{
	if (!a->taken) {
		metric_add(METRIC_COMPLETE_MISSES, 1);
		log_notice("result dropped: the claim is no longer ours", "task", "i",
		        a->key.task_id, "subtask", "i", a->key.subtask_id, "claim", "i",
		        a->key.claim);
		return;
	}
	metric_add_label(METRIC_COMPLETES, result_name(a->rule), 1);
	if (a->rule == RULE_RUN_FAILED || a->rule == RULE_DEADLINE || a->rule == RULE_AUTO_RETRY)
		log_warn("subtask failed", "task", "i", a->key.task_id, "subtask", "i",
		        a->key.subtask_id, "type", "s", a->type ? a->type->name : NULL, "attempt",
		        "i", (int64_t)a->ctx.attempt, "error", "e", &a->err);
}

static int by_task(const void *a, const void *b)
{
	int64_t x = (*(struct attempt *const *)a)->key.task_id;
	int64_t y = (*(struct attempt *const *)b)->key.task_id;

	return x < y ? -1 : x > y;
}

static void sort_batch(struct completion *c)
{
	size_t n = 0;

	for (struct attempt *a = c->list; a; a = a->next)
		c->by_task[n++] = a;
	c->count = n;
	qsort(c->by_task, n, sizeof(struct attempt *), by_task);
}

struct attempt *completer_of_task(const struct completion *c, int64_t task_id)
{
	const struct attempt key = {.key = {.task_id = task_id}}, *at = &key;
	struct attempt **found = bsearch(
	        &at, c->by_task, c->count, sizeof(struct attempt *), by_task);

	return found ? *found : NULL;
}

static const char *traceparent_of(const struct completion *c, int64_t task_id)
{
	const struct attempt *a = completer_of_task(c, task_id);

	return a ? a->traceparent : NULL;
}

static void committed(struct completion *c)
{
	struct executor *ex = c->ex;
	struct attempt *a;

	for (size_t i = 0; i < c->ready_count; i++)
		hint_send(ex->worker->hints, c->ready[i].task_id, c->ready[i].subtask_id,
		        c->ready[i].type_id, traceparent_of(c, c->ready[i].task_id));
	worker_committed(ex->worker);
	for (a = c->list; a;) {
		struct attempt *next = a->next;

		report(a);
		executor_forget(ex, a);
		a = next;
	}
	c->list = NULL;
	ex->complete_max *= 2;
	if (ex->complete_max > (size_t)ex->settings->claim_batch)
		ex->complete_max = (size_t)ex->settings->claim_batch;
}

/* One attempt alone has data the database refuses: that is its result. */
static void refuse_one(struct attempt *a, const struct err *err)
{
	log_error("result refused by the database", "task", "i", a->key.task_id, "subtask", "i",
	        a->key.subtask_id, "error", "e", err);
	if (a->extra_count) {
		for (int i = 0; i < a->extra_count; i++)
			db_params_release(&a->extras[i].params);
		a->extra_count = 0;
		a->err = *err;
		subtask_log(&a->ctx, "failed: its rows could not be written: %s", err->text);
		a->rule = RULE_RUN_FAILED;
	} else {
		strbuf_reset(&a->log);
	}
}

static void not_committed(struct completion *c, const struct err *err)
{
	struct executor *ex = c->ex;
	struct attempt *batch = c->list, *last = batch;
	size_t count = 1;

	c->list = NULL;
	for (; last->next; last = last->next)
		count++;
	if (c->apart && !strcmp(err->code, UNIQUE_VIOLATION)) {
		ex->not_apart = true;
	} else if (err->kind == ERR_PERMANENT) {
		if (count == 1)
			refuse_one(batch, err);
		else
			ex->complete_max = count / 2;
	} else if (err->kind != ERR_CANCELLED) {
		log_warn("complete failed, trying again", "subtasks", "i", (int64_t)count, "error",
		        "e", err);
	}
	/* Back to the front: what is conditional on the claim may be said twice. */
	last->next = ex->done;
	if (!ex->done)
		ex->done_tail = last;
	ex->done = batch;
	ex->done_count += count;
}

static void on_done(void *arg, const struct err *err)
{
	struct completion *c = arg;
	struct executor *ex = c->ex;
	struct attempt *handed = handoff_end(c, err);

	if (err)
		not_committed(c, err);
	else
		committed(c);
	c->ready_count = 0;
	claimer_start(ex, handed);
	if (!err || err->kind == ERR_PERMANENT)
		completer_push(ex);
	claimer_push(ex);
}

static void add_logs(const struct completion *c, struct db_batch *batch, size_t count)
{
	int64_t *ids = xmalloc(3 * count * sizeof(*ids));
	int32_t *chunks = xmalloc(count * sizeof(*chunks));
	const char **texts = xmalloc(count * sizeof(*texts));
	struct db_params p = DB_PARAMS_INIT;
	size_t n = 0;

	for (const struct attempt *a = c->list; a; a = a->next) {
		if (!a->log.len)
			continue;
		ids[n] = a->key.task_id;
		ids[count + n] = a->key.subtask_id;
		ids[2 * count + n] = a->key.claim;
		chunks[n] = a->log_chunk;
		texts[n++] = a->log.buf;
	}
	if (n) {
		for (int i = 0; i < 3; i++)
			db_add_int8_array(&p, ids + (size_t)i * count, n);
		db_add_int4_array(&p, chunks, n);
		db_add_text_array(&p, texts, n);
		db_batch_add(batch, QUERY_LOG_ADD_MANY, &p);
	}
	db_params_release(&p);
	free(ids);
	free(chunks);
	free(texts);
}

bool completer_busy(const struct executor *ex)
{
	for (int i = 0; i < COMPLETIONS; i++)
		if (ex->completions[i].list)
			return true;
	return false;
}

bool completer_handing(const struct executor *ex)
{
	for (int i = 0; i < COMPLETIONS; i++)
		if (ex->completions[i].handing)
			return true;
	return false;
}

static void send_batch(struct completion *c)
{
	struct executor *ex = c->ex;
	struct db_batch *batch;
	size_t count = take_batch(c);

	sort_batch(c);
	c->handing = handoff_allowed(ex);
	metric_observe(METRIC_COMPLETE_BATCH, (int64_t)count);
	batch = db_batch_new(c->db, on_result, on_done, c);
	completer_add_moves(c, batch);
	add_logs(c, batch, count);
	for (int i = 0; i < c->list->extra_count; i++)
		db_batch_add(batch, c->list->extras[i].query, &c->list->extras[i].params);
	c->ready_count = 0;
	db_batch_send(batch);
}

void completer_push(struct executor *ex)
{
	for (int i = 0; i < COMPLETIONS; i++) {
		struct completion *c = &ex->completions[i];

		if (!ex->done || (completer_busy(ex) && ex->done_count < BESIDE_MIN))
			return;
		if (!c->list && db_async_up(c->db))
			send_batch(c);
	}
}

static void on_state(void *arg, bool up)
{
	const struct completion *c = arg;

	if (up)
		completer_push(c->ex);
}

void completer_open(struct executor *ex)
{
	ex->complete_max = (size_t)ex->settings->claim_batch;
	for (int i = 0; i < COMPLETIONS; i++) {
		struct completion *c = &ex->completions[i];

		c->ex = ex;
		c->by_task = xcalloc(ex->complete_max, sizeof(struct attempt *));
		c->db = db_async_new(ex->loop, ex->settings, "obpipe-complete", on_state, c);
	}
}

void completer_close(struct executor *ex)
{
	for (int i = 0; i < COMPLETIONS; i++) {
		db_async_free(ex->completions[i].db);
		free(ex->completions[i].ready);
		free(ex->completions[i].by_task);
	}
}

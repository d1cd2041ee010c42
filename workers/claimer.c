/* claimer: claim batches, and re-adoption after a lost connection. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "workers/db_pool.h"
#include "workers/executor_internal.h"

#define READOPT_ROWS 10000
/* A task of a template this program cannot read is left to others for a while. */
#define UNKNOWN_DELAY_MS 5000

/* Types with the least to do must not wait behind a busy one: each batch starts at another lane. */
static void fill_batch(struct executor *ex)
{
	size_t max = (size_t)ex->settings->claim_batch;

	for (int n = 0; n < ex->lane_count && ex->claimed_count < max; n++) {
		struct lane *lane = &ex->lanes[(ex->first_lane + n) % ex->lane_count];
		int room = lane_room(lane);

		while (room-- > 0 && lane->count > 0 && ex->claimed_count < max) {
			ex->claimed_hints[ex->claimed_count] = lane_pop(lane);
			ex->claimed_types[ex->claimed_count++] = lane->type->type_id;
			ex->queued--;
			lane->used++; /* held until the answer says whether it is ours */
		}
		hint_queue_resume(ex, lane);
	}
	if (ex->lane_count)
		ex->first_lane = (ex->first_lane + 1) % ex->lane_count;
}

static int by_ids(const void *a, const void *b)
{
	const struct queued_hint *x = a, *y = b;

	if (x->task_id != y->task_id)
		return x->task_id < y->task_id ? -1 : 1;
	return x->subtask_id < y->subtask_id ? -1 : x->subtask_id > y->subtask_id;
}

/* In order of ids: transactions that meet do not wait for each other in a circle. Returns whether
 * all are of different tasks. */
static bool fill_params(struct executor *ex, struct db_params *p)
{
	size_t n = ex->claimed_count;
	struct queued_hint *sorted = xmalloc(n * sizeof(*sorted));
	int64_t *tasks = xmalloc(n * sizeof(*tasks));
	int64_t *subtasks = xmalloc(n * sizeof(*subtasks));
	bool apart = true;

	memcpy(sorted, ex->claimed_hints, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_ids);
	for (size_t i = 0; i < n; i++) {
		tasks[i] = sorted[i].task_id;
		subtasks[i] = sorted[i].subtask_id;
		apart = apart && (i == 0 || tasks[i] != tasks[i - 1]);
	}
	db_add_int8_array(p, tasks, n);
	db_add_int8_array(p, subtasks, n);
	free(sorted);
	free(tasks);
	free(subtasks);
	return apart;
}

/* A template or type that came after our start. Rare, so a blocking read is all right. */
static struct attempt *from_row_after_reload(struct executor *ex, const PGresult *res, int row)
{
	struct db *db = db_pool_borrow(ex->worker->pool);
	struct err err = {0};

	if (catalog_load(ex->worker->catalog, db, &err) < 0)
		log_warn("templates could not be read", "error", "e", &err);
	db_pool_return(ex->worker->pool, db);
	return attempt_from_row(ex->worker, res, row);
}

static void on_claim_result(void *arg, int index, const PGresult *res)
{
	struct executor *ex = arg;

	ex->claimed_rows = (size_t)PQntuples(res);
	for (int row = 0; row < PQntuples(res); row++) {
		struct attempt *a = attempt_from_row(ex->worker, res, row);

		if (!a)
			a = from_row_after_reload(ex, res, row);
		if (!a) {
			const struct attempt_key key = {db_get_int8(res, row, 0),
			        db_get_int8(res, row, 1), db_get_int8(res, row, 2)};

			/* Newer than this program: others may know it. */
			atomic_store(&ex->worker->too_new, true);
			a = attempt_to_hand_back(ex->worker, &key);
			a->rule = RULE_WAITS;
			a->wait_ms = UNKNOWN_DELAY_MS;
			a->outcome = SUBTASK_WAIT;
		}
		a->next = ex->claimed;
		ex->claimed = a;
	}
}

static void release_slots(struct executor *ex)
{
	for (size_t i = 0; i < ex->claimed_count; i++) {
		struct lane *lane = executor_lane(ex, ex->claimed_types[i]);

		lane->used--;
	}
}

void claimer_start(struct executor *ex, struct attempt *a)
{
	while (a) {
		struct attempt *next = a->next;

		a->next = NULL;
		HASH_ADD(hh, ex->running, key, sizeof(a->key), a);
		if (a->type) {
			struct lane *lane = executor_lane(ex, a->type->type_id);

			if (lane)
				lane->used++;
			metric_add_label(METRIC_CLAIMS, a->type->name, 1);
			runner_start(ex, a);
		} else {
			completer_add(ex, a);
		}
		a = next;
	}
}

static void claim_failed(struct executor *ex, const struct err *err)
{
	struct attempt *a = ex->claimed;

	ex->claimed = NULL;
	while (a) {
		struct attempt *next = a->next;

		attempt_free(a);
		a = next;
	}
	if (err->kind == ERR_CANCELLED)
		return;
	log_warn("claim failed", "subtasks", "i", (int64_t)ex->claimed_count, "error", "e", err);
	if (!err_is_retryable(err))
		return; /* hints dropped: stealing brings their rows back, later */
	for (size_t i = 0; i < ex->claimed_count; i++)
		lane_push(ex, executor_lane(ex, ex->claimed_types[i]), &ex->claimed_hints[i]);
}

static void on_claim_done(void *arg, const struct err *err)
{
	struct executor *ex = arg;

	struct attempt *list;

	release_slots(ex);
	ex->claiming = false;
	if (err) {
		claim_failed(ex, err);
	} else {
		worker_committed(ex->worker);
		metric_observe(METRIC_CLAIM_BATCH, (int64_t)ex->claimed_count);
		metric_add(METRIC_CLAIM_MISSES, (int64_t)(ex->claimed_count - ex->claimed_rows));
		list = ex->claimed;
		ex->claimed = NULL;
		claimer_start(ex, list);
	}
	ex->claimed_count = ex->claimed_rows = 0;
	claimer_push(ex);
}

static void send_claim(struct executor *ex)
{
	struct db_batch *batch = db_batch_new(ex->claim_db, on_claim_result, on_claim_done, ex);
	struct db_params p = DB_PARAMS_INIT;
	bool apart;

	ex->claiming = true;
	apart = fill_params(ex, &p);
	db_add_int8(&p, atomic_load(&ex->worker->worker_id));
	db_add_text(&p, worker_who(ex->worker, "worker"));
	db_batch_add(batch, apart ? QUERY_SUBTASK_CLAIM_APART : QUERY_SUBTASK_CLAIM, &p);
	db_params_release(&p);
	db_batch_send(batch);
}

void claimer_push(struct executor *ex)
{
	if (ex->claiming || ex->draining || !ex->readopted || !worker_may_start(ex->worker) ||
	        !db_async_up(ex->claim_db))
		return;
	fill_batch(ex);
	if (ex->claimed_count)
		send_claim(ex);
}

/* ---- re-adoption: which RUNNING rows name us, and which of those do we know? ---- */

static void readopt_from(struct executor *ex, int64_t task_id);

static void on_readopt_result(void *arg, int index, const PGresult *res)
{
	struct executor *ex = arg;

	if (index == 0) /* worker_hold */
		return;
	ex->readopt_rows = PQntuples(res);
	for (int row = 0; row < PQntuples(res); row++) {
		const struct attempt_key key = {db_get_int8(res, row, 0), db_get_int8(res, row, 1),
		        db_get_int8(res, row, 2)};
		struct attempt *known;

		/* The last task of a full page may be cut in the middle: it is asked for again. */
		ex->readopt_last = key.task_id - 1;
		/* NOLINTNEXTLINE(clang-analyzer-*): uthash reads the key byte by byte */
		HASH_FIND(hh, ex->running, &key, sizeof(key), known);
		if (known || db_get_int2(res, row, 3) != SUBTASK_RUNNING)
			continue;
		/* A claim whose answer was lost: nobody runs it. */
		known = attempt_to_hand_back(ex->worker, &key);
		HASH_ADD(hh, ex->running, key, sizeof(key), known);
		completer_add(ex, known);
	}
}

static void on_readopt_done(void *arg, const struct err *err)
{
	struct executor *ex = arg;

	ex->readopting = false;
	if (err)
		return; /* asked again when the connection is back, or by the tick */
	if (ex->readopt_rows == READOPT_ROWS) {
		readopt_from(ex, ex->readopt_last);
		return;
	}
	ex->readopted = true;
	claimer_push(ex);
}

static void readopt_from(struct executor *ex, int64_t task_id)
{
	struct db_batch *batch = db_batch_new(ex->claim_db, on_readopt_result, on_readopt_done, ex);
	struct db_params p = DB_PARAMS_INIT;

	ex->readopting = true;
	db_add_int8(&p, atomic_load(&ex->worker->worker_id));
	/* Waits for transactions of connections that are lost: their claims count as well. */
	db_batch_add_prefix(batch, QUERY_WORKER_HOLD, &p, 1);
	db_add_int8(&p, task_id);
	db_add_int4(&p, READOPT_ROWS);
	db_batch_add(batch, QUERY_SUBTASK_OF_WORKER, &p);
	db_params_release(&p);
	db_batch_send(batch);
}

static void on_claim_state(void *arg, bool up)
{
	struct executor *ex = arg;

	ex->readopted = false;
	atomic_store(&ex->worker->pg_up, up);
	if (up && !completer_handing(ex))
		readopt_from(ex, 0);
}

void claimer_tick(struct executor *ex)
{
	/* Behind a batch that hands on: what it claims is known only with its answer. */
	if (!ex->readopted && !ex->readopting && !completer_handing(ex) &&
	        db_async_up(ex->claim_db))
		readopt_from(ex, 0);
	claimer_push(ex);
}

void claimer_open(struct executor *ex)
{
	size_t max = (size_t)ex->settings->claim_batch;

	ex->claimed_hints = xcalloc(max, sizeof(*ex->claimed_hints));
	ex->claimed_types = xcalloc(max, sizeof(*ex->claimed_types));
	ex->claim_db = db_async_new(ex->loop, ex->settings, "obpipe-claim", on_claim_state, ex);
	stealer_open(ex);
}

void claimer_close(struct executor *ex)
{
	db_async_free(ex->claim_db);
	stealer_close(ex);
	free(ex->claimed_hints);
	free(ex->claimed_types);
}

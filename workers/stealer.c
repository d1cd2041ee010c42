/*
 * stealer: READY subtasks whose hint did not come (lost, late, Kafka away), found in the rows. It
 * only finds them: they go through the claim batches like everything else.
 */
#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/executor_internal.h"

/*
 * Running tasks one look goes through at the most: claims wait behind the look on their
 * connection, some 5 us a task.
 */
#define STEAL_TASKS 2000
#define STEAL_ROWS 10000
/* Looks that find nothing take 1/20 of a server process at the most, however many tasks run. */
#define STEAL_REST 20
#define STEAL_REST_MS_MAX 1000
/* Between two walks over what is below the lowest running task. */
#define BACK_REST_MS 5000

static void take(struct executor *ex, const PGresult *res, int row)
{
	struct lane *lane = executor_lane(ex, db_get_int2(res, row, 3));

	if (!lane)
		return;
	ex->stealer.found = true;
	lane_push(ex, lane,
	        &(struct queued_hint){.task_id = db_get_int8(res, row, 1),
	                .subtask_id = db_get_int8(res, row, 2),
	                .partition = -1});
	metric_add(METRIC_STEALS, 1);
}

static void on_result(void *arg, int index, const PGresult *res)
{
	struct executor *ex = arg;
	struct id_slice *slice = &ex->stealer.slice;

	for (int row = 0; row < PQntuples(res); row++) {
		int64_t id = db_get_int8(res, row, 1), more = db_get_int8(res, row, 2);

		switch (db_get_int4(res, row, 0)) {
		case 0:
			take(ex, res, row);
			break;
		case 1:
			slice->last = id;
			slice->full = more == STEAL_TASKS;
			break;
		case 2:
			slice->lowest = id;
			slice->max_id = more;
			break;
		default:
			slice->took_us = more;
		}
	}
}

static void move_on(struct stealer *st)
{
	int64_t now = clock_mono_ms();

	if (!st->is_back) {
		if (id_scan_advance(&st->front, &st->slice))
			id_scan_from_lowest(&st->front);
		return;
	}
	if (id_scan_advance(&st->back, &st->slice) || st->back.next >= st->front.first) {
		if (st->back.lowest)
			id_scan_from(&st->front, st->back.lowest);
		id_scan_from(&st->back, 0);
		st->back_rest_ms = now + BACK_REST_MS;
	}
}

static void on_done(void *arg, const struct err *err)
{
	struct executor *ex = arg;
	struct stealer *st = &ex->stealer;
	int64_t took_ms = clock_mono_ms() - st->sent_ms, rest_ms = took_ms * STEAL_REST;

	st->looking = false;
	if (err && err->kind == ERR_PERMANENT)
		log_warn("looking for READY subtasks failed", "error", "e", err);
	if (!err)
		move_on(st);
	if (st->found || rest_ms > STEAL_REST_MS_MAX)
		rest_ms = st->found ? 0 : STEAL_REST_MS_MAX;
	if (rest_ms > ex->settings->steal_interval_ms - took_ms)
		loop_timer_arm(st->timer, rest_ms);
	if (!err)
		claimer_push(ex);
}

/* Whose turn is it? The back walk ends where the front began. */
static void choose(struct stealer *st, int64_t *ret_first, int64_t *ret_end)
{
	const struct id_scan *scan = &st->front;

	st->is_back = !st->is_back && st->front.first > 0 && clock_mono_ms() >= st->back_rest_ms;
	if (st->is_back)
		scan = &st->back;
	*ret_first = scan->next;
	*ret_end = id_scan_end(scan);
	if (st->is_back && *ret_end > st->front.first)
		*ret_end = st->front.first;
}

static void send_look(struct executor *ex, const int16_t *types, size_t count, int64_t room)
{
	struct stealer *st = &ex->stealer;
	struct db_params p = DB_PARAMS_INIT;
	struct db_batch *batch = db_batch_new(ex->claim_db, on_result, on_done, ex);
	int64_t first, end;

	st->looking = true;
	st->found = false;
	st->slice = (struct id_slice){0};
	st->sent_ms = clock_mono_ms();
	choose(st, &first, &end);
	db_add_int2_array(&p, types, count);
	db_add_int8(&p, first);
	db_add_int8(&p, end);
	db_add_int4(&p, STEAL_TASKS);
	db_add_int4(&p, (int32_t)(room > STEAL_ROWS ? STEAL_ROWS : room));
	db_add_int4(&p, (int32_t)ex->settings->steal_after_ms);
	db_batch_add(batch, QUERY_SUBTASK_STEAL, &p);
	db_params_release(&p);
	db_batch_send(batch);
}

/* Only types that have free slots and whose own queue is empty. */
static void on_timer(void *arg)
{
	struct executor *ex = arg;
	int16_t types[TYPES_SERVED_MAX];
	size_t count = 0;
	int64_t room = 0;

	loop_timer_arm(ex->stealer.timer, ex->settings->steal_interval_ms);
	if (ex->stealer.looking || ex->draining || !ex->readopted ||
	        !worker_may_start(ex->worker) || !db_async_up(ex->claim_db))
		return;
	for (int i = 0; i < ex->lane_count; i++) {
		if (ex->lanes[i].count > 0 || lane_room(&ex->lanes[i]) <= 0)
			continue;
		types[count++] = ex->lanes[i].type->type_id;
		room += lane_room(&ex->lanes[i]);
	}
	if (count)
		send_look(ex, types, count, room);
}

void stealer_open(struct executor *ex)
{
	id_scan_init(&ex->stealer.front);
	id_scan_init(&ex->stealer.back);
	ex->stealer.timer = loop_timer_new(ex->loop, on_timer, ex);
	loop_timer_arm(ex->stealer.timer, ex->settings->steal_interval_ms);
}

void stealer_close(struct executor *ex)
{
	loop_timer_free(ex->stealer.timer);
}

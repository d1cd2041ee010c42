/*
 * sweeper: watches heartbeats, declares workers dead, makes what they ran READY again.
 *
 * Clocks are never compared: a worker is dead when this thread saw the same counter for verdict_ms
 * of its own monotonic time on one unbroken connection, and the row still holds that counter.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/state.h"
#include "workers/catalog.h"
#include "workers/hint_sender.h"
#include "workers/id_scan.h"
#include "workers/maintainer_internal.h"

#define DEADLOCK "40P01" /* SQLSTATE */
#define LOOK_MS 200
#define SWEEP_ROWS 500
#define DEATHS_MAX 3 /* the third worker death in one subtask makes it FAILED */
#define OLDEST_MS 5000
#define OLDEST_TASKS 20000
/* One walk in so many starts at the first task, not at the lowest that runs: see id_scan.h. */
#define OLDEST_WHOLE 12

struct watched {
	int64_t worker_id;
	int64_t counter;
	int64_t since_ms; /* when this counter was seen first */
	bool seen;        /* in the last look */
};

struct sweeper {
	struct worker *worker;
	const struct settings *settings;
	pthread_t thread;
	struct db db;
	struct watched *watched;
	size_t count;
	/* age of the oldest READY subtask of each type, gathered over a walk */
	struct id_scan oldest_scan;
	int64_t oldest_ms; /* when the last walk ended */
	int oldest_walks;
	int64_t *oldest; /* seconds, by type id */
	size_t oldest_alloc;
};

static struct watched *find(struct sweeper *s, int64_t worker_id)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->watched[i].worker_id == worker_id)
			return &s->watched[i];
	s->watched = xrealloc(s->watched, (s->count + 1) * sizeof(*s->watched));
	s->watched[s->count] = (struct watched){.worker_id = worker_id, .counter = -1};
	return &s->watched[s->count++];
}

static int with_id(struct sweeper *s, enum query query, int64_t id, PGresult **res, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	int rc;

	db_add_int8(&p, id);
	rc = db_query(&s->db, query, &p, res, err);
	db_params_release(&p);
	return rc;
}

/* In one transaction: wait for its claims under way, then the verdict, conditional on the counter.
 */
static int verdict(struct sweeper *s, const struct watched *w, bool *ret_dead, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	PGresult *res = NULL;
	int rc = -1;

	db_add_int8(&p, w->worker_id);
	db_add_int8(&p, w->counter);
	if (db_exec(&s->db, "BEGIN", err) == 0 &&
	        with_id(s, QUERY_WORKER_HOLD, w->worker_id, NULL, err) == 0 &&
	        db_query(&s->db, QUERY_WORKER_VERDICT, &p, &res, err) == 0) {
		*ret_dead = PQntuples(res) == 1;
		rc = db_exec(&s->db, "COMMIT", err);
	}
	PQclear(res);
	db_params_release(&p);
	return rc;
}

struct sweep_rows {
	int64_t tasks[SWEEP_ROWS], subtasks[SWEEP_ROWS], claims[SWEEP_ROWS];
	int16_t rules[SWEEP_ROWS], states[SWEEP_ROWS];
	int32_t delays[SWEEP_ROWS], none[SWEEP_ROWS]; /* a slice 1:0 of downstreams is empty */
	int32_t ones[SWEEP_ROWS];
	size_t count;
};

static void fill_rows(struct sweep_rows *rows, const PGresult *res)
{
	for (int row = 0; row < PQntuples(res) && row < SWEEP_ROWS; row++) {
		size_t n = rows->count;
		bool third = db_get_int2(res, row, 4) + 1 >= DEATHS_MAX;

		if (db_get_int2(res, row, 3) != SUBTASK_RUNNING)
			continue;
		rows->tasks[n] = db_get_int8(res, row, 0);
		rows->subtasks[n] = db_get_int8(res, row, 1);
		rows->claims[n] = db_get_int8(res, row, 2);
		rows->rules[n] = third ? RULE_THIRD_DEATH : RULE_WORKER_DIED;
		rows->states[n] = third ? SUBTASK_FAILED : SUBTASK_READY;
		rows->delays[n] = rows->none[n] = 0;
		rows->ones[n] = 1;
		rows->count++;
	}
}

static int move_rows(
        struct sweeper *s, const struct sweep_rows *rows, PGresult **res, struct err *err)
{
	struct db_params lock = DB_PARAMS_INIT, move = DB_PARAMS_INIT;
	int rc = -1;

	db_add_int8_array(&lock, rows->tasks, rows->count);
	db_params_append(&move, &lock);
	db_add_int8_array(&move, rows->subtasks, rows->count);
	db_add_int8_array(&move, rows->claims, rows->count);
	db_add_int2_array(&move, rows->rules, rows->count);
	db_add_int2_array(&move, rows->states, rows->count);
	db_add_int4_array(&move, rows->delays, rows->count);
	db_add_int4_array(&move, rows->ones, rows->count);
	db_add_int4_array(&move, rows->none, rows->count);
	db_add_int8_array(&move, NULL, 0);
	db_add_text(&move, worker_who(s->worker, "sweeper"));
	db_add_int2_array(&move, NULL, 0);
	db_add_int8(&move, 0);
	for (int i = 0; i < 3; i++)
		db_add_int2_array(&move, NULL, 0); /* node, type, upstreams of no downstream */
	if (db_exec(&s->db, "BEGIN", err) == 0 &&
	        db_query(&s->db, QUERY_TASK_LOCK, &lock, NULL, err) == 0 &&
	        db_query(&s->db, QUERY_SUBTASK_COMPLETE, &move, res, err) == 0)
		rc = db_exec(&s->db, "COMMIT", err);
	db_params_release(&lock);
	db_params_release(&move);
	return rc;
}

static void publish(struct sweeper *s, const PGresult *res)
{
	struct hint_sender *hints = s->worker->hints;

	for (int row = 0; row < PQntuples(res); row++) {
		if (db_get_int4(res, row, 0) == 0)
			metric_add(METRIC_RECLAIMED, 1);
		else
			hint_send(hints, db_get_int8(res, row, 1), db_get_int8(res, row, 2),
			        db_get_int2(res, row, 3), NULL);
	}
}

/* Makes READY what a dead worker was running, page by page. */
static int sweep(struct sweeper *s, int64_t worker_id, struct err *err)
{
	struct sweep_rows *rows = xmalloc(sizeof(*rows));
	int64_t total = 0;
	int page, rc = 0;

	do {
		struct db_params p = DB_PARAMS_INIT;
		PGresult *found = NULL, *moved = NULL;

		rows->count = 0;
		db_add_int8(&p, worker_id);
		db_add_int8(&p, 0);
		db_add_int4(&p, SWEEP_ROWS);
		rc = db_query(&s->db, QUERY_SUBTASK_OF_WORKER, &p, &found, err);
		db_params_release(&p);
		page = rc == 0 ? PQntuples(found) : 0;
		if (page)
			fill_rows(rows, found);
		PQclear(found);
		if (rc == 0 && rows->count) {
			rc = move_rows(s, rows, &moved, err);
			if (rc == 0)
				publish(s, moved);
			PQclear(moved);
		}
		total += (int64_t)rows->count;
	} while (rc == 0 && page == SWEEP_ROWS && rows->count);
	if (rc == 0)
		rc = with_id(s, QUERY_WORKER_SWEPT, worker_id, NULL, err);
	if (rc == 0 && total)
		log_notice("subtasks of a worker that is gone are READY again", "worker", "i",
		        worker_id, "subtasks", "i", total);
	free(rows);
	/* An attempt of it ended just then (subtask_succeed). The next look tries again. */
	if (rc < 0 && !strcmp(err->code, DEADLOCK))
		rc = db_exec(&s->db, "ROLLBACK", err);
	return rc;
}

static int judge(struct sweeper *s, struct watched *w, struct err *err)
{
	bool dead = false;
	bool leader = atomic_load(&s->worker->leader);

	/* A leader that stands still holds the lock: its session is ended, then one of us leads. */
	if (!leader)
		return with_id(s, QUERY_LEADER_END, w->worker_id, NULL, err);
	if (verdict(s, w, &dead, err) < 0)
		return -1;
	if (!dead) {
		w->since_ms = clock_mono_ms();
		return 0;
	}
	log_warn("worker declared dead: its heartbeat stood still", "worker", "i", w->worker_id,
	        "counter", "i", w->counter);
	metric_add(METRIC_TAKEOVERS, 1);
	return sweep(s, w->worker_id, err);
}

static int look(struct sweeper *s, struct err *err)
{
	int64_t now, verdict_ms = s->settings->verdict_ms;
	PGresult *res;
	int rc = 0;

	if (db_query(&s->db, QUERY_WORKER_ALIVE, NULL, &res, err) < 0)
		return -1;
	now = clock_mono_ms();
	for (size_t i = 0; i < s->count; i++)
		s->watched[i].seen = false;
	for (int row = 0; row < PQntuples(res) && rc == 0; row++) {
		struct watched *w = find(s, db_get_int8(res, row, 0));
		int64_t counter = db_get_int8(res, row, 1);
		bool over = db_get_bool(res, row, 2) || db_get_bool(res, row, 3);

		w->seen = true;
		if (w->counter != counter) {
			w->counter = counter;
			w->since_ms = now;
		}
		if (over && atomic_load(&s->worker->leader))
			rc = sweep(s, w->worker_id, err);
		else if (!over && now - w->since_ms >= verdict_ms &&
		         w->worker_id != atomic_load(&s->worker->worker_id))
			rc = judge(s, w, err);
	}
	PQclear(res);
	for (size_t i = 0; i < s->count;)
		if (s->watched[i].seen)
			i++;
		else
			s->watched[i] = s->watched[--s->count];
	return rc;
}

/* ---- the age of the oldest READY subtask ---- */

static void set_oldest(struct sweeper *s, int16_t type_id, int64_t seconds)
{
	size_t at = (size_t)type_id;

	if (at >= s->oldest_alloc) {
		s->oldest = xrealloc(s->oldest, (at + 64) * sizeof(*s->oldest));
		memset(s->oldest + s->oldest_alloc, 0,
		        (at + 64 - s->oldest_alloc) * sizeof(*s->oldest));
		s->oldest_alloc = at + 64;
	}
	if (s->oldest[at] < seconds)
		s->oldest[at] = seconds;
}

static void report_type(void *arg, const struct catalog_type *type)
{
	struct sweeper *s = arg;
	size_t at = (size_t)type->type_id;

	metric_set_label(METRIC_OLDEST_READY, type->name, at < s->oldest_alloc ? s->oldest[at] : 0);
}

static void end_walk(struct sweeper *s)
{
	catalog_each_type(s->worker->catalog, report_type, s);
	if (s->oldest_alloc)
		memset(s->oldest, 0, s->oldest_alloc * sizeof(*s->oldest));
	if (++s->oldest_walks % OLDEST_WHOLE == 0)
		id_scan_from(&s->oldest_scan, 0);
	else
		id_scan_from_lowest(&s->oldest_scan);
	s->oldest_ms = clock_mono_ms();
}

static void take_oldest(struct sweeper *s, const PGresult *res)
{
	struct id_slice slice = {0};

	for (int row = 0; row < PQntuples(res); row++) {
		int64_t value = db_get_int8(res, row, 1), more = db_get_int8(res, row, 2);

		switch (db_get_int4(res, row, 0)) {
		case 0:
			set_oldest(s, db_get_int2(res, row, 3), value);
			break;
		case 1:
			slice.last = value;
			slice.full = more == OLDEST_TASKS;
			break;
		case 2:
			slice.lowest = value;
			slice.max_id = more;
			break;
		default:
			slice.took_us = more;
		}
	}
	if (id_scan_advance(&s->oldest_scan, &slice))
		end_walk(s);
}

/* One slice a call while a walk is under way. */
static void report_oldest(struct sweeper *s)
{
	struct db_params p = DB_PARAMS_INIT;
	PGresult *res;
	struct err err;

	if (clock_mono_ms() - s->oldest_ms < OLDEST_MS)
		return;
	db_add_int8(&p, s->oldest_scan.next);
	db_add_int8(&p, id_scan_end(&s->oldest_scan));
	db_add_int4(&p, OLDEST_TASKS);
	if (db_query(&s->db, QUERY_SUBTASK_OLDEST_READY, &p, &res, &err) == 0) {
		take_oldest(s, res);
		PQclear(res);
	}
	db_params_release(&p);
}

static void *run(void *arg)
{
	struct sweeper *s = arg;
	bool told = false;

	while (!atomic_load(&s->worker->stopping)) {
		struct err err = {0};

		if (look(s, &err) < 0) {
			if (!told)
				log_warn("heartbeats cannot be watched", "error", "e", &err);
			told = true;
			/* What was seen before the loss proves nothing any more. */
			db_disconnect(&s->db);
			s->count = 0;
		} else {
			told = false;
			report_oldest(s);
		}
		hint_sender_poll(s->worker->hints);
		worker_pause(s->worker, LOOK_MS);
	}
	return NULL;
}

struct sweeper *sweeper_start(struct worker *w, struct err *err)
{
	struct sweeper *s = xcalloc(1, sizeof(*s));

	s->worker = w;
	s->settings = &w->settings;
	id_scan_init(&s->oldest_scan);
	db_init(&s->db, s->settings, "obpipe-sweeper");
	if (pthread_create(&s->thread, NULL, run, s) != 0)
		BUG("cannot start the sweeper thread");
	return s;
}

void sweeper_stop(struct sweeper *s)
{
	if (!s)
		return;
	pthread_join(s->thread, NULL);
	db_release(&s->db);
	free(s->watched);
	free(s->oldest);
	free(s);
}

/*
 * relay: event rows -> the event topic.
 *
 * It reads by the difference of two snapshots: rows whose transaction the previous snapshot did not
 * see (xid >= its xmax, or running then) and this one does. So nobody's open transaction delays
 * anybody's event, no row is written to mark what was sent, and nothing is skipped. What one read
 * finds is one batch: the next read follows its delivery reports and finds what was committed in
 * the meantime. A snapshot is saved at most once a second; after a crash some events stand twice on
 * the topic, as exact copies.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/message.h"
#include "common/metrics.h"
#include "workers/event_list.h"
#include "workers/maintainer_internal.h"

#define LEADER_KEY INT64_C(0x6f62706970650001) /* "obpipe", 1 */
#define ELECT_MS 500
#define SAVE_MS 1000
#define FLUSH_MS 100
/* Work that pauses for less is still work. */
#define BUSY_FOR_US 50000
/* With nothing for that long, looks are this many times rarer: each costs 0.15 ms of CPU here
 * alone. */
#define QUIET_FOR_US 1000000
#define QUIET_TIMES 4
#define STREAM_TIMEOUT_MS (3600 * 1000)
#define XIP_MAX 4096
/* Rows of event_batch that are read at once, some 100 bytes an event and 32 events each. */
#define ROWS_MAX 2000
/* Before anything: sees no transaction. */
#define SNAPSHOT_NONE "1:1:"

struct relay {
	struct worker *worker;
	const struct settings *settings;
	pthread_t thread;
	struct db db;
	char *topic;
	int32_t partitions;
	struct kafka_producer *producer;
	bool leader;
	char *snapshot; /* all it sees is acknowledged */
	bool saved;
	int64_t saved_ms;
	/* the read under way */
	char *next_snapshot;
	struct event_list events;
	int64_t rows;      /* its events */
	int64_t pending;   /* events not acknowledged yet */
	int64_t oldest_us; /* of its events; 0: none */
	int64_t read_us;   /* when it started */
	int64_t found_us;  /* when the last event was found */
	bool failed;       /* an event was refused: read again from what is saved */
	struct strbuf text;
};

static bool stopping(const struct relay *r)
{
	return atomic_load(&r->worker->stopping);
}

/* ---- acknowledgements ---- */

static void on_report(void *arg, void *opaque, enum kafka_outcome outcome, int32_t partition,
        int64_t offset, const char *error)
{
	struct relay *r = arg;

	r->pending--;
	if (outcome == KAFKA_PERSISTED) {
		metric_add(METRIC_RELAY_EVENTS, 1);
		return;
	}
	if (!r->failed)
		log_warn("event not acknowledged, reading again", "reason", "s", error);
	r->failed = true;
}

/*
 * Waits until every event of this read has its report. Nobody else waits for this thread, and a
 * second read would only queue behind the first.
 */
static void wait_reports(struct relay *r)
{
	while (r->pending > 0 && !stopping(r)) {
		kafka_producer_flush(r->producer, FLUSH_MS);
		if (r->oldest_us)
			metric_set_us(METRIC_RELAY_LAG, clock_unix_us() - r->oldest_us);
	}
	if (r->pending == 0)
		metric_set_us(METRIC_RELAY_LAG, 0);
}

/* ---- reading ---- */

static int send_event(struct relay *r, const struct event_row *row)
{
	char key[24];
	struct err err = {0};
	const struct kafka_header header = {"content-type", "application/cloudevents+json",
	        strlen("application/cloudevents+json")};
	int n = snprintf(key, sizeof(key), "%" PRId64, row->task_id);

	strbuf_reset(&r->text);
	if (event_encode(row, &r->text, &err) < 0) {
		/* A row this program wrote and cannot read: a bug, but not one to lose others by.
		 */
		log_error("event row cannot be encoded", "task", "i", row->task_id, "error", "e",
		        &err);
		return 0;
	}
	while (kafka_produce(r->producer, r->topic,
	               (int32_t)((uint64_t)row->task_id % (uint64_t)r->partitions), key, (size_t)n,
	               r->text.buf, r->text.len, &header, 1, NULL, &err) < 0) {
		/* Queue full: wait for acknowledgements. Anything else: start over. */
		if (!err_is_retryable(&err) || stopping(r) || r->failed) {
			log_warn("event not sent", "error", "e", &err);
			r->failed = true;
			return -1;
		}
		kafka_producer_poll(r->producer);
		clock_sleep_ms(1);
	}
	r->pending++;
	return 0;
}

static int send_list(struct relay *r)
{
	for (size_t i = 0; i < r->events.count; i++) {
		const struct event_row *row = &r->events.rows[i];

		if (!r->oldest_us || row->at_us < r->oldest_us)
			r->oldest_us = row->at_us;
		r->rows++;
		if (send_event(r, row) < 0)
			return -1;
	}
	return 0;
}

/* A row of relay_read into the list, or the snapshot out of it. */
static void take_row(struct relay *r, const PGresult *res, int row)
{
	const char *who = db_get_text(res, row, 1), *entries = db_get_text(res, row, 2);
	struct err err = {0};

	if (!entries) {
		free(r->next_snapshot);
		r->next_snapshot = xstrdup(who);
	} else if (event_list_add(&r->events, db_get_time(res, row, 0), who, entries, &err) < 0) {
		/* Written by a program that is not ours: others are not to be lost by it. */
		log_error("event rows hold something else", "error", "e", &err);
	}
}

static bool on_sorted_row(void *arg, const PGresult *res)
{
	struct relay *r = arg;
	int rc;

	take_row(r, res, 0);
	rc = send_list(r);
	event_list_clear(&r->events);
	return rc == 0;
}

/* Splits "xmin:xmax:xip,xip" into the parameters of relay_read. */
static void snapshot_params(const char *snapshot, struct db_params *p)
{
	_cleanup_free_ char *copy = xstrdup(snapshot);
	const char **xip = xcalloc(XIP_MAX, sizeof(*xip));
	size_t count = 0;
	char *save = NULL;
	const char *xmax;

	strtok_r(copy, ":", &save);
	xmax = strtok_r(NULL, ":", &save);
	db_add_text(p, xmax ? xmax : "1");
	for (const char *id = strtok_r(NULL, ",", &save); id && count < XIP_MAX;
	        id = strtok_r(NULL, ",", &save))
		xip[count++] = id;
	db_add_text_array(p, xip, count);
	free(xip);
}

/* What fits into memory is sorted here: that costs the database less. */
static int read_rows(struct relay *r, struct db_params *p, bool *ret_all, struct err *err)
{
	PGresult *res;

	db_add_int8(p, ROWS_MAX);
	if (db_query(&r->db, QUERY_RELAY_READ, p, &res, err) < 0)
		return -1;
	*ret_all = PQntuples(res) <= ROWS_MAX;
	for (int row = 0; *ret_all && row < PQntuples(res); row++)
		take_row(r, res, row);
	PQclear(res);
	event_list_sort(&r->events);
	send_list(r);
	event_list_clear(&r->events);
	return 0;
}

/* One batch, from its rows to its reports. */
static int read_once(struct relay *r, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	bool all = false;
	int rc;

	r->rows = r->oldest_us = 0;
	r->read_us = clock_mono_us();
	snapshot_params(r->snapshot, &p);
	rc = read_rows(r, &p, &all, err);
	if (rc == 0 && !all)
		rc = db_stream(&r->db, QUERY_RELAY_READ_SORTED, &p, on_sorted_row, r, err);
	db_params_release(&p);
	if (rc < 0) {
		r->failed = true; /* what came of it may be half: read again */
		return -1;
	}
	wait_reports(r);
	if (r->failed || r->pending > 0)
		return 0;
	free(r->snapshot);
	r->snapshot = r->next_snapshot;
	r->next_snapshot = NULL;
	r->saved = false;
	return 0;
}

/* ---- where it stands ---- */

static int save(struct relay *r, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	int rc;

	if (r->saved || r->failed || clock_mono_ms() - r->saved_ms < SAVE_MS)
		return 0;
	r->saved_ms = clock_mono_ms();
	db_add_text(&p, r->snapshot);
	rc = db_query(&r->db, QUERY_RELAY_SAVE, &p, NULL, err);
	db_params_release(&p);
	r->saved = rc == 0;
	return rc;
}

static int load_position(struct relay *r, struct err *err)
{
	PGresult *res;

	if (db_query(&r->db, QUERY_RELAY_POSITION, NULL, &res, err) < 0)
		return -1;
	free(r->snapshot);
	r->snapshot = xstrdup(PQntuples(res) ? db_get_text(res, 0, 0) : SNAPSHOT_NONE);
	PQclear(res);
	r->saved = true;
	return 0;
}

/* The count the topic was made with; a key's partition never changes. */
static int load_partitions(struct relay *r, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	PGresult *res;
	int rc;

	db_add_text(&p, "events");
	rc = db_query(&r->db, QUERY_TOPIC_PARTITIONS, &p, &res, err);
	db_params_release(&p);
	if (rc < 0)
		return -1;
	r->partitions = PQntuples(res) ? db_get_int4(res, 0, 0) : 0;
	PQclear(res);
	if (r->partitions > 0)
		return 0;
	return err_set(err, ERR_RETRYABLE, "", "the topics are not made yet: run `obpipe topics`");
}

static int elect(struct relay *r, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	PGresult *res;
	bool elected;

	db_add_int8(&p, LEADER_KEY);
	if (db_query(&r->db, QUERY_LEADER_TRY, &p, &res, err) < 0) {
		db_params_release(&p);
		return -1;
	}
	elected = db_get_bool(res, 0, 0);
	PQclear(res);
	db_params_clear(&p);
	db_add_int8(&p, atomic_load(&r->worker->worker_id));
	if (elected && (db_query(&r->db, QUERY_LEADER_NAME, &p, NULL, err) < 0 ||
	                       load_partitions(r, err) < 0 || load_position(r, err) < 0)) {
		db_disconnect(&r->db); /* gives the lock back */
		db_params_release(&p);
		return -1;
	}
	db_params_release(&p);
	if (elected)
		log_notice("elected maintainer", "snapshot", "s", r->snapshot);
	r->leader = elected;
	return 0;
}

static void set_leader(struct relay *r, bool leader)
{
	r->leader = leader;
	atomic_store(&r->worker->leader, leader);
	metric_set(METRIC_LEADER, leader);
}

/* One turn as the leader. Returns ms to wait before the next. */
static int64_t lead(struct relay *r, struct err *err)
{
	int64_t now_us;

	if (r->failed) {
		wait_reports(r); /* of what was sent before the failure */
		if (load_position(r, err) < 0)
			return -1;
		r->failed = false;
	}
	if (read_once(r, err) < 0 || save(r, err) < 0)
		return -1;
	now_us = clock_mono_us();
	if (r->rows)
		r->found_us = now_us;
	if (now_us - r->found_us < BUSY_FOR_US)
		return r->settings->relay_busy_ms;
	if (now_us - r->found_us < QUIET_FOR_US)
		return r->settings->relay_idle_ms;
	return r->settings->relay_idle_ms * QUIET_TIMES;
}

/*
 * Until wait_ms after the last read began, or until this process committed events (others are
 * found by looking): but never sooner than relay_busy_ms, so that a read is worth its cost.
 */
static void rest(struct relay *r, int64_t wait_ms)
{
	int64_t busy_ms = r->settings->relay_busy_ms, busy_us;

	if (wait_ms > busy_ms)
		worker_await_commit(r->worker, wait_ms - (clock_mono_us() - r->read_us) / 1000);
	busy_us = busy_ms * 1000 - (clock_mono_us() - r->read_us);
	if (busy_us > 0)
		clock_sleep_us(busy_us);
	if (wait_ms <= busy_ms)
		worker_await_commit(r->worker, 0); /* the read that follows sees those */
}

static void *run(void *arg)
{
	struct relay *r = arg;
	bool told = false;

	while (!stopping(r)) {
		struct err err = {0};
		int64_t wait_ms;

		if (r->leader) {
			wait_ms = lead(r, &err);
		} else {
			wait_ms = atomic_load(&r->worker->worker_id) && elect(r, &err) < 0 ? -1
			          : r->leader                                              ? 0
			                      : ELECT_MS;
			set_leader(r, r->leader);
		}
		if (wait_ms < 0) {
			if (!told)
				log_warn("events wait", "error", "e", &err);
			/* The lock went with the session; elected anew when it is back. */
			db_disconnect(&r->db);
			set_leader(r, false);
			r->failed = true;
			wait_ms = ELECT_MS;
		}
		told = wait_ms == ELECT_MS && told;
		if (r->leader)
			rest(r, wait_ms);
		else
			worker_pause(r->worker, wait_ms);
	}
	return NULL;
}

struct relay *relay_start(struct worker *w, struct err *err)
{
	struct relay *r = xcalloc(1, sizeof(*r));

	r->worker = w;
	r->settings = &w->settings;
	r->topic = kafka_topic(r->settings, "events");
	w->commit_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->commit_fd < 0)
		BUG("eventfd: %s", strerror(errno));
	db_init(&r->db, r->settings, "obpipe-maintainer");
	r->db.statement_timeout_ms = STREAM_TIMEOUT_MS;
	r->producer = kafka_producer_new(r->settings, KAFKA_BATCHES, on_report, r, err);
	if (!r->producer)
		return NULL; /* start-up ends the process */
	kafka_producer_know(r->producer, r->topic);
	if (pthread_create(&r->thread, NULL, run, r) != 0)
		BUG("cannot start the relay thread");
	return r;
}

void relay_stop(struct relay *r)
{
	if (!r)
		return;
	pthread_join(r->thread, NULL);
	kafka_producer_free(r->producer, 5000);
	db_release(&r->db);
	strbuf_release(&r->text);
	event_list_release(&r->events);
	free(r->snapshot);
	free(r->next_snapshot);
	free(r->topic);
	atomic_store(&r->worker->leader, false);
	close(r->worker->commit_fd);
	free(r);
}

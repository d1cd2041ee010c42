#include "producer/read_write.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#define PARTITIONS_MAX 1000
#define ASK_MS 1000
/* How often Kafka is asked when nobody waits, for readiness. */
#define IDLE_MS 1000
#define LEAVE_S 3
#define AGAIN_MS 10
#define GIVE_UP_MS 2000

/* The ends of the request topic, as of `asked_us`. */
struct ends {
	int64_t asked_us;
	int count;
	int64_t next[PARTITIONS_MAX];
};

struct waiting {
	struct waiting *next;
	struct call *call;
	int64_t task_id;
	call_fn again;
};

struct log_ends {
	struct ingress *in;
	char *topic;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t ask;
	bool wanted, stop; /* under the lock */
	struct ends found; /* under the lock */
	_Atomic bool known;
	struct loop_timer *timer;
	struct waiting *waiting; /* loop thread */
};

/* ---- the helper thread ---- */

static int ask_kafka(
        struct log_ends *e, struct kafka_consumer *consumer, struct ends *found, struct err *err)
{
	found->asked_us = clock_mono_us();
	if (!found->count &&
	        kafka_partition_count(&e->in->settings, e->topic, ASK_MS, &found->count, err) < 0)
		return -1;
	if (found->count > PARTITIONS_MAX)
		BUG("%d partitions of %s, more than settings allow", found->count, e->topic);
	for (int i = 0; i < found->count; i++) {
		int64_t low;

		if (kafka_consumer_watermarks(
		            consumer, e->topic, i, ASK_MS, &low, &found->next[i], err) < 0)
			return -1;
	}
	return found->count ? 0 : err_set(err, ERR_RETRYABLE, "", "topic %s is missing", e->topic);
}

/* Until somebody wants to know, or the idle time is over. Under the lock. */
static void wait_for_question(struct log_ends *e)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_MS / 1000;
	while (!e->wanted && !e->stop)
		if (pthread_cond_timedwait(&e->ask, &e->lock, &until) == ETIMEDOUT)
			break;
	e->wanted = false;
}

static void *run(void *arg)
{
	struct log_ends *e = arg;
	struct err err = {0};
	struct kafka_consumer *consumer = kafka_consumer_new(
	        &e->in->settings, NULL, KAFKA_AHEAD_KIB, NULL, NULL, &err);
	struct ends *found = xcalloc(1, sizeof(*found));

	if (!consumer)
		BUG("%s", err.text);
	pthread_mutex_lock(&e->lock);
	e->wanted = true;
	while (!e->stop) {
		wait_for_question(e);
		pthread_mutex_unlock(&e->lock);
		int rc = ask_kafka(e, consumer, found, &err);

		pthread_mutex_lock(&e->lock);
		atomic_store(&e->known, rc == 0);
		if (rc == 0)
			e->found = *found;
	}
	pthread_mutex_unlock(&e->lock);
	kafka_consumer_free(consumer, 1000);
	free(found);
	return NULL;
}

static void want(struct log_ends *e)
{
	pthread_mutex_lock(&e->lock);
	e->wanted = true;
	pthread_cond_signal(&e->ask);
	pthread_mutex_unlock(&e->lock);
}

/* ---- waiting calls ---- */

struct question {
	struct call *call;
	int64_t task_id, next_id;
	call_fn again;
	bool passed;
	struct ends ends;
};

static void on_question_result(void *arg, int index, const PGresult *res)
{
	struct question *q = arg;

	if (index == 0) {
		q->next_id = PQntuples(res) ? db_get_int8(res, 0, 0) : 0;
		return;
	}
	q->passed = true;
	for (int row = 0; row < PQntuples(res); row++) {
		int32_t partition = db_get_int4(res, row, 0);

		if (db_get_int8(res, row, 2) < q->ends.next[partition])
			q->passed = false;
	}
}

static void answer_missing(struct call *c, int64_t task_id)
{
	reply_error(c, MHD_HTTP_NOT_FOUND, "TSK10001", "there is no task %" PRId64, task_id);
}

static void wait_a_moment(struct log_ends *e, struct call *c, int64_t task_id, call_fn again)
{
	struct waiting *w = xcalloc(1, sizeof(*w));

	*w = (struct waiting){.next = e->waiting, .call = c, .task_id = task_id, .again = again};
	e->waiting = w;
	loop_timer_arm(e->timer, AGAIN_MS);
	want(e);
}

/* The row was missing before intake's position was read: it may have come in between. */
static void look_once_more(struct call *c, int64_t task_id, call_fn again)
{
	if (c->log_passed) {
		answer_missing(c, task_id);
		return;
	}
	c->log_passed = true;
	again(c);
}

static void on_question_done(void *arg, const struct err *err)
{
	struct question *q = arg;
	struct call *c = q->call;

	if (err)
		reply_read_failed(c, err);
	else if (q->task_id >= q->next_id)
		answer_missing(c, q->task_id); /* an id that was given to nobody */
	else if (q->ends.asked_us > c->started_us && q->passed)
		look_once_more(c, q->task_id, q->again);
	else if (clock_mono_us() - c->started_us > GIVE_UP_MS * INT64_C(1000))
		reply_unavailable(c,
		        "task %" PRId64 " may be accepted and is not recorded yet; "
		        "ask again",
		        q->task_id);
	else
		wait_a_moment(c->in->ends, c, q->task_id, q->again);
	free(q);
}

void read_write_missing(struct call *c, int64_t task_id, call_fn again)
{
	struct log_ends *e = c->in->ends;
	struct db_async *db = ingress_db(c->in);
	struct question *q;
	struct db_params p = DB_PARAMS_INIT;
	struct db_batch *batch;
	int32_t partitions[PARTITIONS_MAX];

	if (!db) {
		reply_unavailable(c, "PostgreSQL is away; try again");
		return;
	}
	q = xcalloc(1, sizeof(*q));
	q->call = c;
	q->task_id = task_id;
	q->again = again;
	pthread_mutex_lock(&e->lock);
	q->ends = e->found;
	pthread_mutex_unlock(&e->lock);
	for (int i = 0; i < q->ends.count; i++)
		partitions[i] = i;
	db_add_int4_array(&p, partitions, (size_t)q->ends.count);
	batch = db_batch_new(db, on_question_result, on_question_done, q);
	db_batch_add(batch, QUERY_API_ID_NEXT, NULL);
	db_batch_add(batch, QUERY_INTAKE_POSITIONS, &p);
	db_params_release(&p);
	db_batch_send(batch);
}

static void on_timer(void *arg)
{
	struct log_ends *e = arg;
	struct waiting *w = e->waiting;

	e->waiting = NULL;
	while (w) {
		struct waiting *next = w->next;

		w->again(w->call);
		free(w);
		w = next;
	}
}

bool log_ends_known(const struct log_ends *ends)
{
	return atomic_load(&ends->known);
}

struct log_ends *log_ends_new(struct ingress *in, struct err *err)
{
	struct log_ends *e = xcalloc(1, sizeof(*e));
	pthread_condattr_t monotonic;

	e->in = in;
	e->topic = kafka_topic(&in->settings, "requests");
	pthread_mutex_init(&e->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&e->ask, &monotonic);
	pthread_condattr_destroy(&monotonic);
	e->timer = loop_timer_new(in->loop, on_timer, e);
	if (pthread_create(&e->thread, NULL, run, e) != 0)
		BUG("cannot start the thread that asks Kafka");
	return e;
}

void log_ends_free(struct log_ends *e)
{
	struct timespec until;

	if (!e)
		return;
	pthread_mutex_lock(&e->lock);
	e->stop = true;
	pthread_cond_signal(&e->ask);
	pthread_mutex_unlock(&e->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LEAVE_S; /* it may be asking a broker that does not answer */
	if (pthread_timedjoin_np(e->thread, NULL, &until) != 0) {
		e->in->thread_left = true;
		return;
	}
	pthread_cond_destroy(&e->ask);
	pthread_mutex_destroy(&e->lock);
	loop_timer_free(e->timer);
	for (struct waiting *w = e->waiting, *next; w; w = next) {
		next = w->next;
		free(w); /* its call is answered when the server stops */
	}
	free(e->topic);
	free(e);
}

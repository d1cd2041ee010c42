#include "workers/intake.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/kafka.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "workers/dead_letter.h"
#include "workers/handoff_box.h"
#include "workers/hint_sender.h"
#include "workers/intake_batch.h"

#define PARTITIONS_MAX 1000
#define POLL_MS 250
/* A batch request may hold 1,000 tasks: one transaction takes about this many. */
#define TASKS_A_BATCH 2000
/* Of requests that come close together a batch begins every 20 ms, unless the last one was full: a
 * transaction has a cost of its own, the relay's read and the broker's sync of its event with it.
 */
#define CLOSE_TOGETHER 4
#define BATCH_EVERY_MS 20
#define RETRY_MS 200
#define TOO_NEW_RETRY_MS 2000
#define COMMIT_MS 1000
#define WATERMARK_MS 5000
#define CLOSE_MS 3000

/* A partition that waits for a newer program: its messages are left alone. */
struct blocked {
	int64_t offset;   /* of the message that is too new */
	int64_t until_ms; /* 0: not blocked */
};

struct intake {
	struct worker *worker;
	const struct settings *settings;
	pthread_t thread;
	char *topic;
	struct db db;
	struct kafka_consumer *consumer;
	struct dead_letters dead_letters;
	int dead_pending;
	bool dead_failed;
	int32_t generation;
	int64_t next[PARTITIONS_MAX]; /* next offset to record; -1: not ours */
	struct blocked blocked[PARTITIONS_MAX];
	int64_t committed_ms;
	int64_t due_ms; /* the next batch, 0: at once */
	struct intake_item *items;
	size_t count;
	size_t tasks; /* in all items */
};

static bool stopping(const struct intake *in)
{
	return atomic_load(&in->worker->stopping);
}

/* ---- where to go on ---- */

static int read_positions(
        struct intake *in, struct kafka_partition *parts, size_t count, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	int32_t *ids = xcalloc(count + 1, sizeof(*ids));
	PGresult *res;
	int rc;

	for (size_t i = 0; i < count; i++)
		ids[i] = parts[i].partition;
	db_add_int4_array(&p, ids, count);
	rc = db_query(&in->db, QUERY_INTAKE_POSITIONS, &p, &res, err);
	free(ids);
	db_params_release(&p);
	if (rc < 0)
		return -1;
	for (int row = 0; row < PQntuples(res); row++) {
		in->generation = db_get_int4(res, row, 1);
		for (size_t i = 0; i < count; i++)
			if (parts[i].partition == db_get_int4(res, row, 0))
				parts[i].offset = db_get_int8(res, row, 2);
	}
	PQclear(res);
	return 0;
}

/*
 * A topic that ends before the offset recorded last was made anew. It is read from its beginning
 * under a new generation: requests recorded before are recognised by their ids.
 */
static int check_generation(
        struct intake *in, struct kafka_partition *parts, size_t count, struct err *err)
{
	bool anew = false;

	for (size_t i = 0; i < count; i++) {
		int64_t low, high;

		if (kafka_consumer_watermarks(in->consumer, in->topic, parts[i].partition,
		            WATERMARK_MS, &low, &high, err) < 0)
			return -1;
		anew = anew || parts[i].offset > high;
	}
	if (!anew)
		return 0;
	in->generation++;
	log_error("the request topic was made anew: reading it from the beginning", "topic", "s",
	        in->topic, "generation", "i", (int64_t)in->generation);
	for (size_t i = 0; i < count; i++)
		parts[i].offset = 0;
	return 0;
}

static void clear_items(struct intake *in)
{
	for (size_t i = 0; i < in->count; i++)
		intake_item_release(&in->items[i]);
	in->count = in->tasks = 0;
}

static void on_assign(void *arg, bool assigned, struct kafka_partition *parts, size_t count)
{
	struct intake *in = arg;
	bool told = false;

	atomic_store(&in->worker->kafka_up, true); /* or nobody would have called */
	clear_items(in);
	for (int i = 0; i < PARTITIONS_MAX; i++) {
		in->next[i] = -1;
		in->blocked[i] = (struct blocked){0};
	}
	if (!assigned || count == 0)
		return;
	while (!stopping(in)) {
		struct err err = {0};

		if (read_positions(in, parts, count, &err) == 0 &&
		        check_generation(in, parts, count, &err) == 0)
			break;
		if (!told)
			log_warn("intake waits to learn where to go on", "error", "e", &err);
		told = true;
		worker_pause(in->worker, RETRY_MS);
	}
	for (size_t i = 0; i < count; i++) {
		if (parts[i].partition < PARTITIONS_MAX)
			in->next[parts[i].partition] = parts[i].offset;
		if (parts[i].offset == 0)
			parts[i].offset = KAFKA_OFFSET_BEGINNING;
	}
	log_info("request partitions assigned", "partitions", "i", (int64_t)count);
}

/* ---- reading ---- */

static void block(struct intake *in, const struct intake_item *item)
{
	atomic_store(&in->worker->too_new, true);
	log_error("a request is newer than this program; its partition waits for a newer one",
	        "partition", "i", (int64_t)item->partition, "offset", "i", item->offset);
	kafka_consumer_pause(in->consumer, in->topic, item->partition, true);
	in->blocked[item->partition] = (struct blocked){
	        .offset = item->offset, .until_ms = clock_mono_ms() + TOO_NEW_RETRY_MS};
}

static void unblock_due(struct intake *in)
{
	int64_t now = clock_mono_ms();
	struct err err = {0};

	for (int32_t i = 0; i < PARTITIONS_MAX; i++) {
		struct blocked *b = &in->blocked[i];

		if (!b->until_ms || b->until_ms > now)
			continue;
		b->until_ms = 0;
		kafka_consumer_pause(in->consumer, in->topic, i, false);
		if (kafka_consumer_seek(in->consumer, in->topic, i, b->offset, &err) < 0)
			log_warn("cannot go back to a waiting request", "error", "e", &err);
	}
}

static const struct template *find_template(struct intake *in, const struct request *r)
{
	struct catalog *c = in->worker->catalog;
	const struct template *t = catalog_template_find(c, r->template, r->version, r->sha256);
	struct err err = {0};

	if (t)
		return t;
	if (catalog_load(c, &in->db, &err) < 0)
		log_warn("templates could not be read", "error", "e", &err);
	return catalog_template_find(c, r->template, r->version, r->sha256);
}

static void *copy(const void *data, size_t bytes)
{
	void *mine = xmalloc(bytes + 1);

	if (bytes)
		memcpy(mine, data, bytes);
	((char *)mine)[bytes] = '\0';
	return mine;
}

/* Decodes one message into the batch, or blocks its partition. */
static void take_message(struct intake *in, const struct kafka_message *msg)
{
	struct intake_item *item = &in->items[in->count];
	struct err err = {0};
	const void *header;
	size_t bytes;
	int rc;

	if (msg->partition >= PARTITIONS_MAX || in->blocked[msg->partition].until_ms)
		return;
	*item = (struct intake_item){.partition = msg->partition,
	        .offset = msg->offset,
	        .outcome = INTAKE_RECORD,
	        .raw = copy(msg->value, msg->value_bytes),
	        .raw_bytes = msg->value_bytes,
	        .key = copy(msg->key, msg->key_bytes),
	        .key_bytes = msg->key_bytes};
	header = kafka_message_header(msg, "traceparent", &bytes);
	item->traceparent = header ? xstrndup(header, bytes) : NULL;
	rc = request_decode(msg->value, msg->value_bytes, &item->request, &err);
	if (rc == 0) {
		item->template = find_template(in, &item->request);
		if (!item->template)
			rc = err_set(&err, ERR_PERMANENT, MESSAGE_TOO_NEW, "unknown template");
	}
	if (rc == 0)
		rc = intake_item_prepare(item, &err);
	if (rc < 0 && !strcmp(err.code, MESSAGE_TOO_NEW)) {
		block(in, item);
		intake_item_release(item);
		return;
	}
	if (rc < 0) {
		item->outcome = INTAKE_DEAD_LETTER;
		dead_letter_send(&in->dead_letters, msg, err.text, in) == 0
		        ? in->dead_pending++
		        : (in->dead_failed = true);
	}
	in->tasks += item->request.task_count;
	in->count++;
}

static bool has_room(const struct intake *in)
{
	return in->count < (size_t)in->settings->intake_batch && in->tasks < TASKS_A_BATCH;
}

static void gather(struct intake *in)
{
	struct kafka_message msg;
	struct err err = {0};

	while (has_room(in)) {
		int got = kafka_consumer_poll(in->consumer, in->count ? 0 : POLL_MS, &msg, &err);

		if (got < 0)
			log_warn("reading requests", "error", "e", &err);
		if (got == 0 && !in->count)
			metric_set(METRIC_INTAKE_LAG, 0);
		if (got <= 0)
			return;
		atomic_store(&in->worker->kafka_up, true);
		take_message(in, &msg);
		kafka_message_done(&msg);
	}
}

static void next_batch(struct intake *in)
{
	bool close_together;

	worker_pause(in->worker, in->due_ms - clock_mono_ms());
	gather(in);
	close_together = in->count >= CLOSE_TOGETHER && has_room(in);
	in->due_ms = close_together ? clock_mono_ms() + BATCH_EVERY_MS : 0;
}

/* ---- recording ---- */

struct new_task {
	int64_t task_id, first_subtask_id;
	const struct template *template;
	const char *traceparent;
};

static int by_task(const void *a, const void *b)
{
	int64_t x = ((const struct new_task *)a)->task_id;
	int64_t y = ((const struct new_task *)b)->task_id;

	return x < y ? -1 : x > y;
}

/* The batch's tasks by id. */
static size_t list_tasks(const struct intake_item *items, size_t count, struct new_task **ret)
{
	size_t n = 0, at = 0;

	for (size_t i = 0; i < count; i++)
		n += items[i].request.task_count;
	*ret = xcalloc(n + 1, sizeof(**ret));
	for (size_t i = 0; i < count; i++)
		for (size_t t = 0; t < items[i].request.task_count; t++)
			(*ret)[at++] = (struct new_task){
			        .task_id = items[i].request.tasks[t].task_id,
			        .first_subtask_id = items[i].request.tasks[t].first_subtask_id,
			        .template = items[i].template,
			        .traceparent = items[i].traceparent};
	qsort(*ret, n, sizeof(**ret), by_task);
	return n;
}

/* Roots are READY from the start. */
static void announce_roots(struct intake *in, const struct new_task *task)
{
	const struct template *t = task->template;

	for (int n = 0; n < t->node_count; n++) {
		int64_t subtask_id = task->first_subtask_id + n;

		if (t->nodes[n].upstream_count)
			continue;
		if (!handoff_box_put(in->worker->box, task->task_id, subtask_id,
		            t->nodes[n].type_id, task->traceparent))
			hint_send(in->worker->hints, task->task_id, subtask_id, t->nodes[n].type_id,
			        task->traceparent);
	}
}

static void publish(
        struct intake *in, const struct intake_item *items, size_t count, const PGresult *res)
{
	struct new_task *tasks;
	size_t n = list_tasks(items, count, &tasks);

	for (int row = 0; row < PQntuples(res); row++) {
		struct new_task key = {.task_id = db_get_int8(res, row, 1)};
		const struct new_task *found;

		if (db_get_int4(res, row, 0) == 1) {
			metric_add(METRIC_INTAKE_REQUESTS, key.task_id);
			metric_add(METRIC_INTAKE_TASKS, db_get_int8(res, row, 2));
			metric_add(METRIC_INTAKE_COPIES, (int64_t)count - key.task_id);
			continue;
		}
		found = bsearch(&key, tasks, n, sizeof(key), by_task);
		if (found && found->template)
			announce_roots(in, found);
	}
	free(tasks);
}

/* Bad data in one request must not take the others along: halve until it stands alone. */
static int record(struct intake *in, struct intake_item *items, size_t count, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	PGresult *res;
	int rc;

	intake_params(&p, items, count, worker_who(in->worker, "intake"), in->generation);
	rc = db_query(&in->db, QUERY_INTAKE_RECORD, &p, &res, err);
	db_params_release(&p);
	if (rc == 0) {
		worker_committed(in->worker);
		publish(in, items, count, res);
		PQclear(res);
		return 0;
	}
	if (err->kind != ERR_PERMANENT)
		return -1;
	if (count > 1) {
		if (record(in, items, count / 2, err) < 0)
			return -1;
		return record(in, items + count / 2, count - count / 2, err);
	}
	if (items->outcome != INTAKE_RECORD)
		return -1;
	const struct kafka_message msg = {.topic = in->topic,
	        .partition = items->partition,
	        .offset = items->offset,
	        .key = items->key,
	        .key_bytes = items->key_bytes,
	        .value = items->raw,
	        .value_bytes = items->raw_bytes};

	items->outcome = INTAKE_DEAD_LETTER;
	if (dead_letter_send(&in->dead_letters, &msg, err->text, in) == 0)
		in->dead_pending++;
	return record(in, items, 1, err);
}

static void on_dead_report(void *arg, void *opaque, enum kafka_outcome outcome, int32_t partition,
        int64_t offset, const char *error)
{
	struct intake *in = arg;

	in->dead_pending--;
	if (outcome != KAFKA_PERSISTED)
		in->dead_failed = true;
}

/* A message leaves the request topic only when the dead-letter topic has it. */
static bool dead_letters_stored(struct intake *in)
{
	while (in->dead_pending > 0 && !stopping(in)) {
		if (dead_letters_poll(&in->dead_letters) == 0)
			clock_sleep_ms(1);
	}
	return in->dead_pending == 0 && !in->dead_failed;
}

static void advance(struct intake *in)
{
	for (size_t i = 0; i < in->count; i++)
		if (in->next[in->items[i].partition] <= in->items[i].offset)
			in->next[in->items[i].partition] = in->items[i].offset + 1;
}

/* Goes back to what is recorded: the batch is read again. */
static void rewind_to_recorded(struct intake *in)
{
	struct err err = {0};

	clear_items(in);
	for (int32_t i = 0; i < PARTITIONS_MAX; i++)
		if (in->next[i] >= 0 &&
		        kafka_consumer_seek(in->consumer, in->topic, i, in->next[i], &err) < 0)
			log_warn("cannot go back in the request topic", "error", "e", &err);
}

static void record_batch(struct intake *in)
{
	bool told = false;

	if (!dead_letters_stored(in)) {
		in->dead_failed = false;
		if (!stopping(in))
			rewind_to_recorded(in);
		return;
	}
	metric_observe(METRIC_INTAKE_BATCH, (int64_t)in->count);
	while (!stopping(in)) {
		struct err err = {0};

		if (record(in, in->items, in->count, &err) == 0) {
			metric_set_us(METRIC_INTAKE_LAG,
			        clock_unix_us() - in->items[in->count - 1].request.accepted_at_us);
			advance(in);
			break;
		}
		if (!told)
			log_warn("requests wait to be recorded", "error", "e", &err);
		told = true;
		worker_pause(in->worker, RETRY_MS);
	}
	clear_items(in);
}

static void commit_hint(struct intake *in)
{
	struct kafka_partition parts[PARTITIONS_MAX];
	int64_t now = clock_mono_ms();
	size_t n = 0;

	if (now - in->committed_ms < COMMIT_MS)
		return;
	in->committed_ms = now;
	for (int32_t i = 0; i < PARTITIONS_MAX; i++)
		if (in->next[i] > 0)
			parts[n++] = (struct kafka_partition){in->topic, i, in->next[i]};
	if (n)
		kafka_consumer_commit(in->consumer, parts, n);
	hint_sender_poll(in->worker->hints);
}

static void *run(void *arg)
{
	struct intake *in = arg;

	while (!stopping(in)) {
		next_batch(in);
		if (in->count)
			record_batch(in);
		commit_hint(in);
		unblock_due(in);
	}
	return NULL;
}

struct intake *intake_start(struct worker *w, struct err *err)
{
	struct intake *in = xcalloc(1, sizeof(*in));
	_cleanup_free_ char *group = xasprintf("%sintake", w->settings.topic_prefix);
	const char *topic;

	in->worker = w;
	in->settings = &w->settings;
	in->topic = kafka_topic(in->settings, "requests");
	topic = in->topic;
	in->items = xcalloc((size_t)in->settings->intake_batch, sizeof(*in->items));
	db_init(&in->db, in->settings, "obpipe-intake");
	for (int i = 0; i < PARTITIONS_MAX; i++)
		in->next[i] = -1;
	in->dead_letters = (struct dead_letters){in->settings, on_dead_report, in, NULL};
	in->consumer = kafka_consumer_new(in->settings, group, KAFKA_AHEAD_KIB, on_assign, in, err);
	if (!in->consumer || kafka_consumer_subscribe(in->consumer, &topic, 1, err) < 0)
		return NULL; /* start-up ends the process */
	if (pthread_create(&in->thread, NULL, run, in) != 0)
		BUG("cannot start the intake thread");
	return in;
}

void intake_stop(struct intake *in)
{
	if (!in)
		return;
	pthread_join(in->thread, NULL);
	kafka_consumer_free(in->consumer, CLOSE_MS);
	dead_letters_release(&in->dead_letters, 1000);
	clear_items(in);
	free(in->items);
	db_release(&in->db);
	free(in->topic);
	free(in);
}

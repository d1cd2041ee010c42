/* hint_queue: hints from Kafka into a bounded queue a type. */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/message.h"
#include "common/metrics.h"
#include "workers/dead_letter.h"
#include "workers/executor_internal.h"

/* Wide apart: a partition that is paused throws its prefetched messages away. */
#define LANE_HIGH 20000
#define LANE_LOW 4000
#define MESSAGES_A_TURN 2000
#define CLOSE_MS 3000

struct lane *executor_lane(struct executor *ex, int16_t type_id)
{
	for (int i = 0; i < ex->lane_count; i++)
		if (ex->lanes[i].type->type_id == type_id)
			return &ex->lanes[i];
	return NULL;
}

int lane_room(const struct lane *lane)
{
	return lane->limit - lane->used;
}

static void set_paused(struct executor *ex, struct lane *lane, bool paused)
{
	if (lane->paused == paused)
		return;
	lane->paused = paused;
	for (size_t i = 0; i < ex->partition_count; i++) {
		if (ex->partitions[i].lane != lane)
			continue;
		kafka_consumer_pause(
		        ex->consumer, lane->type->topic, ex->partitions[i].partition, paused);
		if (paused)
			metric_add(METRIC_PAUSES, 1);
	}
}

void lane_push(struct executor *ex, struct lane *lane, const struct queued_hint *hint)
{
	if (lane->count == lane->alloc) {
		size_t alloc = lane->alloc ? lane->alloc * 2 : 256;
		struct queued_hint *ring = xmalloc(alloc * sizeof(*ring));

		for (size_t i = 0; i < lane->count; i++)
			ring[i] = lane->ring[(lane->head + i) & (lane->alloc - 1)];
		free(lane->ring);
		lane->ring = ring;
		lane->head = 0;
		lane->alloc = alloc;
	}
	lane->ring[(lane->head + lane->count) & (lane->alloc - 1)] = *hint;
	lane->count++;
	ex->queued++;
	if (lane->count >= LANE_HIGH)
		set_paused(ex, lane, true);
}

struct queued_hint lane_pop(struct lane *lane)
{
	struct queued_hint hint = lane->ring[lane->head];

	lane->head = (lane->head + 1) & (lane->alloc - 1);
	lane->count--;
	return hint;
}

void hint_queue_resume(struct executor *ex, struct lane *lane)
{
	if (lane->paused && lane->count <= LANE_LOW)
		set_paused(ex, lane, false);
}

static struct partition_state *find_partition(
        struct executor *ex, const char *topic, int32_t partition)
{
	for (size_t i = 0; i < ex->partition_count; i++)
		if (ex->partitions[i].partition == partition &&
		        !strcmp(ex->partitions[i].lane->type->topic, topic))
			return &ex->partitions[i];
	return NULL;
}

/* Forgets the hints read from Kafka: whoever gets the partitions now reads them again. */
static void forget_read(struct executor *ex)
{
	for (int i = 0; i < ex->lane_count; i++) {
		struct lane *lane = &ex->lanes[i];
		size_t count = lane->count;

		for (size_t n = 0; n < count; n++) {
			struct queued_hint hint = lane_pop(lane);

			ex->queued--;
			if (hint.partition < 0)
				lane_push(ex, lane, &hint);
		}
		lane->paused = false;
	}
}

static void commit(struct executor *ex);

static void on_assign(void *arg, bool assigned, struct kafka_partition *parts, size_t count)
{
	struct executor *ex = arg;

	if (!assigned)
		commit(ex);
	forget_read(ex);
	free(ex->partitions);
	ex->partitions = NULL;
	ex->partition_count = 0;
	atomic_store(&ex->worker->kafka_up, true);
	if (!assigned)
		return;
	ex->partitions = xcalloc(count + 1, sizeof(*ex->partitions));
	for (size_t i = 0; i < count; i++) {
		const struct catalog_type *type = catalog_type_of_topic(
		        ex->worker->catalog, parts[i].topic);
		struct lane *lane = type ? executor_lane(ex, type->type_id) : NULL;

		if (lane)
			ex->partitions[ex->partition_count++] = (struct partition_state){
			        .lane = lane,
			        .partition = parts[i].partition,
			        .next = -1,
			        .committed = -1};
	}
	log_info("hint partitions assigned", "partitions", "i", (int64_t)count);
}

static void take_message(struct executor *ex, const struct kafka_message *msg)
{
	struct partition_state *part = find_partition(ex, msg->topic, msg->partition);
	struct hint hint;
	struct err err = {0};

	if (!part)
		return; /* of an assignment that is gone */
	part->next = msg->offset + 1;
	metric_add(METRIC_HINTS, 1);
	if (hint_decode(msg->value, msg->value_bytes, &hint, &err) == 0) {
		lane_push(ex, part->lane,
		        &(struct queued_hint){.task_id = hint.task_id,
		                .subtask_id = hint.subtask_id,
		                .partition = msg->partition,
		                .offset = msg->offset});
		return;
	}
	if (!strcmp(err.code, MESSAGE_TOO_NEW)) {
		/* Written by a newer program; its row is READY and is found by stealing. */
		atomic_store(&ex->worker->too_new, true);
		return;
	}
	dead_letter_send(&ex->dead_letters, msg, err.text, NULL);
}

static void on_readable(void *arg, uint32_t events)
{
	struct executor *ex = arg;
	struct kafka_message msg;
	struct err err = {0};

	/* Before the polls: what arrives behind them makes it readable anew. */
	kafka_consumer_drain(ex->consumer);
	for (int i = 0; i < MESSAGES_A_TURN; i++) {
		int got = kafka_consumer_poll(ex->consumer, 0, &msg, &err);

		if (got == 0)
			return;
		if (got < 0) {
			log_warn("reading hints", "error", "e", &err);
			continue;
		}
		take_message(ex, &msg);
		kafka_message_done(&msg);
	}
	kafka_consumer_again(ex->consumer);
}

static void add_lane(void *arg, const struct catalog_type *type)
{
	struct executor *ex = arg;

	if (!type->served || ex->lane_count == TYPES_SERVED_MAX)
		return;
	ex->lanes[ex->lane_count++] = (struct lane){
	        .type = type,
	        /* A type that never blocks is limited by the batches, not by threads. */
	        .limit = type->type->never_blocks ? (int)ex->settings->claim_batch * 2
	                                          : (int)ex->settings->slots,
	};
}

int hint_queue_open(struct executor *ex, struct err *err)
{
	_cleanup_free_ char *group = xasprintf("%sexecutor", ex->settings->topic_prefix);
	const char **topics;
	int rc;

	catalog_each_type(ex->worker->catalog, add_lane, ex);
	ex->dead_letters.settings = ex->settings;
	ex->consumer = kafka_consumer_new(ex->settings, group, KAFKA_AHEAD_KIB, on_assign, ex, err);
	if (!ex->consumer)
		return -1;
	topics = xcalloc((size_t)ex->lane_count + 1, sizeof(*topics));
	for (int i = 0; i < ex->lane_count; i++)
		topics[i] = ex->lanes[i].type->topic;
	rc = kafka_consumer_subscribe(ex->consumer, topics, (size_t)ex->lane_count, err);
	free(topics);
	loop_add(ex->loop, kafka_consumer_fd(ex->consumer), EPOLLIN, on_readable, ex);
	return rc;
}

void hint_queue_close(struct executor *ex)
{
	if (!ex->consumer)
		return;
	commit(ex);
	loop_del(ex->loop, kafka_consumer_fd(ex->consumer));
	kafka_consumer_free(ex->consumer, CLOSE_MS);
	ex->consumer = NULL;
}

/* The lowest offset of this partition whose hint is neither claimed nor dropped. */
static int64_t position(const struct executor *ex, const struct partition_state *part)
{
	const struct lane *lane = part->lane;
	int64_t lowest = part->next;

	for (size_t i = 0; i < lane->count; i++) {
		const struct queued_hint *h = &lane->ring[(lane->head + i) & (lane->alloc - 1)];

		if (h->partition == part->partition && h->offset < lowest)
			lowest = h->offset;
	}
	for (size_t i = 0; i < ex->claimed_count; i++)
		if (ex->claimed_types[i] == lane->type->type_id &&
		        ex->claimed_hints[i].partition == part->partition &&
		        ex->claimed_hints[i].offset < lowest)
			lowest = ex->claimed_hints[i].offset;
	return lowest;
}

static void commit(struct executor *ex)
{
	struct kafka_partition *parts = xcalloc(ex->partition_count + 1, sizeof(*parts));
	size_t count = 0;

	for (size_t i = 0; i < ex->partition_count; i++) {
		struct partition_state *part = &ex->partitions[i];
		int64_t at = part->next < 0 ? -1 : position(ex, part);

		if (at <= part->committed || at < 0)
			continue;
		part->committed = at;
		parts[count++] = (struct kafka_partition){.topic = part->lane->type->topic,
		        .partition = part->partition,
		        .offset = at};
	}
	if (count)
		kafka_consumer_commit(ex->consumer, parts, count);
	free(parts);
}

void hint_queue_tick(struct executor *ex)
{
	if (!ex->consumer)
		return;
	/* Polled here too: librdkafka counts silence against max.poll.interval.ms. */
	on_readable(ex, EPOLLIN);
	commit(ex);
	metric_set(METRIC_QUEUED, ex->queued);
}

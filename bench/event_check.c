/* event_check: what the event topic holds, task by task, to be compared with the rows. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "common/clock.h"
#include "common/kafka.h"
#include "common/mem.h"

#define WAIT_MS 20000
#define PARTITIONS_MAX 256
#define TEXT_BYTES 24

/* What was read of one task so far. */
struct seen {
	int64_t last; /* number of its last move */
	int64_t events;
};

struct check {
	struct seen *tasks; /* by task id; grows */
	int64_t alloc;
	int64_t copies;
	int64_t next[PARTITIONS_MAX]; /* offset to read */
	int64_t end[PARTITIONS_MAX];
};

static int64_t number_behind(const struct kafka_message *msg, const char *name)
{
	size_t bytes = strlen(name);
	const char *value = msg->value;
	const char *at = memmem(value, msg->value_bytes, name, bytes);
	char text[TEXT_BYTES];

	if (!at)
		die("an event has no %s", name);
	snprintf(text, sizeof(text), "%.*s", (int)(msg->value_bytes - (size_t)(at - value) - bytes),
	        at + bytes);
	return strtoll(text, NULL, 10);
}

static struct seen *seen_of(struct check *c, int64_t task)
{
	if (task < 0)
		die("an event of task %" PRId64, task);
	if (task >= c->alloc) {
		int64_t alloc = task * 2 + 1024;

		c->tasks = xrealloc(c->tasks, (size_t)alloc * sizeof(*c->tasks));
		memset(c->tasks + c->alloc, 0, (size_t)(alloc - c->alloc) * sizeof(*c->tasks));
		c->alloc = alloc;
	}
	return &c->tasks[task];
}

static void take(struct check *c, const struct kafka_message *msg)
{
	int64_t task = number_behind(msg, "\"task_id\":");
	int64_t first = number_behind(msg, "\"first\":");
	int64_t sequence = number_behind(msg, "\"sequence\":\"");
	struct seen *s = seen_of(c, task);

	if (first > s->last + 1)
		die("task %" PRId64 ": its event %" PRId64 " follows number %" PRId64, task, first,
		        s->last);
	if (sequence < first || (first <= s->last && sequence > s->last))
		die("task %" PRId64 ": event %" PRId64 " to %" PRId64 " overlaps", task, first,
		        sequence);
	if (first <= s->last) {
		c->copies++;
		return;
	}
	s->last = sequence;
	s->events++;
}

static int open_end(struct bench *b, struct kafka_consumer *consumer, char *topic, struct check *c)
{
	struct kafka_partition parts[PARTITIONS_MAX];
	struct err err = {0};
	int count = 0;
	int64_t low;

	if (kafka_partition_count(&b->settings, topic, WAIT_MS, &count, &err) < 0 ||
	        count > PARTITIONS_MAX)
		die("Kafka: %s", err.text);
	for (int i = 0; i < count; i++)
		parts[i] = (struct kafka_partition){topic, i, KAFKA_OFFSET_BEGINNING};
	if (kafka_consumer_assign(consumer, parts, (size_t)count, &err) < 0)
		die("Kafka: %s", err.text);
	for (int i = 0; i < count; i++)
		if (kafka_consumer_watermarks(consumer, topic, i, WAIT_MS, &low, &c->end[i], &err) <
		        0)
			die("Kafka: %s", err.text);
	return count;
}

static bool at_end(const struct check *c, int count)
{
	for (int i = 0; i < count; i++)
		if (c->next[i] < c->end[i])
			return false;
	return true;
}

void events_check(struct bench *b, FILE *out)
{
	_cleanup_free_ char *topic = kafka_topic(&b->settings, "events");
	struct check c = {0};
	struct err err = {0};
	struct kafka_consumer *consumer = kafka_consumer_new(
	        &b->settings, NULL, KAFKA_AHEAD_HISTORY_KIB, NULL, NULL, &err);
	int64_t until;
	int count;

	if (!consumer)
		die("Kafka: %s", err.text);
	count = open_end(b, consumer, topic, &c);
	until = clock_mono_ms() + WAIT_MS;
	while (!at_end(&c, count)) {
		struct kafka_message msg;

		if (kafka_consumer_poll(consumer, 1000, &msg, &err) != 1) {
			if (clock_mono_ms() > until)
				die("the event topic cannot be read to its end");
			continue;
		}
		until = clock_mono_ms() + WAIT_MS;
		take(&c, &msg);
		c.next[msg.partition] = msg.offset + 1;
		kafka_message_done(&msg);
	}
	for (int64_t task = 0; task < c.alloc; task++)
		if (c.tasks[task].events)
			fprintf(out, "%" PRId64 "\t%" PRId64 "\t%" PRId64 "\n", task,
			        c.tasks[task].last, c.tasks[task].events);
	if (c.copies)
		fprintf(stderr, "bench: %" PRId64 " copies of events on the topic\n", c.copies);
	free(c.tasks);
	kafka_consumer_free(consumer, 1000);
}

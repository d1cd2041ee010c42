/* produce_load: the floor of an accepted request: its message, produced by librdkafka alone. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "common/clock.h"
#include "common/kafka.h"
#include "common/mem.h"

#define SAMPLES_MAX 4000000
#define PARTITIONS 2 /* as OBPIPE_REQUEST_PARTITIONS is by default */
#define HEADER "traceparent"

/* A message as it lies in the log. */
struct sample {
	char *value, *header;
	size_t value_bytes, header_bytes;
};

/* One message that may be under way; the opaque of its report. */
struct slot {
	struct slot *next; /* in the list of those that are not */
	int64_t sent_us;
};

struct window {
	struct slot *free;
	int under_way;
	int64_t sent;
	double *ms;
	size_t samples;
};

static void on_report(void *arg, void *opaque, enum kafka_outcome outcome, int32_t partition,
        int64_t offset, const char *error)
{
	struct window *w = arg;
	struct slot *slot = opaque;

	if (outcome != KAFKA_PERSISTED)
		die("Kafka did not take a message: %s", error);
	if (w->samples < SAMPLES_MAX)
		w->ms[w->samples++] = (double)(clock_mono_us() - slot->sent_us) / 1000;
	w->under_way--;
	slot->next = w->free;
	w->free = slot;
}

/* The newest message of a partition; false when it has none. */
static bool newest_of(struct kafka_consumer *c, char *topic, int32_t partition, struct sample *ret)
{
	struct kafka_partition part = {topic, partition, 0};
	struct kafka_message msg;
	const void *header;
	struct err err = {0};
	int64_t low;

	if (kafka_consumer_watermarks(c, topic, partition, 10000, &low, &part.offset, &err) < 0)
		die("Kafka: %s", err.text);
	if (part.offset-- == low)
		return false;
	if (kafka_consumer_assign(c, &part, 1, &err) < 0 ||
	        kafka_consumer_poll(c, 10000, &msg, &err) != 1)
		die("Kafka: the newest request cannot be read: %s", err.text);
	header = kafka_message_header(&msg, HEADER, &ret->header_bytes);
	ret->value_bytes = msg.value_bytes;
	ret->value = memcpy(xmalloc(msg.value_bytes), msg.value, msg.value_bytes);
	ret->header = header ? xstrndup(header, ret->header_bytes) : NULL;
	kafka_message_done(&msg);
	return true;
}

static void newest_request(struct bench *b, struct sample *ret)
{
	_cleanup_free_ char *topic = kafka_topic(&b->settings, "requests");
	struct err err = {0};
	struct kafka_consumer *c = kafka_consumer_new(
	        &b->settings, NULL, KAFKA_AHEAD_KIB, NULL, NULL, &err);
	int count;

	if (!c || kafka_partition_count(&b->settings, topic, 10000, &count, &err) < 0)
		die("Kafka: %s", err.text);
	for (int i = 0; !ret->value; i++)
		if (i == count)
			die("there is no request yet: POST one first");
		else
			newest_of(c, topic, i, ret);
	kafka_consumer_free(c, 1000);
}

/* A topic that is made like that of requests. */
static char *make_topic(struct bench *b)
{
	struct kafka_topic_spec spec = {.name = kafka_topic(&b->settings, "bench-floor-requests"),
	        .partitions = PARTITIONS,
	        .replicas = 1,
	        .config = {"flush.messages", "1", NULL}};
	struct err err = {0};

	if (kafka_topics_ensure(&b->settings, &spec, 1, 20000, &err) < 0)
		die("Kafka: %s", err.text);
	return spec.name;
}

static void send_one(
        struct kafka_producer *p, const char *topic, const struct sample *sample, struct window *w)
{
	const struct kafka_header header = {HEADER, sample->header, sample->header_bytes};
	struct slot *slot = w->free;
	struct err err = {0};
	char key[33]; /* as long as a request id, and another one each: it chooses the partition */

	snprintf(key, sizeof(key), "%032llx", (unsigned long long)w->sent++);
	w->free = slot->next;
	w->under_way++;
	slot->sent_us = clock_mono_us();
	if (kafka_produce(p, topic, KAFKA_ANY_PARTITION, key, sizeof(key) - 1, sample->value,
	            sample->value_bytes, &header, 1, slot, &err) < 0)
		die("Kafka: %s", err.text);
}

static void wait_for_reports(struct kafka_producer *p)
{
	struct pollfd fd = {.fd = kafka_producer_fd(p), .events = POLLIN};

	if (poll(&fd, 1, 10000) != 1)
		die("Kafka reports nothing for 10 s");
	kafka_producer_poll(p);
}

static void keep_full(struct kafka_producer *p, const char *topic, const struct sample *sample,
        struct window *w, double seconds)
{
	int64_t until = clock_mono_us() + (int64_t)(seconds * 1e6);

	while (clock_mono_us() < until) {
		while (w->free)
			send_one(p, topic, sample, w);
		wait_for_reports(p);
	}
	while (w->under_way > 0)
		wait_for_reports(p);
}

double produce_floor(struct bench *b, int window, double seconds, struct delays *ret_delays)
{
	struct window w = {.ms = xmalloc(SAMPLES_MAX * sizeof(*w.ms))};
	struct slot *slots = xcalloc((size_t)window, sizeof(*slots));
	_cleanup_free_ char *topic = make_topic(b);
	struct sample sample = {0};
	struct err err = {0};
	struct kafka_producer *p = kafka_producer_new(
	        &b->settings, KAFKA_REQUESTS, on_report, &w, &err);
	int64_t began;
	double took;

	if (!p)
		die("Kafka: %s", err.text);
	newest_request(b, &sample);
	kafka_producer_know(p, topic);
	for (int i = 0; i < window; i++) {
		slots[i].next = w.free;
		w.free = &slots[i];
	}
	keep_full(p, topic, &sample, &w, 0.5); /* the connection, and what the broker makes first */
	w.samples = 0;
	w.sent = 0;
	began = clock_mono_us();
	keep_full(p, topic, &sample, &w, seconds);
	took = (double)(clock_mono_us() - began);
	*ret_delays = delays_of(w.ms, w.samples);
	kafka_producer_free(p, 1000);
	free(sample.value), free(sample.header), free(slots), free(w.ms);
	return (double)w.sent * 1e6 / took;
}

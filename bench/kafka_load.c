/* kafka_load: the floor of one hop, and the delay of events. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bench.h"
#include "common/clock.h"
#include "common/kafka.h"
#include "common/mem.h"

#define WARM_ROUNDS 300
#define EVENTS_MAX 4000000
#define IN_FLIGHT 4000
#define PARTITIONS_MAX 256

/* A topic of one partition, a producer and a consumer at its end. */
struct hop {
	char *topic;
	struct kafka_producer *producer;
	struct kafka_consumer *consumer;
};

static void hop_open(struct bench *b, struct hop *h, const char *name)
{
	struct kafka_topic_spec spec = {
	        .name = kafka_topic(&b->settings, name), .partitions = 1, .replicas = 1};
	struct kafka_partition part = {spec.name, 0, KAFKA_OFFSET_END};
	struct err err = {0};

	h->topic = spec.name;
	h->producer = kafka_producer_new(&b->settings, KAFKA_HINTS, NULL, NULL, &err);
	h->consumer = kafka_consumer_new(&b->settings, NULL, KAFKA_AHEAD_KIB, NULL, NULL, &err);
	if (!h->producer || !h->consumer ||
	        kafka_topics_ensure(&b->settings, &spec, 1, 20000, &err) < 0 ||
	        kafka_consumer_assign(h->consumer, &part, 1, &err) < 0)
		die("Kafka: %s", err.text);
	kafka_producer_know(h->producer, h->topic);
}

static void hop_close(struct hop *h)
{
	kafka_producer_free(h->producer, 1000);
	kafka_consumer_free(h->consumer, 1000);
	free(h->topic);
}

/* False: the queue is full. */
static bool hop_send(struct hop *h)
{
	static const char value[] = "{\"schema\":1,\"task_id\":1,\"subtask_id\":2}";
	struct err err = {0};

	if (kafka_produce(h->producer, h->topic, 0, "1", 1, value, sizeof(value) - 1, NULL, 0, NULL,
	            &err) == 0)
		return true;
	if (!err_is_retryable(&err))
		die("Kafka: %s", err.text);
	return false;
}

static bool hop_receive(struct hop *h, int wait_ms)
{
	struct kafka_message msg;
	struct err err = {0};

	if (kafka_consumer_poll(h->consumer, wait_ms, &msg, &err) != 1)
		return false;
	kafka_message_done(&msg);
	return true;
}

/* One message at a time; ms may be NULL. */
static void hop_rounds(struct hop *h, int rounds, double *ms)
{
	for (int i = 0; i < rounds; i++) {
		int64_t start = clock_mono_us();

		if (!hop_send(h))
			die("Kafka takes no message");
		/* The first ones may be sent before the consumer knows where the end is. */
		if (!hop_receive(h, ms ? 5000 : 100) && ms)
			die("Kafka lost a message");
		if (ms)
			ms[i] = (double)(clock_mono_us() - start) / 1000;
		kafka_producer_poll(h->producer);
	}
}

struct delays kafka_floor(struct bench *b, int rounds)
{
	double *ms = xcalloc((size_t)rounds, sizeof(*ms));
	struct delays d;
	struct hop h;

	hop_open(b, &h, "bench-floor");
	hop_rounds(&h, WARM_ROUNDS, NULL);
	hop_rounds(&h, rounds, ms);
	d = delays_of(ms, (size_t)rounds);
	free(ms);
	hop_close(&h);
	return d;
}

double kafka_floor_rate(struct bench *b, int messages)
{
	int sent = 0, received = 0;
	int64_t start, took;
	struct hop h;

	hop_open(b, &h, "bench-floor-rate");
	hop_rounds(&h, WARM_ROUNDS, NULL);
	while (hop_receive(&h, 200))
		; /* what a warm-up round did not wait for */
	start = clock_mono_us();
	while (received < messages) {
		while (sent < messages && sent - received < IN_FLIGHT && hop_send(&h))
			sent++;
		kafka_producer_poll(h.producer);
		if (!hop_receive(&h, 5000))
			die("Kafka lost a message");
		received++;
		while (received < sent && hop_receive(&h, 0))
			received++;
	}
	took = clock_mono_us() - start;
	hop_close(&h);
	return (double)messages * 1e6 / (double)took;
}

/* "time":"2026-11-23T19:44:24.951392Z" of an event, as Unix microseconds. */
static int64_t event_time_us(const char *event, size_t bytes)
{
	const char *at = memmem(event, bytes, "\"time\":\"", 8);
	struct tm tm = {0};
	const char *rest = at ? strptime(at + 8, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t us = 0;

	if (!rest)
		die("an event has no time");
	if (*rest == '.')
		for (int digits = 0; digits < 6; digits++) {
			rest++;
			us = us * 10 + (*rest >= '0' && *rest <= '9' ? *rest - '0' : 0);
		}
	return (int64_t)timegm(&tm) * 1000000 + us;
}

int64_t events_delay(struct bench *b, double seconds, struct delays *ret)
{
	_cleanup_free_ char *topic = kafka_topic(&b->settings, "events");
	struct kafka_partition parts[PARTITIONS_MAX];
	int64_t until = clock_mono_us() + (int64_t)(seconds * 1e6);
	double *ms = xmalloc(EVENTS_MAX * sizeof(*ms));
	size_t seen = 0;
	struct err err = {0};
	struct kafka_consumer *c = kafka_consumer_new(
	        &b->settings, NULL, KAFKA_AHEAD_KIB, NULL, NULL, &err);
	int count = 0;

	if (!c || kafka_partition_count(&b->settings, topic, 10000, &count, &err) < 0 ||
	        count > PARTITIONS_MAX)
		die("Kafka: %s", err.text);
	for (int i = 0; i < count; i++)
		parts[i] = (struct kafka_partition){topic, i, KAFKA_OFFSET_END};
	if (kafka_consumer_assign(c, parts, (size_t)count, &err) < 0)
		die("Kafka: %s", err.text);
	while (clock_mono_us() < until && seen < EVENTS_MAX) {
		struct kafka_message msg;

		if (kafka_consumer_poll(c, 100, &msg, &err) != 1)
			continue;
		ms[seen++] = (double)(clock_unix_us() - event_time_us(msg.value, msg.value_bytes)) /
		             1000;
		kafka_message_done(&msg);
	}
	*ret = delays_of(ms, seen);
	free(ms);
	kafka_consumer_free(c, 1000);
	return (int64_t)seen;
}

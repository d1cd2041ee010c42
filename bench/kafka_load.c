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
#define PARTITIONS_MAX 256

double kafka_floor_ms(struct bench *b, int rounds)
{
	static const char value[] = "{\"schema\":1,\"task_id\":1,\"subtask_id\":2}";
	_cleanup_free_ char *topic = kafka_topic(&b->settings, "bench-floor");
	struct kafka_topic_spec spec = {.name = topic, .partitions = 1, .replicas = 1};
	struct kafka_partition part = {topic, 0, KAFKA_OFFSET_END};
	struct err err = {0};
	struct kafka_producer *p = kafka_producer_new(&b->settings, KAFKA_HINTS, NULL, NULL, &err);
	struct kafka_consumer *c = kafka_consumer_new(&b->settings, NULL, NULL, NULL, &err);
	double *ms = xcalloc((size_t)rounds, sizeof(*ms)), p50;
	struct kafka_message msg;

	if (!p || !c || kafka_topics_ensure(&b->settings, &spec, 1, 20000, &err) < 0 ||
	        kafka_consumer_assign(c, &part, 1, &err) < 0)
		die("Kafka: %s", err.text);
	kafka_producer_know(p, topic);
	for (int i = -WARM_ROUNDS; i < rounds; i++) {
		int64_t start = clock_mono_us();

		if (kafka_produce(
		            p, topic, 0, "1", 1, value, sizeof(value) - 1, NULL, 0, NULL, &err) < 0)
			die("Kafka: %s", err.text);
		/* The first ones may be sent before the consumer knows where the end is. */
		if (kafka_consumer_poll(c, i < 0 ? 100 : 5000, &msg, &err) == 1)
			kafka_message_done(&msg);
		else if (i >= 0)
			die("Kafka lost a message");
		if (i >= 0)
			ms[i] = (double)(clock_mono_us() - start) / 1000;
		kafka_producer_poll(p);
	}
	p50 = percentile(ms, (size_t)rounds, 0.5);
	free(ms);
	kafka_producer_free(p, 1000);
	kafka_consumer_free(c, 1000);
	return p50;
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

int64_t events_delay(struct bench *b, double seconds, double *ret_p50_ms, double *ret_p99_ms)
{
	_cleanup_free_ char *topic = kafka_topic(&b->settings, "events");
	struct kafka_partition parts[PARTITIONS_MAX];
	int64_t until = clock_mono_us() + (int64_t)(seconds * 1e6);
	double *ms = xmalloc(EVENTS_MAX * sizeof(*ms));
	size_t seen = 0;
	struct err err = {0};
	struct kafka_consumer *c = kafka_consumer_new(&b->settings, NULL, NULL, NULL, &err);
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
	*ret_p50_ms = percentile(ms, seen, 0.5);
	*ret_p99_ms = percentile(ms, seen, 0.99);
	free(ms);
	kafka_consumer_free(c, 1000);
	return (int64_t)seen;
}

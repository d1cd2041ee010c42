#include "workers/hint_sender.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "common/message.h"
#include "common/metrics.h"

struct hint_sender {
	struct catalog *catalog;
	struct kafka_producer *producer;
};

/* A topic's metadata are there before its first hint. */
static void know(void *arg, const struct catalog_type *type)
{
	struct hint_sender *s = arg;

	kafka_producer_know(s->producer, type->topic);
}

struct hint_sender *hint_sender_new(
        const struct settings *settings, struct catalog *catalog, struct err *err)
{
	struct hint_sender *s = xcalloc(1, sizeof(*s));

	s->catalog = catalog;
	s->producer = kafka_producer_new(settings, KAFKA_HINTS, NULL, NULL, err);
	if (!s->producer) {
		free(s);
		return NULL;
	}
	catalog_each_type(catalog, know, s);
	return s;
}

void hint_sender_free(struct hint_sender *s, int flush_ms)
{
	if (!s)
		return;
	kafka_producer_free(s->producer, flush_ms);
	free(s);
}

int hint_sender_fd(const struct hint_sender *s)
{
	return kafka_producer_fd(s->producer);
}

void hint_sender_poll(struct hint_sender *s)
{
	kafka_producer_poll(s->producer);
}

void hint_send(struct hint_sender *s, int64_t task_id, int64_t subtask_id, int16_t type_id,
        const char *traceparent)
{
	const struct catalog_type *type = catalog_type(s->catalog, type_id);
	const struct hint hint = {.task_id = task_id, .subtask_id = subtask_id};
	struct kafka_header header = {"traceparent", traceparent, 0};
	char key[24], value[HINT_BYTES_MAX];
	size_t value_bytes;
	int key_bytes;
	struct err err;

	if (!type)
		return; /* a type added after our start: found by stealing */
	key_bytes = snprintf(key, sizeof(key), "%lld", (long long)task_id);
	value_bytes = hint_encode(&hint, value);
	header.bytes = traceparent ? strlen(traceparent) : 0;
	if (kafka_produce(s->producer, type->topic, KAFKA_ANY_PARTITION, key, (size_t)key_bytes,
	            value, value_bytes, &header, traceparent ? 1 : 0, NULL, &err) < 0)
		metric_add(METRIC_HINTS_DROPPED, 1);
	else
		metric_add(METRIC_HINTS_SENT, 1);
}

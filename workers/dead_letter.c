#include "workers/dead_letter.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

int dead_letters_poll(struct dead_letters *d)
{
	return d->producer ? kafka_producer_poll(d->producer) : 0;
}

void dead_letters_release(struct dead_letters *d, int flush_ms)
{
	kafka_producer_free(d->producer, flush_ms);
	d->producer = NULL;
}

int dead_letter_send(
        struct dead_letters *d, const struct kafka_message *msg, const char *reason, void *opaque)
{
	_cleanup_free_ char *topic = kafka_topic(d->settings, "dead-letter");
	char partition[16], offset[24];
	struct err err = {0};
	struct kafka_header headers[] = {
	        {"reason", reason, strlen(reason)},
	        {"topic", msg->topic, strlen(msg->topic)},
	        {"partition", partition,
	                (size_t)snprintf(partition, sizeof(partition), "%d", msg->partition)},
	        {"offset", offset,
	                (size_t)snprintf(offset, sizeof(offset), "%lld", (long long)msg->offset)},
	};

	log_error("message put on the dead-letter topic", "reason", "s", reason, "topic", "s",
	        msg->topic, "partition", "i", (int64_t)msg->partition, "offset", "i", msg->offset);
	metric_add_label(METRIC_DEAD_LETTERS, msg->topic, 1);
	if (!d->producer)
		d->producer = kafka_producer_new(
		        d->settings, KAFKA_EVENTS, d->on_report, d->arg, &err);
	if (d->producer && kafka_produce(d->producer, topic, KAFKA_ANY_PARTITION, msg->key,
	                           msg->key_bytes, msg->value, msg->value_bytes, headers,
	                           ARRAY_SIZE(headers), opaque, &err) == 0)
		return 0;
	log_error("dead letter not sent", "error", "e", &err);
	return -1;
}

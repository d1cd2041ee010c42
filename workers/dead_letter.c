#include "workers/dead_letter.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

int dead_letter_send(struct kafka_producer *producer, const struct settings *settings,
        const struct kafka_message *msg, const char *reason, void *opaque)
{
	_cleanup_free_ char *topic = kafka_topic(settings, "dead-letter");
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
	if (kafka_produce(producer, topic, KAFKA_ANY_PARTITION, msg->key, msg->key_bytes,
	            msg->value, msg->value_bytes, headers, ARRAY_SIZE(headers), opaque, &err) == 0)
		return 0;
	log_error("dead letter not sent", "error", "e", &err);
	return -1;
}

/* kafka_internal: what kafka.c, kafka_producer.c and kafka_consumer.c share; nobody else's. */
#ifndef OBPIPE_COMMON_KAFKA_INTERNAL_H
#define OBPIPE_COMMON_KAFKA_INTERNAL_H

#include <librdkafka/rdkafka.h>

#include "common/kafka.h"

struct property {
	const char *name, *value;
};

/*
 * A configuration with the properties all clients have, then `own` (ends with a NULL name), then
 * OBPIPE_KAFKA_OPTIONS. NULL and *err when a property is refused.
 */
rd_kafka_conf_t *kafka_conf_new(
        const struct settings *settings, const struct property *own, struct err *err);
/* An eventfd that becomes readable when the queue gets its first entry. */
int kafka_queue_fd(rd_kafka_queue_t *queue);
void kafka_drain_fd(int fd);
/* Fills *err from a librdkafka code. Returns -1. */
int kafka_err(struct err *err, rd_kafka_resp_err_t code, const char *what);

#endif

/*
 * dead_letter: puts a message that cannot be used on the dead-letter topic, bytes unchanged, with
 * reason and origin in headers: reason, topic, partition, offset.
 */
#ifndef OBPIPE_WORKERS_DEAD_LETTER_H
#define OBPIPE_WORKERS_DEAD_LETTER_H

#include "common/kafka.h"

/* Queues it on a durable producer of the caller's; its report carries `opaque`. Logs the reason.
 * -1: not queued. */
int dead_letter_send(struct kafka_producer *producer, const struct settings *settings,
        const struct kafka_message *msg, const char *reason, void *opaque);

#endif

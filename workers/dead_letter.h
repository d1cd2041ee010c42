/*
 * dead_letter: puts a message that cannot be used on the dead-letter topic, bytes unchanged, with
 * reason and origin in headers: reason, topic, partition, offset. One thread.
 */
#ifndef OBPIPE_WORKERS_DEAD_LETTER_H
#define OBPIPE_WORKERS_DEAD_LETTER_H

#include "common/kafka.h"

struct dead_letters {
	const struct settings *settings;
	kafka_report_fn on_report; /* may be NULL */
	void *arg;
	struct kafka_producer *producer; /* NULL until the first one: they are rare, a client is not
	                                    free */
};

/* Queues it durably; its report carries `opaque`. Logs the reason. -1: not queued. */
int dead_letter_send(
        struct dead_letters *d, const struct kafka_message *msg, const char *reason, void *opaque);
/* Runs reports; returns the number of events served. */
int dead_letters_poll(struct dead_letters *d);
/* Waits up to flush_ms for what is queued. */
void dead_letters_release(struct dead_letters *d, int flush_ms);

#endif

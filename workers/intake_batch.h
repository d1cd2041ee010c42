/*
 * intake_batch: the messages of one intake transaction, and its parameters. One thread.
 */
#ifndef OBPIPE_WORKERS_INTAKE_BATCH_H
#define OBPIPE_WORKERS_INTAKE_BATCH_H

#include "common/db.h"
#include "common/message.h"
#include "workers/catalog.h"

enum intake_outcome { INTAKE_RECORD = 1, INTAKE_COPY = 2, INTAKE_DEAD_LETTER = 3 };

/* One message read from the request topic. */
struct intake_item {
	int32_t partition;
	int64_t offset;
	enum intake_outcome outcome;
	struct request request; /* RECORD only */
	const struct template *template;
	char *traceparent; /* may be NULL */
	char *body;        /* JSON text, for the request row */
	char **contexts;   /* one a task */
	char **entries;    /* one a task: its creation, as a line of event_batch has it */
	void *raw;         /* the message's bytes, for the dead-letter topic */
	size_t raw_bytes;
	char *key;
	size_t key_bytes;
};

void intake_item_release(struct intake_item *item);
/* Renders contexts, creation entries and body of a decoded request. PERMANENT when the template
 * refuses its values.
 */
int intake_item_prepare(struct intake_item *item, struct err *err)
        __attribute__((warn_unused_result));
/* Fills the parameters of intake_record.sql. */
void intake_params(struct db_params *p, const struct intake_item *items, size_t count,
        const char *who, int32_t generation);

#endif

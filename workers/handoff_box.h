/*
 * handoff_box: subtasks that intake made READY, for the executor of the same process: a hint that
 * does not travel (OBPIPE_HANDOFF). Like any hint it may be lost: steal_after of delay.
 */
#ifndef OBPIPE_WORKERS_HANDOFF_BOX_H
#define OBPIPE_WORKERS_HANDOFF_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/loop.h"

/* Offered at once and not taken yet; more than these go by message, also to other workers. */
#define HANDOFF_BOX_SIZE 256

struct offer {
	int64_t task_id, subtask_id;
	int16_t type_id;
	char *traceparent; /* may be NULL; freed by whoever took the offer */
};

struct handoff_box;

struct handoff_box *handoff_box_new(void);
/* When no thread uses it any more. NULL is allowed. */
void handoff_box_free(struct handoff_box *box);
/* The loop of the executor, woken by each offer; NULL: nobody takes, every offer is refused. */
void handoff_box_open(struct handoff_box *box, struct loop *loop);
/* False: nobody takes it (box NULL, not open, full): send a message. Any thread. */
bool handoff_box_put(struct handoff_box *box, int64_t task_id, int64_t subtask_id, int16_t type_id,
        const char *traceparent);
/* Takes all that was offered into offers[HANDOFF_BOX_SIZE]; returns how many. Any thread. */
size_t handoff_box_take(struct handoff_box *box, struct offer *offers);

#endif

/*
 * hint_sender: publishes "this subtask became READY". Hints are perishable: a lost one costs
 * steal_after of delay and nothing else. One a process, for all its threads: each client of Kafka
 * costs time also at rest.
 */
#ifndef OBPIPE_WORKERS_HINT_SENDER_H
#define OBPIPE_WORKERS_HINT_SENDER_H

#include "common/kafka.h"
#include "workers/catalog.h"

struct hint_sender;

/* Looks up the topics of the types the catalog knows by now. NULL: err says why. */
struct hint_sender *hint_sender_new(
        const struct settings *settings, struct catalog *catalog, struct err *err);
/* Waits up to flush_ms for what is queued. Nobody may use it any more. */
void hint_sender_free(struct hint_sender *s, int flush_ms);
/* For a loop: readable means hint_sender_poll(). Others call poll now and then. */
int hint_sender_fd(const struct hint_sender *s);
void hint_sender_poll(struct hint_sender *s);
/* Never waits; what finds the queue full is dropped and counted. traceparent may be NULL. */
void hint_send(struct hint_sender *s, int64_t task_id, int64_t subtask_id, int16_t type_id,
        const char *traceparent);

#endif

/*
 * hint_sender: publishes "this subtask became READY". Hints are perishable: a lost one costs
 * steal_after of delay and nothing else. One thread.
 */
#ifndef OBPIPE_WORKERS_HINT_SENDER_H
#define OBPIPE_WORKERS_HINT_SENDER_H

#include "common/kafka.h"
#include "workers/catalog.h"

struct hint_sender;

struct hint_sender *hint_sender_new(
        const struct settings *settings, struct catalog *catalog, struct err *err);
/* Waits up to flush_ms for what is queued. */
void hint_sender_free(struct hint_sender *s, int flush_ms);
/* Looks up the topics of all types known by now. */
void hint_sender_warm(struct hint_sender *s);
/* For a loop: readable means hint_sender_poll(). Others call poll now and then. */
int hint_sender_fd(const struct hint_sender *s);
void hint_sender_poll(struct hint_sender *s);
/* traceparent may be NULL. */
void hint_send(struct hint_sender *s, int64_t task_id, int64_t subtask_id, int16_t type_id,
        const char *traceparent);

#endif

/*
 * publish: one accepted request becomes one Kafka message; the caller is answered on its delivery
 * report, never by a timer. Also sends hints for operations. Loop thread.
 */
#ifndef OBPIPE_PRODUCER_PUBLISH_H
#define OBPIPE_PRODUCER_PUBLISH_H

#include "common/message.h"
#include "producer/call.h"
#include "producer/render.h"

struct publisher;

struct publisher *publisher_new(struct ingress *in, struct err *err);
void publisher_free(struct publisher *p, int flush_ms);

/*
 * Publishes *r for call c and answers it: 200 with the tasks, 503 (certainly not accepted: hosts
 * are given back), 504 (outcome unknown: names the ids), 413 (no message can hold it). Takes what r
 * owns; r is emptied. The contexts of its tasks must be known to render without error.
 */
void publish_request(struct call *c, struct request *r, const struct task_form *form);

/* "This subtask became READY": perishable. */
void publish_hint(struct ingress *in, const char *type_name, int64_t task_id, int64_t subtask_id,
        const char *traceparent);

#endif

/*
 * read_write: read your write. After a 200, a GET of that task must not say 404 because intake has
 * not come to it yet. 404 only once intake's recorded positions have passed the end that the
 * request topic had after the GET came; until then the row is asked for again, up to 2 s, then 503.
 */
#ifndef OBPIPE_PRODUCER_READ_WRITE_H
#define OBPIPE_PRODUCER_READ_WRITE_H

#include "producer/call.h"

struct task_rows;

/* The row of this task was not found. Answers 404 or 503, or runs `again` in a moment. For every
 * route that takes a task id. */
void read_write_missing(struct call *c, int64_t task_id, call_fn again);

/* Are the templates of these tasks here? Otherwise answers 503 (api_tasks.c). */
bool forms_known(struct call *c, const struct task_rows *rows);

/* The helper thread that asks Kafka for the ends of the request topic. */
struct log_ends *log_ends_new(struct ingress *in, struct err *err);
void log_ends_free(struct log_ends *ends);
/* True while the broker answers: it is asked once a second at least. */
bool log_ends_known(const struct log_ends *ends);

#endif

/*
 * intake: reads obpipe.requests and records each request with its tasks, subtasks and creation
 * events, in batches: a batch is what arrived while the last one was committed, and of requests
 * that come close together what came within 20 ms. One thread.
 *
 * It resumes from the rows, never from the group's offset: each partition starts behind the highest
 * offset the request table holds, on assignment and after every lost connection.
 */
#ifndef OBPIPE_WORKERS_INTAKE_H
#define OBPIPE_WORKERS_INTAKE_H

#include "common/err.h"
#include "workers/worker.h"

struct intake;

struct intake *intake_start(struct worker *w, struct err *err);
/* Ends after the batch under way; what is read and not recorded is read again by the next owner. */
void intake_stop(struct intake *in);

#endif

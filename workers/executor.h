/*
 * executor: claims subtasks, runs them, commits their results. One thread with a loop of its own,
 * plus slot threads for types that block.
 */
#ifndef OBPIPE_WORKERS_EXECUTOR_H
#define OBPIPE_WORKERS_EXECUTOR_H

#include "common/err.h"
#include "workers/worker.h"

struct executor;

/* Starts its thread. The catalog must be loaded. */
struct executor *executor_start(struct worker *w, struct err *err);
/*
 * Drains: stops claiming and leaves the consumer group, lets what runs finish for
 * drain_timeout_ms, then hands the rest back. Returns when nothing of it is left.
 */
void executor_stop(struct executor *ex);

#endif

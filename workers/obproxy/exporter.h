/* exporter: the metrics port of an OBProxy. */
#ifndef OBPIPE_WORKERS_OBPROXY_EXPORTER_H
#define OBPIPE_WORKERS_OBPROXY_EXPORTER_H

#include "workers/host/host.h"

/* GET /metrics answers 200 with text/plain. Logs what it found. RETRYABLE when nobody answers,
 * PERMANENT when the answer is another. */
int exporter_check(struct subtask_ctx *ctx, struct host *h, int port, struct err *err)
        __attribute__((warn_unused_result));

#endif

/*
 * worker_http: /healthz, /readyz and /metrics of a worker, on a thread of libmicrohttpd's own.
 */
#ifndef OBPIPE_WORKERS_WORKER_HTTP_H
#define OBPIPE_WORKERS_WORKER_HTTP_H

#include "common/err.h"
#include "workers/worker.h"

struct worker_http;

/* Listens on settings.worker_http_listen (port 0: a free one, logged as "listening"). *ret is NULL
 * when that setting is empty. */
int worker_http_start(struct worker *w, struct worker_http **ret, struct err *err)
        __attribute__((warn_unused_result));
void worker_http_stop(struct worker_http *http);

#endif

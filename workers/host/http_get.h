/*
 * http_get: one HTTP GET to a port of the host, through the guarded session, by libcurl.
 */
#ifndef OBPIPE_WORKERS_HOST_HTTP_GET_H
#define OBPIPE_WORKERS_HOST_HTTP_GET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/strbuf.h"

struct host;

struct http_answer {
	long status;        /* 200 */
	char *content_type; /* as sent, parameters included; NULL: none */
	struct strbuf body; /* its first body_max bytes */
	bool body_cut;      /* there was more; the transfer was ended there */
	int64_t elapsed_ms;
};
#define HTTP_ANSWER_INIT                                                                           \
	{                                                                                          \
		0                                                                                  \
	}
void http_answer_release(struct http_answer *a);
#define _cleanup_http_answer_ __attribute__((cleanup(http_answer_release)))

/*
 * GET http://127.0.0.1:port/path (path begins with '/'; it is ours, not checked). 0: there was an
 * answer, whatever its status. No redirect is followed, no proxy used. body_max 0: 1 MiB;
 * timeout_ms for the whole call. -1: RETRYABLE (nobody listens, no HTTP answer, time over),
 * CANCELLED. *ret is initialised here; release it in either case. Thread of the host handle.
 */
int http_get(struct host *h, int port, const char *path, size_t body_max, int64_t timeout_ms,
        struct http_answer *ret, struct err *err) __attribute__((warn_unused_result));
/* The same over an fd, which it takes (also when it fails). h NULL: nobody cancels (tests). */
int http_get_fd(struct host *h, int fd, const char *label, int port, const char *path,
        size_t body_max, int64_t timeout_ms, struct http_answer *ret, struct err *err)
        __attribute__((warn_unused_result));

#endif

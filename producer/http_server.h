/*
 * http_server: libmicrohttpd in its external epoll mode on our loop: it has no thread of its own,
 * connections are suspended and resumed on this one.
 */
#ifndef OBPIPE_PRODUCER_HTTP_SERVER_H
#define OBPIPE_PRODUCER_HTTP_SERVER_H

#include "producer/call.h"

#define BODY_BYTES_MAX (1024 * 1024)

struct http_server;

/* Listens on settings.http_listen; *ret_address is "addr:port" with the real port, the caller's. */
int http_server_start(struct ingress *in, char **ret_address, struct err *err)
        __attribute__((warn_unused_result));
/* Accepts nothing new; what is under way goes on. */
void http_server_quiesce(struct http_server *s);
/* Calls whose answer is not sent yet. */
int http_server_calls(const struct http_server *s);
/* Stops at last: what still waits is answered 503. Everything that could answer a call later must
 * be gone. Runs the loop for up to 1 s, so that the answers go out. */
void http_server_free(struct http_server *s);

#endif

/* tcp: a TCP connection with patience. Any thread. */
#ifndef OBPIPE_WORKERS_HOST_TCP_H
#define OBPIPE_WORKERS_HOST_TCP_H

#include "common/err.h"
#include "workers/host/patience.h"

/*
 * Connects to address (a number or a name) and port. *ret_fd is non-blocking, close-on-exec,
 * without Nagle's delay, and notices a peer that is gone within about 25 s. RETRYABLE (CMP07002)
 * otherwise; label begins the message.
 */
int tcp_connect(const char *label, const char *address, int port, const struct patience *p,
        int *ret_fd, struct err *err) __attribute__((warn_unused_result));

#endif

/*
 * session_pool: the idle sessions of this process, and the caps on connecting. Any thread.
 */
#ifndef OBPIPE_WORKERS_HOST_SESSION_POOL_H
#define OBPIPE_WORKERS_HOST_SESSION_POOL_H

#include "workers/host/session.h"

/* Connects in progress to one host, and in this process: sshd drops connections when more than ten
 * (MaxStartups) wait for their logon, and each costs CPU for its key exchange. */
#define POOL_CONNECTS_PER_HOST 8
#define POOL_CONNECTS_MAX 32
/* A connect that takes longer waits for its host and costs no CPU: it counts no more in the
 * process, or hosts that never answer would keep the steps of every other type from theirs. */
#define POOL_CONNECT_BUSY_MS 1000
/* Sessions kept for another use, the least recently used goes first; and how long. */
#define POOL_IDLE_MAX 64
#define POOL_IDLE_MS (5 * 60 * 1000)

/*
 * An idle session to that target, or a new one. Takes over *target. *ret_used: it is an idle one,
 * which the host may have closed meanwhile.
 */
int pool_get(struct target *target, const struct patience *p, struct session **ret, bool *ret_used,
        struct err *err) __attribute__((warn_unused_result));
/* Gives back a session that nothing runs in and that is whole (else: session_free). */
void pool_put(struct session *s);
/* Closes the idle ones of a host: the connections are no good any more. */
void pool_forget(int64_t host_id);

#endif

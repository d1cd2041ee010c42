/*
 * proxysys: the internal commands of a running OBProxy, over MySQL as root@proxysys through the
 * guarded session (host-operations.md D). And the passwords obpipe drew for it.
 */
#ifndef OBPIPE_WORKERS_OBPROXY_PROXYSYS_H
#define OBPIPE_WORKERS_OBPROXY_PROXYSYS_H

#include "workers/host/host.h"
#include "workers/host/mysql_client.h"
#include "workers/obproxy/site.h"

#define PROXYSYS_USER "root@proxysys"
/* Logon, and each statement. */
#define PROXYSYS_TIMEOUT_MS INT64_C(10000)

/*
 * Logs on. A password that was drawn for this OBProxy is tried first, then none: between storing a
 * new password and setting it either may be right. *ret_drawn (NULL allowed): the drawn one was.
 * RETRYABLE when nobody listens or greets, PERMANENT (ODP21008) when neither password is taken.
 */
int proxysys_open(struct subtask_ctx *ctx, struct host *h, const struct site *s,
        struct mysql_client **ret, bool *ret_drawn, struct err *err)
        __attribute__((warn_unused_result));

/* The value of a parameter; *ret NULL: this version has no such parameter. Free it. */
int proxysys_get(struct mysql_client *my, const char *name, char **ret, struct err *err)
        __attribute__((warn_unused_result));
/* Sets it. The statement is in no error text: it may be a password. PERMANENT with the server's
 * number in the text: 5099 unknown, 4147 not allowed. */
int proxysys_set(struct mysql_client *my, const char *name, const char *value, struct err *err)
        __attribute__((warn_unused_result));
/* Are these two texts the same value? The proxy prints 2G as 2GB, true as True, 60s as 1m. In any
 * other text letters count as they are: a URL may differ in nothing else. */
bool proxysys_same_value(const char *a, const char *b);

/* The password of `name` that was drawn for `owner` ("obproxy/1"); *ret NULL: none. Free it. */
int secret_get(struct subtask_ctx *ctx, const char *owner, const char *name, char **ret,
        struct err *err) __attribute__((warn_unused_result));
/* The same, drawn and stored when there is none: durable before its first use. */
int secret_draw(struct subtask_ctx *ctx, const char *owner, const char *name, char **ret,
        struct err *err) __attribute__((warn_unused_result));
/* With the subtask's success the password counts as set. */
void secret_set_on_success(struct subtask_ctx *ctx, const char *owner, const char *name);
/* "obproxy/1". Free it. */
char *secret_owner(const struct site *s);

#endif

/*
 * hosts: real sshd hosts for a test program (deploy/hosts), and packages of the stand-in OBProxy
 * for them. They live in OBPIPE_RUN_DIR. One thread.
 */
#ifndef OBPIPE_TESTS_SUPPORT_HOSTS_H
#define OBPIPE_TESTS_SUPPORT_HOSTS_H

#include "common/strbuf.h"
#include "tests/support/stack.h"

#define SEED_VERSION "1.9.1.1"
#define SEED_FILE "obproxy-1.9.1.1-1919579.el7.x86_64.rpm"
#define SEED_ROOT "/opt/taobao/install/obproxy-1.9.1.1"

/* Builds a package into the test's own folder; "" or "post_seconds=4 ...". Fails the test. */
void package_make(const char *version, const char *release, const char *defines);
/* Fresh hosts 1 to count, the packages made so far (the seed's at least), loaded as the inventory
 * of the stack: cluster 1, host i is host id i. */
void hosts_up(struct stack *s, int count);
/* Loads the hosts as they are now, their keys included, and the packages. */
void hosts_load_inventory(struct stack *s);
/* Ends them and forgets their files. */
void hosts_down(void);
/* `deploy/hosts/hosts` with these words. Fails the test when it does. */
void hosts_do(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Runs a shell command on a host as root; its exit code. *ret (may be NULL) is what it printed,
 * the caller's. */
int on_host(int host, char **ret, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same, and anything but 0 fails the test. */
void must_on_host(int host, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Waits until a shell command on a host exits with 0. */
void wait_on_host(int host, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The stand-in's faults from now on; NULL: none. A line each. */
void host_faults(int host, const char *lines);

/* POSTs batchAdd for hosts first..first+count-1; returns the first task id. */
int64_t batch_add(struct stack *s, int first, int count, const char *file);
/* Waits until a task's subtask of that type is in that state. */
void wait_step(struct stack *s, int64_t task, const char *type, const char *state);
/* Waits until the task is FAILED at that type, and its log holds the text. */
void wait_failure(struct stack *s, int64_t task, const char *type, const char *text);
/* POST .../retry of a task. */
void retry_task(struct stack *s, int64_t task);
/* The whole log of a subtask; the caller's. */
char *step_log(struct stack *s, int64_t task, const char *type);
/* An OBProxy of the seed's package serves on that host: process, both ports, row, exporter, and
 * nothing else of ours is left there. */
void assert_serving(struct stack *s, int host);

#endif

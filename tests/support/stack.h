/*
 * stack: a database, topics and programs of its own for one test program, on the PostgreSQL and
 * Kafka that OBPIPE_PG_DSN and OBPIPE_KAFKA_BROKERS name. A service that is missing fails the test.
 * One thread. Programs come from OBPIPE_BUILD (default "build").
 */
#ifndef OBPIPE_TESTS_SUPPORT_STACK_H
#define OBPIPE_TESTS_SUPPORT_STACK_H

#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Deadline of one expected thing, ms: generous, machines are shared. */
#define SOON_MS 60000

struct stack {
	char *name; /* of the database, and the topic prefix with a dot */
	char *dsn;  /* of the database */
	char *brokers;
	char *url;    /* of the first ingress */
	PGconn *conn; /* to the database */
	char *folder; /* stack_folder(); NULL until it is asked for */
};

struct program {
	pid_t pid;
	int port;  /* of its HTTP side */
	char *log; /* file with what it printed */
};

/* Makes database and topics, migrates, adds user admin. For cmocka's group set-up. */
struct stack *stack_up(const char *name);
/* A folder for files of the test, made when it is asked for first; the stack's. Fails the test. */
const char *stack_folder(struct stack *s);
/* Ends programs left, drops the database, removes the folder. NULL (the set-up failed): nothing. */
void stack_down(struct stack *s);

/* Starts obpipe-worker or obpipe-producer and waits until it is ready. env: NAME=VALUE strings,
 * ends with NULL; may be NULL. */
struct program *stack_start(struct stack *s, const char *program, const char *const *env);
/* The same without waiting for readiness. */
struct program *stack_start_only(struct stack *s, const char *program, const char *const *env);
bool program_ready(struct program *p);
/* Sends a signal; SIGTERM and SIGKILL also wait for the end. Returns the exit status of waitpid. */
int program_signal(struct program *p, int number);
/* Ends it by SIGTERM and frees it. */
void program_stop(struct program *p);
/* Text of its log so far; the caller's. */
char *program_log(const struct program *p);
/* A number of /proc/PID/status, as the kernel counts it ("VmHWM": KiB). Fails the test. */
int64_t program_status(const struct program *p, const char *name);
/* A metric of its /metrics, label included ("obpipe_claims_total{type=\"noop\"}"); 0: absent. */
double program_metric(const struct program *p, const char *name);

/* One value of one row as text (static buffer); NULL: no row. Parameters are never data of users.
 */
const char *sql(struct stack *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int64_t sql_int(struct stack *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One HTTP call as admin. Returns the status; *ret_json (may be NULL) is the caller's. */
long http(
        struct stack *s, const char *method, const char *path, const char *body, json_t **ret_json);
/* POST /api/v2/obpipe/tasks; returns the first task id (they are consecutive). */
int64_t submit(struct stack *s, const char *template, int count, const char *context);
/* Waits until all tasks first..first+count-1 are in that state ("SUCCESSFUL"). */
void wait_tasks(struct stack *s, int64_t first, int count, const char *state);
/* Waits until a query that returns a bool says true. */
void wait_sql(struct stack *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Holds the event topic against the rows of these tasks: numbers 1..n without gap or repeat (exact
 * copies allowed), every move in the state table, replay gives the rows. Fails the test otherwise.
 */
void audit(struct stack *s, int64_t first, int count);

/* Publishes a message (key may be NULL) to prefix + topic. */
void publish(struct stack *s, const char *topic, const char *key, const char *value);
/* Runs build/obpipe with these arguments; returns its exit code. Ends with NULL. */
int obpipe(struct stack *s, const char *first, ...) __attribute__((sentinel));

#endif

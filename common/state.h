/*
 * state: the one table of state moves (design: section 5). Everybody who moves a task or subtask
 * names a row of it by its rule number; the number goes into the event row, so that anybody can ask
 * later which rule moved what. `obpipe migrate` writes the table into state_rule, and a test holds
 * the SQL against it. Pure; any thread.
 */
#ifndef OBPIPE_COMMON_STATE_H
#define OBPIPE_COMMON_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers stand in rows and never change. */
enum subtask_state {
	SUBTASK_NONE = 0, /* before creation; never stored */
	SUBTASK_PENDING = 1,
	SUBTASK_READY = 2,
	SUBTASK_RUNNING = 3,
	SUBTASK_CANCELING = 4,
	SUBTASK_FAILED = 5,
	SUBTASK_SUCCESSFUL = 6,
	SUBTASK_STATE_MAX,
};

enum task_state {
	TASK_NONE = 0,
	TASK_RUNNING = 1,
	TASK_FAILED = 2,
	TASK_SUCCESSFUL = 3,
	TASK_STATE_MAX,
};

enum operation {
	OPERATION_NONE = 0, /* the move leaves the operation as it is */
	OPERATION_EXECUTE = 1,
	OPERATION_RETRY = 2,
	OPERATION_ROLLBACK = 3,
	OPERATION_SKIP = 4,
	OPERATION_ROLLBACK_SKIP = 5,
	OPERATION_CANCEL = 6,
	OPERATION_MAX,
};

enum rule {
	/* subtask */
	RULE_CREATED_PENDING = 10,
	RULE_CREATED_READY = 12,
	RULE_UPSTREAMS_DONE = 20,
	RULE_RELEASED = 22,
	RULE_CLAIMED = 30,
	RULE_SUCCEEDED = 40,
	RULE_RUN_FAILED = 42,
	RULE_DEADLINE = 44,
	RULE_THIRD_DEATH = 46,
	RULE_WORKER_DIED = 50,
	RULE_HANDED_BACK = 52,
	RULE_AUTO_RETRY = 54,
	RULE_WAITS = 56,
	RULE_CLAIM_LOST = 58,
	RULE_CANCELLED_PENDING = 60,
	RULE_CANCELLED_READY = 62,
	RULE_CANCEL_ASKED = 64,
	RULE_CANCEL_ADOPTED = 66,
	RULE_CANCEL_DONE = 68,
	RULE_RETRIED = 70,
	RULE_SKIPPED = 72,
	RULE_ROLLBACK_SUCCESSFUL = 80,
	RULE_ROLLBACK_FAILED = 82,
	RULE_ROLLED_BACK = 84,
	RULE_ROLLBACK_SKIPPED = 86,
	/* task */
	RULE_TASK_CREATED = 110,
	RULE_TASK_FAILED = 120,
	RULE_TASK_SUCCEEDED = 130,
	RULE_TASK_RETRIED = 140,
	RULE_TASK_SKIPPED = 142, /* the operation stays: a skip may happen in a rollback */
	RULE_TASK_ROLLBACK = 144,
};

enum rule_object { RULE_OF_SUBTASK, RULE_OF_TASK };

struct state_rule {
	enum rule rule;
	enum rule_object object;
	int from, to;             /* enum subtask_state or enum task_state */
	enum operation operation; /* what the row's operation becomes; NONE: stays */
	const char *by;           /* who makes it */
	const char *reason;       /* why: stands in the event, the log and the API */
};

extern const struct state_rule state_rules[];
extern const size_t state_rule_count;

/* The row of a rule number; NULL when there is none (foreign data). */
const struct state_rule *state_rule_find(int rule);

/* "READY"; NULL for numbers that are no state. */
const char *subtask_state_name(int state);
const char *task_state_name(int state);
const char *operation_name(int operation);
/* By name; -1 when there is none. */
int subtask_state_parse(const char *name);
int task_state_parse(const char *name);

/* Checks the table: numbers unique and rising, at most one row per (object, from, to, rule name),
 * every state reachable. Returns NULL or what is wrong. */
const char *state_self_check(void);

#endif

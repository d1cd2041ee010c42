/*
 * subtask_type: the contract of one subtask type.
 *
 * Adding a type:
 *   1. workers/subtasks/NAME.c with `const struct subtask_type subtask_NAME`;
 *   2. its line in workers/subtasks/registry.def;
 *   3. a template in schema/templates/ that uses it;
 *   4. `obpipe migrate` and `obpipe topics` (its topic is made from the registry).
 *
 * run must converge: look at what is there, do what is missing, verify. It may be run twice, or
 * again after a crash at any point, and finds its own earlier work.
 */
#ifndef OBPIPE_WORKERS_SUBTASK_TYPE_H
#define OBPIPE_WORKERS_SUBTASK_TYPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/db.h"
#include "common/err.h"

struct subtask_ctx;

enum subtask_outcome {
	SUBTASK_FAIL = -1, /* *err says why; kind RETRYABLE: again while the retry policy allows */
	SUBTASK_DONE = 0,
	SUBTASK_WAIT = 1,  /* hand it back: somebody claims it again after subtask_wait_ms() */
	SUBTASK_LATER = 2, /* never_blocks types only: DONE after subtask_wait_ms() */
};

struct subtask_type {
	const char *name;  /* as in templates and topics */
	bool never_blocks; /* run returns within microseconds: it runs on the executor's own thread
	                    */
	enum subtask_outcome (*run)(struct subtask_ctx *ctx, struct err *err);
	/* Undoes what the undo record says and nothing else. NULL: there is nothing to undo. */
	enum subtask_outcome (*rollback)(struct subtask_ctx *ctx, struct err *err);
};

/* What a type may use. All of it only inside run/rollback and on their thread. */
struct subtask_ctx {
	int64_t task_id, subtask_id;
	int64_t claim;    /* fencing token of this attempt */
	int32_t attempt;  /* claims of this subtask, this one included */
	int32_t run_time; /* 1, raised by each retry */
	int64_t host_id, cluster_id, obproxy_server_id; /* 0: none */
	const char *node_key;                           /* of the template's node */
	const json_t *string_map, *list_map;            /* the task's context */
	int64_t deadline_ms;                            /* monotonic clock; 0: none */
	const struct settings *settings;
	struct worker *worker;
};

/* A value of stringMap; NULL when absent. */
const char *subtask_value(const struct subtask_ctx *ctx, const char *name);
/* True when the attempt is to end: deadline passed, cancelled, worker declared dead, drain over. */
bool subtask_cancelled(const struct subtask_ctx *ctx);
/* Waits on this thread. -1 (CANCELLED) when the attempt is to end before the time is over. Not for
 * never_blocks types, and not for long: WAIT gives the slot back. */
int subtask_pause(struct subtask_ctx *ctx, int64_t ms, struct err *err)
        __attribute__((warn_unused_result));
/* What the template allows the subtask to take; 0: no limit. */
int64_t subtask_timeout_ms(const struct subtask_ctx *ctx);
/* ms for WAIT and LATER. */
void subtask_wait_ms(struct subtask_ctx *ctx, int32_t ms);
/* Adds one line to the subtask's log (NUL and invalid UTF-8 are replaced; no secrets). */
void subtask_log(struct subtask_ctx *ctx, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));
/*
 * Runs a statement now, on a connection of the worker's pool. *ret_res is the caller's (NULL
 * allowed). For reading, and for what must be durable before a change on the host (undo record).
 * While PostgreSQL is away it is tried again, until the attempt is to end; so the statement must
 * give the same result when it is run twice.
 */
int subtask_query(struct subtask_ctx *ctx, enum query query, const struct db_params *params,
        PGresult **ret_res, struct err *err) __attribute__((warn_unused_result));
/*
 * Adds a statement to the completing transaction: rows change together with the subtask's state, or
 * not at all. Its parameters $1..$3 are task id, subtask id and claim, put in front of `params`; it
 * must change nothing unless that subtask is SUCCESSFUL under that claim. At most 4.
 */
void subtask_on_success(struct subtask_ctx *ctx, enum query query, const struct db_params *params);

/* Type by name; NULL when there is none. */
const struct subtask_type *subtask_type_find(const char *name);
/* NULL-ended names of all types built in. */
const char *const *subtask_type_names(void);

#endif

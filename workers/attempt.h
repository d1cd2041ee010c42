/*
 * attempt: one claim of one subtask, from the claim's answer until its result is committed.
 * Owned by the executor; while it runs on a slot thread only that thread touches it, except for
 * the atomics.
 */
#ifndef OBPIPE_WORKERS_ATTEMPT_H
#define OBPIPE_WORKERS_ATTEMPT_H

#include <stdatomic.h>
#include <uthash.h>

#include "common/state.h"
#include "common/strbuf.h"
#include "workers/catalog.h"
#include "workers/subtask_type.h"

#define ATTEMPT_EXTRAS_MAX 4

enum stop_reason {
	STOP_NONE,
	STOP_DEADLINE,
	STOP_DRAIN,   /* hand it back */
	STOP_ABANDON, /* the worker was declared dead: the result counts for nothing */
};

struct attempt_key {
	int64_t task_id, subtask_id, claim;
};

struct attempt_extra {
	enum query query;
	struct db_params params;
};

struct attempt {
	struct subtask_ctx ctx;
	struct attempt_key key;
	const struct catalog_type *type;
	const struct template *template;
	const struct template_node *node;
	int64_t first_subtask_id; /* of its task: node n is first_subtask_id + n */
	int16_t tries;            /* failures the retry policy has used up */
	json_t *context;
	char *traceparent;
	_Atomic int stop; /* enum stop_reason */
	bool on_slot;     /* a slot thread has it */
	int64_t started_us;
	int32_t wait_ms;
	int64_t due_ms; /* LATER: when it is done; 0: not waiting */
	struct strbuf log;
	int32_t log_chunk;
	int64_t log_flushed_ms;
	struct attempt_extra extras[ATTEMPT_EXTRAS_MAX];
	int extra_count;
	/* the result */
	enum subtask_outcome outcome;
	struct err err;
	enum rule rule;
	int32_t delay_ms;
	bool taken; /* the completing transaction found the row ours */
	struct attempt *next;
	UT_hash_handle hh;
};

/* Builds one from row `row` of subtask_claim or subtask_claim_apart; NULL when template or type are
 * not known here. */
struct attempt *attempt_from_row(struct worker *w, const PGresult *res, int row);
/* Builds one from row `row` of subtask_complete or subtask_succeed that hands a subtask on, of the
 * same task as `upstream`: what belongs to the task is taken from there. */
struct attempt *attempt_handed_on(
        struct worker *w, const struct attempt *upstream, const PGresult *res, int row);
/* One that only hands a claim back (its answer was lost). */
struct attempt *attempt_to_hand_back(struct worker *w, const struct attempt_key *key);
void attempt_free(struct attempt *a);

/* Runs the type on this thread and writes the log's frame. Fills outcome and err. */
void attempt_run(struct attempt *a);
/* Turns outcome, stop reason and retry policy into the rule of its move. */
void attempt_decide(struct attempt *a);

#endif

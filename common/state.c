#include "common/state.h"

#include <string.h>

#include "common/mem.h"

#define SUBTASK(rule, from, to, operation, by, reason)                                             \
	{RULE_##rule, RULE_OF_SUBTASK, SUBTASK_##from, SUBTASK_##to, OPERATION_##operation, by,    \
	        reason},
#define TASK(rule, from, to, operation, by, reason)                                                \
	{RULE_##rule, RULE_OF_TASK, TASK_##from, TASK_##to, OPERATION_##operation, by, reason},

/* clang-format off */
const struct state_rule state_rules[] = {
	SUBTASK(CREATED_PENDING, NONE, PENDING, EXECUTE, "intake",
		"created; it waits for its upstreams")
	SUBTASK(CREATED_READY, NONE, READY, EXECUTE, "intake",
		"created; it has no upstream to wait for")
	SUBTASK(UPSTREAMS_DONE, PENDING, READY, NONE, "complete, skip",
		"its last upstream became SUCCESSFUL")
	SUBTASK(RELEASED, PENDING, READY, NONE, "complete, retry, skip",
		"its upstreams were done before, and no subtask of the task is FAILED any more")
	SUBTASK(CLAIMED, READY, RUNNING, NONE, "claim",
		"a worker claimed it")
	SUBTASK(SUCCEEDED, RUNNING, SUCCESSFUL, NONE, "complete",
		"it ran and succeeded")
	SUBTASK(RUN_FAILED, RUNNING, FAILED, NONE, "complete",
		"it ran and failed; its log says why")
	SUBTASK(DEADLINE, RUNNING, FAILED, NONE, "complete",
		"its timeout passed, and nothing of it runs on the host any more")
	SUBTASK(THIRD_DEATH, RUNNING, FAILED, NONE, "sweeper",
		"a third worker died while running it; it may be what kills them")
	SUBTASK(WORKER_DIED, RUNNING, READY, NONE, "sweeper",
		"the worker that ran it died")
	SUBTASK(HANDED_BACK, RUNNING, READY, NONE, "drain",
		"its worker is stopping and handed it back")
	SUBTASK(AUTO_RETRY, RUNNING, READY, NONE, "complete",
		"it failed and will be tried again; the template allows more tries")
	SUBTASK(WAITS, RUNNING, READY, NONE, "complete",
		"it waits for something outside this task, such as a host in use, and is tried again later")
	SUBTASK(CLAIM_LOST, RUNNING, READY, NONE, "recovery",
		"its worker lost the answer to the claim and never began it")
	SUBTASK(CANCELLED_PENDING, PENDING, FAILED, CANCEL, "cancel",
		"an operator cancelled it before it was ready")
	SUBTASK(CANCELLED_READY, READY, FAILED, CANCEL, "cancel",
		"an operator cancelled it before it ran")
	SUBTASK(CANCEL_ASKED, RUNNING, CANCELING, CANCEL, "cancel, deadline",
		"it was told to stop; its process on the host is being ended")
	SUBTASK(CANCEL_ADOPTED, CANCELING, CANCELING, NONE, "sweeper",
		"the worker that was ending it died; another one goes on with that")
	SUBTASK(CANCEL_DONE, CANCELING, FAILED, CANCEL, "adopter, owner",
		"it was stopped, and nothing of it runs on the host any more")
	SUBTASK(RETRIED, FAILED, READY, RETRY, "retry",
		"an operator asked to run it again")
	SUBTASK(SKIPPED, FAILED, SUCCESSFUL, SKIP, "skip",
		"an operator skipped it; nothing was run")
	SUBTASK(ROLLBACK_SUCCESSFUL, SUCCESSFUL, READY, ROLLBACK, "rollback, complete",
		"it is to be undone, and all its downstreams are")
	SUBTASK(ROLLBACK_FAILED, FAILED, READY, ROLLBACK, "rollback, complete",
		"what it did before it failed is to be undone, and all its downstreams are")
	SUBTASK(ROLLED_BACK, RUNNING, PENDING, NONE, "complete",
		"what it had done was undone")
	SUBTASK(ROLLBACK_SKIPPED, FAILED, PENDING, ROLLBACK_SKIP, "skip",
		"an operator skipped undoing it; nothing was run")

	TASK(TASK_CREATED, NONE, RUNNING, EXECUTE, "intake",
		"its request was recorded")
	TASK(TASK_FAILED, RUNNING, FAILED, NONE, "complete, sweeper, cancel",
		"a subtask is FAILED, and none is READY, RUNNING or CANCELING")
	TASK(TASK_SUCCEEDED, RUNNING, SUCCESSFUL, NONE, "complete, skip",
		"all its subtasks are SUCCESSFUL, or all are undone")
	TASK(TASK_RETRIED, FAILED, RUNNING, RETRY, "retry",
		"an operator set it going again")
	TASK(TASK_SKIPPED, FAILED, RUNNING, NONE, "skip",
		"an operator skipped what had failed, and it goes on")
	TASK(TASK_ROLLBACK, FAILED, RUNNING, ROLLBACK, "rollback",
		"an operator asked to undo it")
};
/* clang-format on */
const size_t state_rule_count = ARRAY_SIZE(state_rules);

static const char *const subtask_names[SUBTASK_STATE_MAX] = {
        [SUBTASK_PENDING] = "PENDING",
        [SUBTASK_READY] = "READY",
        [SUBTASK_RUNNING] = "RUNNING",
        [SUBTASK_CANCELING] = "CANCELING",
        [SUBTASK_FAILED] = "FAILED",
        [SUBTASK_SUCCESSFUL] = "SUCCESSFUL",
};
static const char *const task_names[TASK_STATE_MAX] = {
        [TASK_RUNNING] = "RUNNING",
        [TASK_FAILED] = "FAILED",
        [TASK_SUCCESSFUL] = "SUCCESSFUL",
};
static const char *const operation_names[OPERATION_MAX] = {
        [OPERATION_EXECUTE] = "EXECUTE",
        [OPERATION_RETRY] = "RETRY",
        [OPERATION_ROLLBACK] = "ROLLBACK",
        [OPERATION_SKIP] = "SKIP",
        [OPERATION_ROLLBACK_SKIP] = "ROLLBACK_SKIP",
        [OPERATION_CANCEL] = "CANCEL",
};

const struct state_rule *state_rule_find(int rule)
{
	for (size_t i = 0; i < state_rule_count; i++) {
		if ((int)state_rules[i].rule == rule)
			return &state_rules[i];
	}
	return NULL;
}

static const char *name_at(const char *const *names, int count, int index)
{
	return index > 0 && index < count ? names[index] : NULL;
}

static int index_of(const char *const *names, int count, const char *name)
{
	for (int i = 1; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return i;
	}
	return -1;
}

const char *subtask_state_name(int state)
{
	return name_at(subtask_names, SUBTASK_STATE_MAX, state);
}

const char *task_state_name(int state)
{
	return name_at(task_names, TASK_STATE_MAX, state);
}

const char *operation_name(int operation)
{
	return name_at(operation_names, OPERATION_MAX, operation);
}

int subtask_state_parse(const char *name)
{
	return index_of(subtask_names, SUBTASK_STATE_MAX, name);
}

int task_state_parse(const char *name)
{
	return index_of(task_names, TASK_STATE_MAX, name);
}

/* ---- self-check ---- */

static const char *check_row(const struct state_rule *rule)
{
	bool subtask = rule->object == RULE_OF_SUBTASK;
	const char *const *names = subtask ? subtask_names : task_names;
	int count = subtask ? SUBTASK_STATE_MAX : TASK_STATE_MAX;
	if (!name_at(names, count, rule->to))
		return "a rule leads to a number that is no state";
	if (rule->from != 0 && !name_at(names, count, rule->from))
		return "a rule starts at a number that is no state";
	if (rule->operation != OPERATION_NONE && !operation_name((int)rule->operation))
		return "a rule sets a number that is no operation";
	if (!rule->by || !rule->by[0] || !rule->reason || !rule->reason[0])
		return "a rule does not say who makes it, or why";
	/* 100 and up are the task's: whoever reads only the number can tell. */
	if (subtask != ((int)rule->rule < 100))
		return "a rule's number is in the range of the other object";
	return NULL;
}

static bool same_move(const struct state_rule *a, const struct state_rule *b)
{
	return a->object == b->object && a->from == b->from && a->to == b->to &&
	       strcmp(a->reason, b->reason) == 0;
}

/* Can every state of the object be reached from before creation? */
static bool all_reached(enum rule_object object, int count)
{
	unsigned reached = 1; /* bit n: state n; 0 is before creation */
	for (int round = 0; round < count; round++) {
		for (size_t i = 0; i < state_rule_count; i++) {
			const struct state_rule *rule = &state_rules[i];
			if (rule->object == object && reached & 1U << rule->from)
				reached |= 1U << rule->to;
		}
	}
	return reached == (1U << count) - 1;
}

const char *state_self_check(void)
{
	for (size_t i = 0; i < state_rule_count; i++) {
		const char *wrong = check_row(&state_rules[i]);
		if (wrong)
			return wrong;
		if (i > 0 && state_rules[i - 1].rule >= state_rules[i].rule)
			return "rule numbers do not rise";
		for (size_t other = 0; other < i; other++) {
			if (same_move(&state_rules[other], &state_rules[i]))
				return "two rules say the same move for the same reason";
		}
	}
	if (!all_reached(RULE_OF_SUBTASK, SUBTASK_STATE_MAX))
		return "a subtask state cannot be reached";
	if (!all_reached(RULE_OF_TASK, TASK_STATE_MAX))
		return "a task state cannot be reached";
	return NULL;
}

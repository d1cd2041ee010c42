#include "tests/support/test.h"

#include <string.h>

#include "common/mem.h"
#include "common/state.h"

static void table_is_sound(void **state)
{
	const char *wrong = state_self_check();
	if (wrong)
		fail_msg("%s", wrong);
}

struct expected {
	enum rule_object object;
	int from, to;
	enum operation operation;
	int count; /* rows */
};

#define S(from, to, operation, count)                                                              \
	{                                                                                          \
		RULE_OF_SUBTASK, SUBTASK_##from, SUBTASK_##to, OPERATION_##operation, count        \
	}
#define T(from, to, operation, count)                                                              \
	{                                                                                          \
		RULE_OF_TASK, TASK_##from, TASK_##to, OPERATION_##operation, count                 \
	}
/* The design's table of moves, written a second time: a row more or less must be noticed. */
static const struct expected design[] = {
        S(NONE, PENDING, EXECUTE, 1),
        S(NONE, READY, EXECUTE, 1),
        S(PENDING, READY, NONE, 2),        /* upstreams done; released */
        S(READY, RUNNING, NONE, 1),        /* claim */
        S(RUNNING, SUCCESSFUL, NONE, 1),   /* complete */
        S(RUNNING, FAILED, NONE, 3),       /* result; deadline; third death */
        S(RUNNING, READY, NONE, 5),        /* death; handed back; auto retry; waits; claim lost */
        S(PENDING, FAILED, CANCEL, 1),     /* cancel */
        S(READY, FAILED, CANCEL, 1),       /* cancel */
        S(RUNNING, CANCELING, CANCEL, 1),  /* cancel; deadline out of reach */
        S(CANCELING, CANCELING, NONE, 1),  /* adopted */
        S(CANCELING, FAILED, CANCEL, 1),   /* gone */
        S(FAILED, READY, RETRY, 1),        /* retry */
        S(FAILED, SUCCESSFUL, SKIP, 1),    /* skip */
        S(SUCCESSFUL, READY, ROLLBACK, 1), /* rollback */
        S(FAILED, READY, ROLLBACK, 1),     /* rollback */
        S(RUNNING, PENDING, NONE, 1),      /* rolled back */
        S(FAILED, PENDING, ROLLBACK_SKIP, 1), /* skip in rollback */
        T(NONE, RUNNING, EXECUTE, 1),
        T(RUNNING, FAILED, NONE, 1),
        T(RUNNING, SUCCESSFUL, NONE, 1),
        T(FAILED, RUNNING, RETRY, 1),
        T(FAILED, RUNNING, NONE, 1), /* skip */
        T(FAILED, RUNNING, ROLLBACK, 1),
};

static void table_is_the_designs(void **state)
{
	size_t expected_rows = 0;
	for (size_t i = 0; i < ARRAY_SIZE(design); i++) {
		int found = 0;
		for (size_t k = 0; k < state_rule_count; k++) {
			const struct state_rule *rule = &state_rules[k];
			found += rule->object == design[i].object && rule->from == design[i].from &&
			         rule->to == design[i].to && rule->operation == design[i].operation;
		}
		if (found != design[i].count)
			fail_msg("%s %d -> %d: %d rows, not %d",
			        design[i].object == RULE_OF_TASK ? "task" : "subtask",
			        design[i].from, design[i].to, found, design[i].count);
		expected_rows += (size_t)design[i].count;
	}
	assert_int_equal(state_rule_count, expected_rows);
}

static void rules_are_found_by_number(void **state)
{
	for (size_t i = 0; i < state_rule_count; i++)
		assert_ptr_equal(state_rule_find((int)state_rules[i].rule), &state_rules[i]);
	assert_null(state_rule_find(0));
	assert_null(state_rule_find(11));
	assert_null(state_rule_find(-1));
	assert_null(state_rule_find(99999));
	assert_int_equal(state_rule_find(RULE_CLAIMED)->from, SUBTASK_READY);
	assert_int_equal(state_rule_find(RULE_CLAIMED)->to, SUBTASK_RUNNING);
}

static void nothing_runs_before_it_is_claimed(void **state)
{
	for (size_t i = 0; i < state_rule_count; i++) {
		const struct state_rule *rule = &state_rules[i];
		if (rule->object == RULE_OF_SUBTASK && rule->to == SUBTASK_RUNNING)
			assert_int_equal(rule->rule, RULE_CLAIMED);
	}
}

static void names_go_both_ways(void **state)
{
	for (int i = 1; i < SUBTASK_STATE_MAX; i++)
		assert_int_equal(subtask_state_parse(subtask_state_name(i)), i);
	for (int i = 1; i < TASK_STATE_MAX; i++)
		assert_int_equal(task_state_parse(task_state_name(i)), i);
	assert_string_equal(subtask_state_name(SUBTASK_CANCELING), "CANCELING");
	assert_string_equal(task_state_name(TASK_SUCCESSFUL), "SUCCESSFUL");
	assert_string_equal(operation_name(OPERATION_ROLLBACK_SKIP), "ROLLBACK_SKIP");
	assert_null(subtask_state_name(SUBTASK_NONE));
	assert_null(subtask_state_name(SUBTASK_STATE_MAX));
	assert_null(subtask_state_name(-1));
	assert_null(task_state_name(99));
	assert_null(operation_name(OPERATION_NONE));
	assert_int_equal(subtask_state_parse("ready"), -1);
	assert_int_equal(subtask_state_parse(""), -1);
	assert_int_equal(task_state_parse("PENDING"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(table_is_sound),
	        cmocka_unit_test(table_is_the_designs),
	        cmocka_unit_test(rules_are_found_by_number),
	        cmocka_unit_test(nothing_runs_before_it_is_claimed),
	        cmocka_unit_test(names_go_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The retry policy of a template: what is worth another try gets it, later and later, not for ever.
 */
#include "tests/support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/support/stack.h"

/* As tests/fixtures/templates/retry/noop-retry.json has it, for its node "tried". */
#define TEMPLATE "noop-retry"
#define TRIES 4
#define BACKOFF_MS 150
#define NODE 1

static struct stack *s;

static int set_up(void **state)
{
	s = stack_up("retry");
	assert_int_equal(
	        obpipe(s, "migrate", "--templates", "tests/fixtures/templates/retry", NULL), 0);
	stack_start(s, "obpipe-producer", NULL);
	return 0;
}

static int tear_down(void **state)
{
	stack_down(s);
	return 0;
}

static struct program *start_worker(void)
{
	return stack_start(s, "obpipe-worker", NULL);
}

/* A column of the node with the retry policy. */
static int64_t tried(int64_t task, const char *column)
{
	return sql_int(s, "SELECT %s FROM subtask WHERE task_id = %lld AND node = %d", column,
	        (long long)task, NODE);
}

static int64_t failures_told(int64_t task)
{
	return sql_int(s,
	        "SELECT count(*) FROM subtask_log WHERE task_id = %lld AND "
	        "body LIKE '%%failed: node tried was told to stumble%%'",
	        (long long)task);
}

static int64_t moves_by(int64_t task, const char *rule)
{
	return sql_int(s,
	        "SELECT count(*) FROM event e, state_rule r, unnest(string_to_array(e.moves, ' ')) "
	        "AS m WHERE e.task_id = %lld AND r.reason = '%s' AND "
	        "split_part(m, ':', 1)::int = r.rule",
	        (long long)task, rule);
}

/*
 * The claims of the node were at least the backoff apart: doubled each time. From claim to claim,
 * by the database's clock; the try between them takes some more. No upper bound.
 */
static void assert_backed_off(int64_t task, int claims)
{
	assert_string_equal(
	        "t", sql(s,
	                     "SELECT bool_and(gap >= %d * 2 ^ (n - 2)) AND count(*) = %d FROM ("
	                     "SELECT extract(epoch FROM e.at - lag(e.at) OVER w) * 1000 AS gap, "
	                     "row_number() OVER w AS n FROM event e JOIN subtask t USING (task_id) "
	                     "WHERE task_id = %lld AND t.node = %d AND "
	                     "' ' || e.moves LIKE '%% 30:' || t.subtask_id || ':%%' "
	                     "WINDOW w AS (ORDER BY e.first)) AS claims WHERE n > 1",
	                     BACKOFF_MS, claims - 1, (long long)task, NODE));
}

static void it_is_tried_again_until_it_succeeds(void **state)
{
	struct program *w = start_worker();
	int64_t id = submit(s, TEMPLATE, 20, "{\"stumble\":\"tried\",\"stumble_attempts\":3}");

	wait_tasks(s, id, 20, "SUCCESSFUL");
	for (int64_t task = id; task < id + 20; task++) {
		assert_int_equal(tried(task, "attempt"), 4);
		assert_int_equal(tried(task, "tries"), 3);
		assert_int_equal(tried(task, "run_time"), 1);
		assert_int_equal(failures_told(task), 3);
		assert_backed_off(task, 4);
	}
	/* The other nodes ran once. */
	assert_int_equal(sql_int(s,
	                         "SELECT sum(attempt) FROM subtask WHERE task_id = %lld AND "
	                         "node <> %d",
	                         (long long)id, NODE),
	        2);
	audit(s, id, 20);
	program_stop(w);
}

static void used_up_tries_fail_the_task_until_an_operator_retries(void **state)
{
	struct program *w = start_worker();
	int64_t id = submit(s, TEMPLATE, 1, "{\"stumble\":\"tried\",\"stumble_attempts\":6}");
	_cleanup_free_ char *path = xasprintf("/api/v2/tasks/instances/%lld/retry", (long long)id);

	wait_tasks(s, id, 1, "FAILED");
	assert_int_equal(tried(id, "attempt"), TRIES);
	assert_int_equal(tried(id, "state"), 5);
	assert_int_equal(failures_told(id), TRIES);
	assert_backed_off(id, TRIES);
	/* What follows it did not run. */
	assert_int_equal(
	        sql_int(s, "SELECT count(*) FROM subtask WHERE task_id = %lld AND node = 2",
	                (long long)id),
	        0);
	audit(s, id, 1);
	/* An operator's retry has all tries again: two of them stumble, the third gets through. */
	assert_int_equal(http(s, "POST", path, NULL, NULL), 200);
	wait_tasks(s, id, 1, "SUCCESSFUL");
	assert_int_equal(tried(id, "attempt"), TRIES + 3);
	assert_int_equal(tried(id, "tries"), 2);
	assert_int_equal(tried(id, "run_time"), 2);
	audit(s, id, 1);
	program_stop(w);
}

static void what_is_not_worth_it_is_not_tried_again(void **state)
{
	struct program *w = start_worker();
	int64_t id = submit(s, TEMPLATE, 1, "{\"fail\":\"tried\"}");
	/* A node without a policy, which has one try. */
	int64_t other = submit(s, TEMPLATE, 1, "{\"stumble\":\"after\",\"stumble_attempts\":1}");

	wait_tasks(s, id, 1, "FAILED");
	assert_int_equal(tried(id, "attempt"), 1);
	wait_tasks(s, other, 1, "FAILED");
	assert_int_equal(sql_int(s, "SELECT attempt FROM subtask WHERE task_id = %lld AND node = 2",
	                         (long long)other),
	        1);
	audit(s, id, 1);
	audit(s, other, 1);
	program_stop(w);
}

/* Tries are used up by failures, never by deaths of workers. */
static void a_death_uses_up_no_try(void **state)
{
	struct program *first = stack_start_only(s, "obpipe-worker", NULL), *second;
	int64_t id = submit(s, TEMPLATE, 1,
	        "{\"crash\":\"tried\",\"stumble\":\"tried\",\"stumble_attempts\":4}");

	/* It kills its worker in the first attempt, and fails in the second to fourth. */
	wait_sql(s, "SELECT attempt = 1 FROM subtask WHERE task_id = %lld AND node = %d",
	        (long long)id, NODE);
	second = start_worker();
	wait_tasks(s, id, 1, "SUCCESSFUL");
	assert_int_equal(tried(id, "deaths"), 1);
	assert_int_equal(tried(id, "tries"), 3);
	assert_int_equal(tried(id, "attempt"), 5);
	assert_int_equal(failures_told(id), 3);
	assert_int_equal(
	        moves_by(id, "it failed and will be tried again; the template allows more tries"),
	        3);
	audit(s, id, 1);
	program_stop(first);
	program_stop(second);
}

/* A worker that comes while a try is not due yet does not run it early. */
static void the_backoff_outlives_its_worker(void **state)
{
	struct program *first = start_worker(), *second;
	int64_t id = submit(s, TEMPLATE, 5, "{\"stumble\":\"tried\",\"stumble_attempts\":3}");

	wait_sql(s,
	        "SELECT count(*) > 0 FROM subtask WHERE task_id >= %lld AND node = %d AND "
	        "tries >= 1",
	        (long long)id, NODE);
	program_signal(first, SIGTERM);
	second = start_worker();
	wait_tasks(s, id, 5, "SUCCESSFUL");
	for (int64_t task = id; task < id + 5; task++) {
		assert_int_equal(tried(task, "tries"), 3);
		/* More attempts: the first worker claimed it and handed it back, which may be
		 * claimed again at once. */
		if (tried(task, "attempt") == 4)
			assert_backed_off(task, 4);
	}
	audit(s, id, 5);
	program_stop(first);
	program_stop(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(it_is_tried_again_until_it_succeeds),
	        cmocka_unit_test(used_up_tries_fail_the_task_until_an_operator_retries),
	        cmocka_unit_test(what_is_not_worth_it_is_not_tried_again),
	        cmocka_unit_test(a_death_uses_up_no_try),
	        cmocka_unit_test(the_backoff_outlives_its_worker),
	};

	return cmocka_run_group_tests_name("retry_backoff", tests, set_up, tear_down);
}

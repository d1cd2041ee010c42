/* Local handoff (OBPIPE_HANDOFF): completions that claim their downstreams. Same events, same
 * rows, same ends when workers and connections die. */
#include "tests/support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "tests/support/stack.h"
#include "tests/support/wait_until.h"

static struct stack *s;

static int set_up(void **state)
{
	s = stack_up("handoff");
	stack_start(s, "obpipe-producer", NULL);
	return 0;
}

static int tear_down(void **state)
{
	stack_down(s);
	return 0;
}

/* patient: a heartbeat that comes late on a slow machine neither stops its claims nor ends it. */
static struct program *start_one(const char *name, bool patient)
{
	_cleanup_free_ char *variable = xasprintf("OBPIPE_WORKER_NAME=%s", name);
	const char *const env[] = {
	        "OBPIPE_HANDOFF=true", variable, patient ? "OBPIPE_VERDICT_MS=20000" : NULL, NULL};

	return stack_start(s, "obpipe-worker", env);
}

static struct program *start_worker(const char *name)
{
	return start_one(name, false);
}

static void wait_count(int64_t first, const char *condition, int count)
{
	wait_sql(s, "SELECT count(*) >= %d FROM subtask WHERE task_id >= %lld AND %s", count,
	        (long long)first, condition);
}

static void a_chain_is_handed_on_without_messages(void **state)
{
	struct program *p = start_one("one", true);
	int64_t id = submit(s, "noop-chain", 20, NULL);

	wait_tasks(s, id, 20, "SUCCESSFUL");
	assert_int_equal(program_metric(p, "obpipe_handoffs_total"), 20 * 12);
	assert_int_equal(program_metric(p, "obpipe_hints_sent_total"), 0);
	assert_int_equal(program_metric(p, "obpipe_claims_total{type=\"noop\"}"), 20 * 12);
	/* As many moves as by messages, in fewer transactions. */
	assert_int_equal(
	        sql_int(s, "SELECT sequence FROM task WHERE task_id = %lld", (long long)id),
	        1 + 12 + 12 + 12 + 11 + 1);
	assert_int_equal(
	        sql_int(s, "SELECT count(*) FROM event WHERE task_id = %lld", (long long)id),
	        1 + 1 + 12);
	assert_int_equal(sql_int(s,
	                         "SELECT count(DISTINCT claim) FROM subtask WHERE task_id = %lld "
	                         "AND attempt = 1 AND start_time <= finish_time",
	                         (long long)id),
	        12);
	audit(s, id, 20);
	program_stop(p);
}

static void a_join_is_claimed_once(void **state)
{
	struct program *p = start_one("join", true), *q = start_one("other", true);
	int64_t id = submit(s, "noop-diamond", 200, NULL);

	wait_tasks(s, id, 200, "SUCCESSFUL");
	assert_int_equal(sql_int(s,
	                         "SELECT count(*) FROM subtask WHERE task_id >= %lld AND "
	                         "(attempt <> 1 OR waiting <> 0)",
	                         (long long)id),
	        0);
	audit(s, id, 200);
	program_stop(p);
	program_stop(q);
}

static void nothing_is_handed_on_beside_a_failure(void **state)
{
	struct program *p = start_worker("failing");
	int64_t id = submit(s, "noop-diamond", 20, "{\"fail\":\"left\",\"sleep_ms.right\":30}");
	char path[96];

	wait_tasks(s, id, 20, "FAILED");
	assert_int_equal(sql_int(s,
	                         "SELECT count(*) FROM subtask_view WHERE task_id >= %lld AND "
	                         "state = 'PENDING' AND attempt = 0",
	                         (long long)id),
	        20); /* the joins */
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "/api/v2/tasks/instances/%lld/retry",
		        (long long)id + i);
		assert_int_equal(http(s, "POST", path, NULL, NULL), 200);
	}
	wait_tasks(s, id, 20, "SUCCESSFUL");
	audit(s, id, 20);
	program_stop(p);
}

static void what_is_held_becomes_ready_and_waits(void **state)
{
	struct program *p = start_worker("held");
	int64_t id = submit(s, "noop-chain", 1, "{\"sleep_ms.n01\":3000}");

	wait_count(id, "node = 0 AND state = 3", 1);
	sql(s,
	        "INSERT INTO subtask (task_id, subtask_id, node, type_id, state, waiting, held) "
	        "SELECT task_id, first_subtask_id + node, node, type_id, 1, waiting, true "
	        "FROM task JOIN template_node USING (template_id) "
	        "WHERE task_id = %lld AND node = 1 RETURNING 1",
	        (long long)id);
	wait_count(id, "node = 0 AND state = 6", 1);
	assert_int_equal(sql_int(s, "SELECT state FROM subtask WHERE task_id = %lld AND node = 1",
	                         (long long)id),
	        2);
	sql(s, "UPDATE subtask SET held = false WHERE task_id = %lld AND node = 1 RETURNING 1",
	        (long long)id);
	wait_tasks(s, id, 1, "SUCCESSFUL");
	audit(s, id, 1);
	program_stop(p);
}

static void a_killed_workers_chain_goes_on_elsewhere(void **state)
{
	struct program *a = start_worker("killed"), *b;
	int64_t id = submit(s, "noop-chain", 100, "{\"sleep_ms\":100}");

	/* In the middle: what ran then was handed on, not claimed from a message. */
	wait_count(id, "node = 2 AND state = 3", 1);
	program_signal(a, SIGKILL);
	b = start_worker("survivor");
	wait_tasks(s, id, 100, "SUCCESSFUL");
	assert_true(sql_int(s, "SELECT sum(deaths) FROM subtask WHERE task_id >= %lld",
	                    (long long)id) >= 1);
	audit(s, id, 100);
	program_stop(a);
	program_stop(b);
}

static void a_stopped_workers_results_count_for_nothing(void **state)
{
	struct program *zombie = start_worker("zombie"), *other;
	int64_t id = submit(s, "noop-chain", 20, "{\"sleep_ms\":50}"), dead;

	wait_count(id, "node = 1 AND state = 3", 1);
	dead = sql_int(s, "SELECT worker_id FROM worker WHERE name = 'zombie'");
	program_signal(zombie, SIGSTOP);
	other = start_worker("other");
	wait_sql(s, "SELECT died_at IS NOT NULL FROM worker WHERE worker_id = %lld",
	        (long long)dead);
	program_signal(zombie, SIGCONT);
	wait_tasks(s, id, 20, "SUCCESSFUL");
	audit(s, id, 20);
	program_stop(zombie);
	program_stop(other);
}

/* A claim whose answer was lost with the connection is found and handed back. */
static void connections_may_be_lost_in_a_handoff(void **state)
{
	struct program *p = start_worker("lost");
	int64_t id = submit(s, "noop-chain", 300, NULL);

	for (int i = 0; i < 20; i++) {
		wait_sql(s, "SELECT count(*) >= %d FROM event WHERE task_id >= %lld", i * 150,
		        (long long)id);
		sql(s, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
		       "datname = current_database() AND application_name IN "
		       "('obpipe-claim', 'obpipe-complete')");
	}
	wait_tasks(s, id, 300, "SUCCESSFUL");
	assert_int_equal(
	        sql_int(s, "SELECT sum(deaths) FROM subtask WHERE task_id >= %lld", (long long)id),
	        0); /* nobody was declared dead for it */
	audit(s, id, 300);
	program_stop(p);
}

static void a_drain_takes_nothing_on(void **state)
{
	struct program *p = start_worker("drained"), *next;
	int64_t id = submit(s, "noop-chain", 10, "{\"sleep_ms\":300}");

	wait_count(id, "node = 1 AND state = 3", 5);
	program_signal(p, SIGTERM);
	assert_int_equal(
	        sql_int(s, "SELECT count(*) FROM subtask WHERE task_id >= %lld AND state = 3",
	                (long long)id),
	        0);
	assert_true(sql_int(s, "SELECT count(*) FROM task WHERE task_id >= %lld AND state = 1",
	                    (long long)id) > 0);
	next = start_worker("next");
	wait_tasks(s, id, 10, "SUCCESSFUL");
	assert_int_equal(
	        sql_int(s, "SELECT sum(deaths) FROM subtask WHERE task_id >= %lld", (long long)id),
	        0);
	audit(s, id, 10);
	program_stop(p);
	program_stop(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_chain_is_handed_on_without_messages),
	        cmocka_unit_test(a_join_is_claimed_once),
	        cmocka_unit_test(nothing_is_handed_on_beside_a_failure),
	        cmocka_unit_test(what_is_held_becomes_ready_and_waits),
	        cmocka_unit_test(a_killed_workers_chain_goes_on_elsewhere),
	        cmocka_unit_test(a_stopped_workers_results_count_for_nothing),
	        cmocka_unit_test(connections_may_be_lost_in_a_handoff),
	        cmocka_unit_test(a_drain_takes_nothing_on),
	};

	return cmocka_run_group_tests_name("handoff", tests, set_up, tear_down);
}

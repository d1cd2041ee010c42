/* Workers that die, stand still, leave and come back; claims that are fenced. */
#include "tests/support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/mem.h"
#include "tests/support/stack.h"
#include "tests/support/wait_until.h"

static struct stack *s;

static int set_up(void **state)
{
	s = stack_up("workers");
	stack_start(s, "obpipe-producer", NULL);
	return 0;
}

static int tear_down(void **state)
{
	stack_down(s);
	return 0;
}

static struct program *start_named(const char *name)
{
	_cleanup_free_ char *variable = xasprintf("OBPIPE_WORKER_NAME=%s", name);
	const char *const env[] = {variable, NULL};

	return stack_start(s, "obpipe-worker", env);
}

static void wait_running(int64_t first, int count, int running)
{
	wait_sql(s,
	        "SELECT count(*) >= %d FROM subtask WHERE task_id >= %lld AND task_id < %lld AND "
	        "state = 3",
	        running, (long long)first, (long long)first + count);
}

static void a_killed_workers_subtasks_go_on_elsewhere(void **state)
{
	struct program *a = start_named("a");
	/* The first subtask sleeps longer: it shall still run when the worker is killed. */
	int64_t id = submit(s, "noop-chain", 20, "{\"sleep_ms\":200,\"sleep_ms.n01\":2000}");
	struct program *b;

	wait_running(id, 20, 10);
	program_signal(a, SIGKILL);
	b = start_named("b");
	wait_tasks(s, id, 20, "SUCCESSFUL");
	assert_true(program_metric(b, "obpipe_takeovers_total") >= 1);
	assert_true(sql_int(s, "SELECT sum(deaths) FROM subtask WHERE task_id >= %lld",
	                    (long long)id) >= 10);
	audit(s, id, 20);
	program_stop(a);
	program_stop(b);
}

static void the_third_death_fails_the_subtask(void **state)
{
	struct program *p[4];
	int64_t id = submit(s, "noop-diamond", 1, "{\"crash\":\"fork\",\"crash_attempts\":9}");

	/* Each kills its worker; the survivor sweeps and takes over. */
	const char *const env[] = {"OBPIPE_ROLES=intake,maintainer", NULL};
	struct program *keeper = stack_start(s, "obpipe-worker", env);

	for (int i = 0; i < 3; i++) {
		const char *const executor[] = {"OBPIPE_ROLES=executor", NULL};

		p[i] = stack_start_only(s, "obpipe-worker", executor);
		wait_sql(s, "SELECT deaths = %d FROM subtask WHERE task_id = %lld AND node = 0",
		        i + 1, (long long)id);
	}
	wait_tasks(s, id, 1, "FAILED");
	audit(s, id, 1);
	for (int i = 0; i < 3; i++)
		program_stop(p[i]);
	program_stop(keeper);
}

static void a_zombies_results_count_for_nothing(void **state)
{
	struct program *zombie = start_named("zombie"), *other;
	int64_t id = submit(s, "noop-chain", 5, "{\"sleep_ms\":100}");
	int64_t dead;

	wait_running(id, 5, 3);
	dead = sql_int(s, "SELECT worker_id FROM worker WHERE name = 'zombie'");
	program_signal(zombie, SIGSTOP);
	other = start_named("other");
	wait_sql(s, "SELECT died_at IS NOT NULL FROM worker WHERE worker_id = %lld",
	        (long long)dead);
	program_signal(zombie, SIGCONT);
	wait_tasks(s, id, 5, "SUCCESSFUL");
	/* It comes back under a new number and works again. */
	wait_sql(s, "SELECT count(*) = 2 FROM worker WHERE name = 'zombie'");
	audit(s, id, 5);
	id = submit(s, "noop-chain", 50, NULL);
	wait_tasks(s, id, 50, "SUCCESSFUL");
	audit(s, id, 50);
	program_stop(zombie);
	program_stop(other);
}

static void a_name_may_come_back_at_once(void **state)
{
	struct program *first = start_named("same"), *second;
	int64_t id = submit(s, "noop-chain", 10, "{\"sleep_ms\":100}");

	wait_running(id, 10, 5);
	program_signal(first, SIGKILL);
	second = start_named("same");
	wait_tasks(s, id, 10, "SUCCESSFUL");
	audit(s, id, 10);
	program_stop(first);
	program_stop(second);
}

static void sigterm_drains(void **state)
{
	struct program *p = start_named("drained"), *next;
	int64_t id = submit(s, "noop-chain", 10, "{\"sleep_ms\":300}");
	int status;

	wait_running(id, 10, 5);
	status = program_signal(p, SIGTERM);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	/* What ran has ended; nothing is left to a verdict. */
	assert_int_equal(
	        sql_int(s, "SELECT count(*) FROM subtask WHERE task_id >= %lld AND state = 3",
	                (long long)id),
	        0);
	assert_int_equal(
	        sql_int(s, "SELECT sum(deaths) FROM subtask WHERE task_id >= %lld", (long long)id),
	        0);
	next = start_named("next");
	wait_tasks(s, id, 10, "SUCCESSFUL");
	audit(s, id, 10);
	program_stop(p);
	program_stop(next);
}

static void drain_hands_back_what_takes_too_long(void **state)
{
	const char *const env[] = {"OBPIPE_DRAIN_TIMEOUT_MS=200", NULL};
	struct program *p = stack_start(s, "obpipe-worker", env), *next;
	int64_t id = submit(s, "noop-diamond", 1, "{\"sleep_ms.fork\":60000}");

	wait_running(id, 1, 1);
	program_signal(p, SIGTERM);
	assert_int_equal(sql_int(s, "SELECT state FROM subtask WHERE task_id = %lld AND node = 0",
	                         (long long)id),
	        2); /* READY again, no death */
	assert_int_equal(
	        sql_int(s, "SELECT sum(deaths) FROM subtask WHERE task_id = %lld", (long long)id),
	        0);
	next = stack_start(s, "obpipe-worker", env);
	wait_running(id, 1, 1);
	audit(s, id, 1);
	program_stop(p);
	program_stop(next);
	/* No worker of a later test shall take it and have to wait for it at its end. */
	sql(s, "UPDATE subtask SET held = true WHERE task_id = %lld RETURNING 1", (long long)id);
}

static void an_intake_without_work_is_ready(void **state)
{
	static const char *const env[] = {"OBPIPE_ROLES=intake", NULL};

	program_stop(stack_start(s, "obpipe-worker", env));
}

static void a_worker_serves_only_its_types(void **state)
{
	const char *const env[] = {"OBPIPE_TYPES=finish", NULL};
	struct program *picky = stack_start(s, "obpipe-worker", env), *all;
	int64_t id = submit(s, "noop-diamond", 3, NULL);

	wait_tasks(s, id, 3, "RUNNING");
	all = start_named("all");
	wait_tasks(s, id, 3, "SUCCESSFUL");
	assert_true(program_metric(picky, "obpipe_claims_total{type=\"noop\"}") == 0);
	program_stop(picky);
	program_stop(all);
}

static bool is_leader(void *arg)
{
	return program_metric(arg, "obpipe_maintainer_leader") == 1;
}

static void the_relay_moves_when_its_leader_stands_still(void **state)
{
	struct program *a = start_named("leader"), *b;
	int64_t id;

	assert_true(wait_until(is_leader, a, SOON_MS));
	b = start_named("heir");
	program_signal(a, SIGSTOP);
	id = submit(s, "noop-chain", 5, NULL);
	wait_tasks(s, id, 5, "SUCCESSFUL");
	audit(s, id, 5); /* waits for the events: somebody else relays */
	program_signal(a, SIGCONT);
	id = submit(s, "noop-chain", 5, NULL);
	wait_tasks(s, id, 5, "SUCCESSFUL");
	audit(s, id, 5);
	program_stop(a);
	program_stop(b);
}

static void an_open_transaction_delays_no_event(void **state)
{
	struct program *p = start_named("relay");
	PGconn *holder = PQconnectdb(s->dsn), *elsewhere = PQconnectdb(getenv("OBPIPE_PG_DSN"));
	int64_t id;

	/* Both hold an xid, the second in another database. */
	PQclear(PQexec(holder, "BEGIN; SELECT pg_current_xact_id()"));
	PQclear(PQexec(elsewhere, "BEGIN; SELECT pg_current_xact_id()"));
	id = submit(s, "noop-chain", 10, NULL);
	wait_tasks(s, id, 10, "SUCCESSFUL");
	audit(s, id, 10);
	PQfinish(holder);
	PQfinish(elsewhere);
	program_stop(p);
}

static void a_killed_relay_is_replaced(void **state)
{
	struct program *p = start_named("relay1"), *next;
	int64_t id = submit(s, "noop-chain", 50, NULL);

	wait_running(id, 50, 1);
	program_signal(p, SIGKILL);
	next = start_named("relay2");
	wait_tasks(s, id, 50, "SUCCESSFUL");
	audit(s, id, 50);
	program_stop(p);
	program_stop(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_killed_workers_subtasks_go_on_elsewhere),
	        cmocka_unit_test(the_third_death_fails_the_subtask),
	        cmocka_unit_test(a_zombies_results_count_for_nothing),
	        cmocka_unit_test(a_name_may_come_back_at_once),
	        cmocka_unit_test(sigterm_drains),
	        cmocka_unit_test(drain_hands_back_what_takes_too_long),
	        cmocka_unit_test(an_intake_without_work_is_ready),
	        cmocka_unit_test(a_worker_serves_only_its_types),
	        cmocka_unit_test(the_relay_moves_when_its_leader_stands_still),
	        cmocka_unit_test(an_open_transaction_delays_no_event),
	        cmocka_unit_test(a_killed_relay_is_replaced),
	};

	return cmocka_run_group_tests_name("workers", tests, set_up, tear_down);
}

/* PostgreSQL or Kafka away and back while requests and work go on: nothing accepted is lost. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/support/stack.h"
#include "tests/support/wait_until.h"

static struct stack *s;
static struct program *ingress, *worker;

/* The services belong to the test run, which says where they are. */
static void services(const char *what)
{
	_cleanup_free_ char *command = xasprintf("deploy/stack/services %s >&2", what);

	if (!getenv("OBPIPE_RUN_DIR"))
		fail_msg("OBPIPE_RUN_DIR is not set: tests/run sets it");
	assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
	/* Without Kafka each step waits until it is stolen. */
	static const char *const env[] = {"OBPIPE_STEAL_AFTER_MS=300", NULL};

	s = stack_up("outage");
	ingress = stack_start(s, "obpipe-producer", NULL);
	worker = stack_start(s, "obpipe-worker", env);
	return 0;
}

static int tear_down(void **state)
{
	stack_down(s);
	return 0;
}

static long try_submit(void)
{
	return http(s, "POST", "/api/v2/obpipe/tasks", "{\"template\":\"noop-chain\"}", NULL);
}

static bool accepts(void *arg)
{
	return try_submit() == 200;
}

static void postgresql_may_die_under_work(void **state)
{
	int64_t id = submit(s, "noop-chain", 100, "{\"sleep_ms\":20}"), more;

	wait_sql(s, "SELECT count(*) >= 50 FROM subtask WHERE task_id >= %lld AND state = 6",
	        (long long)id);
	services("kill pg");
	/* Accepting goes on without it, from reserved ids and users in memory. */
	more = submit(s, "noop-chain", 20, NULL);
	assert_int_equal(http(s, "GET", "/api/v2/tasks/instances", NULL, NULL), 503);
	services("start pg");
	wait_tasks(s, id, 100, "SUCCESSFUL");
	wait_tasks(s, more, 20, "SUCCESSFUL");
	audit(s, id, 100);
	audit(s, more, 20);
}

static void a_backend_may_die_in_a_commit(void **state)
{
	int64_t id = submit(s, "noop-chain", 200, NULL);

	for (int i = 0; i < 20; i++) {
		wait_sql(s, "SELECT count(*) >= %d FROM event WHERE task_id >= %lld", i * 150,
		        (long long)id);
		sql(s, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
		       "datname "
		       "= current_database() AND application_name IN "
		       "('obpipe-claim', 'obpipe-complete', 'obpipe-intake', 'obpipe-maintainer')");
	}
	wait_tasks(s, id, 200, "SUCCESSFUL");
	audit(s, id, 200);
}

static void kafka_may_die_under_work(void **state)
{
	int64_t id = submit(s, "noop-chain", 50, "{\"sleep_ms\":20}");
	long status;

	wait_sql(s, "SELECT count(*) >= 25 FROM subtask WHERE task_id >= %lld AND state = 6",
	        (long long)id);
	services("kill kafka");
	/* Rows are the truth: work goes on by stealing. A request is refused, or its fate is named.
	 */
	wait_tasks(s, id, 50, "SUCCESSFUL");
	status = try_submit();
	assert_true(status == 503 || status == 504);
	services("start kafka");
	assert_true(wait_until(accepts, NULL, SOON_MS));
	audit(s, id, 50); /* every event comes in the end */
	id = submit(s, "noop-chain", 5, NULL);
	wait_tasks(s, id, 5, "SUCCESSFUL");
	audit(s, id, 5);
}

static bool is_ready(void *arg)
{
	return program_ready(arg);
}

static void programs_wait_for_services_at_their_start(void **state)
{
	struct program *p, *w;
	bool was_ready;

	services("kill pg");
	p = stack_start_only(s, "obpipe-producer", NULL);
	w = stack_start_only(s, "obpipe-worker", NULL);
	was_ready = program_ready(p) || program_ready(w);
	services("start pg");
	assert_false(was_ready);
	assert_true(wait_until(is_ready, p, SOON_MS));
	assert_true(wait_until(is_ready, w, SOON_MS));
	program_stop(p);
	program_stop(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_backend_may_die_in_a_commit),
	        cmocka_unit_test(postgresql_may_die_under_work),
	        cmocka_unit_test(kafka_may_die_under_work),
	        cmocka_unit_test(programs_wait_for_services_at_their_start),
	};

	return cmocka_run_group_tests_name("outage", tests, set_up, tear_down);
}

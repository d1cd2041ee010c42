/* The pipeline on no-op templates: one ingress, one worker, real PostgreSQL and Kafka. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/support/stack.h"
#include "tests/support/wait_until.h"

static struct stack *s;
static struct program *worker;

static int set_up(void **state)
{
	s = stack_up("pipeline");
	stack_start(s, "obpipe-producer", NULL);
	worker = stack_start(s, "obpipe-worker", NULL);
	return 0;
}

static int tear_down(void **state)
{
	stack_down(s);
	return 0;
}

static void a_chain_runs_to_its_end(void **state)
{
	int64_t id = submit(s, "noop-chain", 1, NULL);

	wait_tasks(s, id, 1, "SUCCESSFUL");
	assert_int_equal(
	        sql_int(s, "SELECT sequence FROM task WHERE task_id = %lld", (long long)id),
	        1 + 12 + 12 + 12 + 11 + 1); /* created, claims, ends, readiness, task end */
	audit(s, id, 1);
}

static void diamonds_join_once(void **state)
{
	int64_t id = submit(s, "noop-diamond", 200, NULL);

	wait_tasks(s, id, 200, "SUCCESSFUL");
	/* Both branches of many were in one complete batch: the join ran once each all the same. */
	assert_int_equal(sql_int(s,
	                         "SELECT count(*) FROM subtask WHERE task_id >= %lld AND "
	                         "task_id < %lld AND (attempt <> 1 OR waiting <> 0)",
	                         (long long)id, (long long)id + 200),
	        0);
	audit(s, id, 200);
}

static void a_failing_branch_stops_the_join_until_retry(void **state)
{
	int64_t id = submit(s, "noop-diamond", 20, "{\"fail\":\"left\",\"sleep_ms.right\":30}");
	json_t *answer;
	char path[96];

	wait_tasks(s, id, 20, "FAILED");
	assert_int_equal(sql_int(s,
	                         "SELECT count(*) FROM subtask_view WHERE task_id >= %lld AND "
	                         "task_id < %lld AND state = 'PENDING'",
	                         (long long)id, (long long)id + 20),
	        20); /* the joins */
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "/api/v2/tasks/instances/%lld/retry",
		        (long long)id + i);
		assert_int_equal(http(s, "POST", path, NULL, &answer), 200);
		json_decref(answer);
	}
	wait_tasks(s, id, 20, "SUCCESSFUL");
	assert_int_equal(sql_int(s,
	                         "SELECT count(*) FROM subtask WHERE task_id >= %lld AND "
	                         "task_id < %lld AND run_time = 2",
	                         (long long)id, (long long)id + 20),
	        20);
	audit(s, id, 20);
}

static void retry_is_refused_unless_failed(void **state)
{
	int64_t id = submit(s, "noop-chain", 1, NULL);
	json_t *answer;
	char path[96];

	wait_tasks(s, id, 1, "SUCCESSFUL");
	snprintf(path, sizeof(path), "/api/v2/tasks/instances/%lld/retry", (long long)id);
	assert_int_equal(http(s, "POST", path, NULL, &answer), 400);
	assert_string_equal(
	        json_string_value(json_object_get(json_object_get(answer, "error"), "code")),
	        "TSK10007");
	json_decref(answer);
	assert_int_equal(
	        http(s, "POST", "/api/v2/tasks/instances/999999999/retry", NULL, NULL), 404);
}

/* 503 says that it is accepted and not recorded yet; that it is not known must nobody hear. */
static bool is_found(void *arg)
{
	long status = http(s, "GET", arg, NULL, NULL);

	assert_true(status == 200 || status == 503);
	return status == 200;
}

static void get_after_post_finds_the_task(void **state)
{
	char path[96];

	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "/api/v2/tasks/instances/%lld",
		        (long long)submit(s, "noop-diamond", 1, NULL));
		assert_true(wait_until(is_found, path, SOON_MS));
	}
}

static char *recorded_request(int64_t task)
{
	return xasprintf(
	        "{\"schema\":1,\"request_id\":\"%032llx\",\"user\":\"admin\",\"client\":\"x\","
	        "\"executor\":\"x\",\"trace_id\":\"c9c73aea31764206\",\"accepted_at_us\":1,"
	        "\"template\":\"noop-diamond\",\"version\":1,\"sha256\":\"%s\","
	        "\"cluster_id\":0,\"body\":{},\"values\":{},\"tasks\":[{\"task_id\":%lld,"
	        "\"first_subtask_id\":%lld,\"host_id\":0,\"obproxy_server_id\":0}]}",
	        (long long)task, sql(s, "SELECT sha256 FROM template WHERE name = 'noop-diamond'"),
	        (long long)task, (long long)task * 100);
}

static void a_request_said_twice_is_one(void **state)
{
	_cleanup_free_ char *request = recorded_request(5000001);

	for (int i = 0; i < 3; i++)
		publish(s, "requests", NULL, request);
	wait_tasks(s, 5000001, 1, "SUCCESSFUL");
	wait_sql(s, "SELECT count(*) >= 2 FROM request WHERE outcome = 2");
	assert_int_equal(sql_int(s, "SELECT count(*) FROM task WHERE task_id = 5000001"), 1);
	audit(s, 5000001, 1);
}

static void a_task_id_under_two_requests_is_a_dead_letter(void **state)
{
	_cleanup_free_ char *request = recorded_request(5000002);
	_cleanup_free_ char *other = recorded_request(5000002);
	int64_t before = sql_int(s, "SELECT count(*) FROM request WHERE outcome = 3");

	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): in the middle of a text */
	memcpy(strstr(other, "\"request_id\":\"") + 14, "ffffffff", 8);
	publish(s, "requests", NULL, request);
	wait_tasks(s, 5000002, 1, "SUCCESSFUL");
	publish(s, "requests", NULL, other);
	wait_sql(s, "SELECT count(*) = %lld FROM request WHERE outcome = 3", (long long)before + 1);
	audit(s, 5000002, 1);
}

static void what_cannot_be_decoded_goes_to_the_dead_letters(void **state)
{
	double before = program_metric(worker, "obpipe_intake_requests_total");
	int64_t dead = sql_int(s, "SELECT count(*) FROM request WHERE outcome = 3"), id;

	publish(s, "requests", NULL, "{\"schema\":1,");
	publish(s, "requests", NULL, "\xff\xfe");
	publish(s, "subtasks.noop", NULL, "not a hint");
	wait_sql(s, "SELECT count(*) = %lld FROM request WHERE outcome = 3", (long long)dead + 2);
	id = submit(s, "noop-chain", 1, NULL); /* work goes on */
	wait_tasks(s, id, 1, "SUCCESSFUL");
	assert_true(program_metric(worker, "obpipe_intake_requests_total") > before);
}

static void late_and_false_hints_do_nothing(void **state)
{
	int64_t id = submit(s, "noop-chain", 1, NULL), next;
	char hint[96];

	wait_tasks(s, id, 1, "SUCCESSFUL");
	snprintf(hint, sizeof(hint), "{\"schema\":1,\"task_id\":%lld,\"subtask_id\":%lld}",
	        (long long)id,
	        (long long)sql_int(s, "SELECT min(subtask_id) FROM subtask WHERE task_id = %lld",
	                (long long)id));
	for (int i = 0; i < 5; i++)
		publish(s, "subtasks.noop", NULL, hint);
	publish(s, "subtasks.noop", NULL, "{\"schema\":1,\"task_id\":777777777,\"subtask_id\":1}");
	next = submit(s, "noop-chain", 1, NULL);
	wait_tasks(s, next, 1, "SUCCESSFUL");
	assert_int_equal(
	        sql_int(s, "SELECT max(attempt) FROM subtask WHERE task_id = %lld", (long long)id),
	        1);
	audit(s, id, 1);
}

static bool is_unready(void *arg)
{
	return !program_ready(arg);
}

static void a_newer_request_waits_and_is_not_lost(void **state)
{
	_cleanup_free_ char *request = recorded_request(5000003);
	char *schema = strstr(request, "\"schema\":1");
	int64_t dead = sql_int(s, "SELECT count(*) FROM request WHERE outcome = 3");

	schema[9] = '9';
	publish(s, "requests", "newer", request);
	/* Not undecodable: no dead letter, readiness says so. */
	assert_true(wait_until(is_unready, worker, SOON_MS));
	assert_int_equal(sql_int(s, "SELECT count(*) FROM request WHERE outcome = 3"), dead);
	assert_int_equal(sql_int(s, "SELECT count(*) FROM task WHERE task_id = 5000003"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_chain_runs_to_its_end), cmocka_unit_test(diamonds_join_once),
	        cmocka_unit_test(a_failing_branch_stops_the_join_until_retry),
	        cmocka_unit_test(retry_is_refused_unless_failed),
	        cmocka_unit_test(get_after_post_finds_the_task),
	        cmocka_unit_test(a_request_said_twice_is_one),
	        cmocka_unit_test(a_task_id_under_two_requests_is_a_dead_letter),
	        cmocka_unit_test(what_cannot_be_decoded_goes_to_the_dead_letters),
	        cmocka_unit_test(late_and_false_hints_do_nothing),
	        cmocka_unit_test(
	                a_newer_request_waits_and_is_not_lost), /* last: blocks a partition */
	};

	return cmocka_run_group_tests_name("pipeline", tests, set_up, tear_down);
}

/* Two ingresses and one host; an ingress whose reserved ids run out while PostgreSQL is away. */
#include "tests/support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/support/http.h"
#include "tests/support/stack.h"
#include "tests/support/wait_until.h"

#define BATCH_ADD "/api/v2/obproxy/clusters/1/obproxies/batchAdd"
#define FIRST_HOST 30
#define HOSTS 8
#define ID_BLOCK 10

static struct stack *s;
static struct program *ingress[2];

static void load_inventory(void)
{
	sql(s, "INSERT INTO obproxy_cluster (cluster_id, name, version, work_mode) VALUES "
	       "(1, 'test', '3.1.1', 'RS_LIST') RETURNING 1");
	sql(s, "INSERT INTO credential VALUES (1, 'root', 'root', '/nowhere') RETURNING 1");
	sql(s, "INSERT INTO host (host_id, name, address, host_key, credential_id, status, "
	       "architecture, operating_system, operating_system_release) "
	       "SELECT i, 'host' || i, '127.0.0.' || i, 'k', 1, 'AVAILABLE', 'x86_64', 'Linux', "
	       "'el7' FROM generate_series(1, 99) i RETURNING 1");
	sql(s, "INSERT INTO software_package (package_id, file_name, name, version, build_number, "
	       "operating_system, architecture, size, sha256, path) VALUES (1, "
	       "'obproxy-1.9.1.1-1919579.el7.x86_64.rpm', 'obproxy', '1.9.1.1', '1919579', 'el7', "
	       "'x86_64', 1, '', '') RETURNING 1");
	sql(s, "UPDATE inventory_version SET version = version + 1 RETURNING 1");
}

static int set_up(void **state)
{
	s = stack_up("pair");
	load_inventory();
	for (int i = 0; i < 2; i++)
		ingress[i] = stack_start(s, "obpipe-producer", NULL);
	return 0;
}

static int tear_down(void **state)
{
	stack_down(s);
	return 0;
}

/* ---- one host, two doors ---- */

struct asking {
	pthread_barrier_t *start;
	int port, host;
	long status;
};

static long ask(int port, int host)
{
	_cleanup_free_ char *url = xasprintf("http://127.0.0.1:%d" BATCH_ADD, port);
	_cleanup_free_ char *body = xasprintf(
	        "{\"hostIds\":[%d],\"sqlPort\":2883,\"exporterPort\":2884,"
	        "\"version\":\"obproxy-1.9.1.1-1919579.el7.x86_64.rpm\"}",
	        host);

	return http_request("POST", url, "admin:test-password", body, NULL);
}

static void *ask_in_thread(void *arg)
{
	struct asking *a = arg;

	pthread_barrier_wait(a->start);
	a->status = ask(a->port, a->host);
	return NULL;
}

/* Both doors are asked for the host at the same instant; returns how many accepted. */
static int ask_both(int host)
{
	pthread_barrier_t start;
	struct asking asking[2];
	pthread_t threads[2];
	int accepted = 0;

	pthread_barrier_init(&start, NULL, 2);
	for (int i = 0; i < 2; i++) {
		asking[i] = (struct asking){
		        .start = &start, .port = ingress[i]->port, .host = host};
		assert_int_equal(pthread_create(&threads[i], NULL, ask_in_thread, &asking[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_true(asking[i].status == 200 || asking[i].status == 409);
		accepted += asking[i].status == 200;
	}
	pthread_barrier_destroy(&start);
	return accepted;
}

struct refusal {
	int port, host;
};

static bool is_refused(void *arg)
{
	const struct refusal *r = arg;

	return ask(r->port, r->host) == 409;
}

static void check_host(int host)
{
	assert_int_equal(sql_int(s, "SELECT count(*) FROM obproxy WHERE host_id = %d", host), 1);
	/* The row is the winner's; whoever lost says so in its first step. */
	assert_string_equal(
	        "t", sql(s,
	                     "SELECT bool_and((v.state = 'SUCCESSFUL') = (o.obproxy_id IS NOT "
	                     "NULL)) AND count(o.obproxy_id) = 1 FROM subtask_view v "
	                     "JOIN task_info i USING (task_id) LEFT JOIN obproxy o ON "
	                     "o.obproxy_id = i.obproxy_server_id AND o.host_id = i.host_id "
	                     "WHERE i.host_id = %d AND v.type = 'prepare-obproxy-install'",
	                     host));
	for (int i = 0; i < 2; i++) {
		struct refusal r = {ingress[i]->port, host};

		assert_true(wait_until(is_refused, &r, SOON_MS));
	}
}

/* The doors share nothing before the first step has run, so both may accept (the 409 there is a
 * best effort): step 1 decides. */
static void of_two_ingresses_one_obproxy_comes(void **state)
{
	const char *const env[] = {
	        "OBPIPE_TYPES=prepare-obproxy-install", "OBPIPE_ROLES=intake,executor", NULL};
	struct program *worker;
	int accepted = 0;

	for (int host = FIRST_HOST; host < FIRST_HOST + HOSTS; host++) {
		int now = ask_both(host);

		assert_in_range(now, 1, 2);
		accepted += now;
	}
	assert_true(accepted > HOSTS); /* or nothing was in dispute */
	worker = stack_start(s, "obpipe-worker", env);
	wait_sql(s,
	        "SELECT count(*) = %d FROM subtask_view WHERE type = 'prepare-obproxy-install' AND "
	        "state IN ('SUCCESSFUL', 'FAILED')",
	        accepted);
	for (int host = FIRST_HOST; host < FIRST_HOST + HOSTS; host++)
		check_host(host);
	assert_int_equal(sql_int(s, "SELECT count(*) FROM task_view WHERE state = 'FAILED'"),
	        accepted - HOSTS);
	program_stop(worker);
}

/* ---- ids run out ---- */

static void services(const char *what)
{
	_cleanup_free_ char *command = xasprintf("deploy/stack/services %s >&2", what);

	if (!getenv("OBPIPE_RUN_DIR"))
		fail_msg("OBPIPE_RUN_DIR is not set: tests/run sets it");
	assert_int_equal(system(command), 0);
}

static long try_submit(json_t **ret)
{
	return http(s, "POST", "/api/v2/obpipe/tasks", "{\"template\":\"noop-chain\"}", ret);
}

static bool accepts(void *arg)
{
	int *accepted = arg;
	bool yes = try_submit(NULL) == 200;

	*accepted += yes;
	return yes;
}

static void ids_run_out_and_come_back(void **state)
{
	const char *const env[] = {"OBPIPE_ID_BLOCK=10", NULL};
	struct program *small = stack_start(s, "obpipe-producer", env), *worker;
	_cleanup_free_ char *url = xasprintf("http://127.0.0.1:%d", small->port);
	char *first_url = s->url;
	int64_t before = sql_int(s, "SELECT count(*) FROM task");
	json_t *answer = NULL;
	int accepted = 0;
	long status;

	s->url = url;
	services("kill pg");
	while ((status = try_submit(&answer)) == 200 && accepted <= 2 * ID_BLOCK) {
		json_decref(answer);
		accepted++;
	}
	services("start pg");
	assert_int_equal(status, 503);
	assert_in_range(accepted, 1, 2 * ID_BLOCK); /* the block in use and the one ahead */
	assert_contains(
	        json_string_value(json_object_get(json_object_get(answer, "error"), "message")),
	        "no reserved ids left");
	json_decref(answer);
	assert_true(wait_until(accepts, &accepted, SOON_MS));
	s->url = first_url;
	/* What was accepted is there, each once; what was refused is not. */
	worker = stack_start(s, "obpipe-worker", NULL);
	wait_sql(s, "SELECT count(*) = %d FROM task_view WHERE state = 'SUCCESSFUL'", accepted);
	assert_int_equal(sql_int(s, "SELECT count(*) FROM task") - before, accepted);
	program_stop(worker);
	program_stop(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(ids_run_out_and_come_back), /* first: counts all tasks */
	        cmocka_unit_test(of_two_ingresses_one_obproxy_comes),
	};

	return cmocka_run_group_tests_name("ingress_pair", tests, set_up, tear_down);
}

/* Add OBProxy, end to end: real sshd hosts, real rpm, real processes and ports. */
#include "tests/support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/support/hosts.h"
#include "tests/support/stack.h"
#include "tests/support/wait_until.h"

#define HOSTS 16

static struct stack *s;

static int set_up(void **state)
{
	s = stack_up("obproxy");
	stack_start(s, "obpipe-producer", NULL);
	package_make("3.2.3.0", "2.el7", "");
	hosts_up(s, HOSTS);
	return 0;
}

static int tear_down(void **state)
{
	stack_down(s);
	hosts_down();
	return 0;
}

static struct program *start_worker(const char *types)
{
	_cleanup_free_ char *variable = xasprintf("OBPIPE_TYPES=%s", types ? types : "all");
	const char *const env[] = {variable, NULL};

	return stack_start(s, "obpipe-worker", env);
}

static void assert_one_hint_a_topic(int64_t task)
{
	static const char *const types[] = {"prepare-obproxy-install", "prepare-create-obproxy",
	        "check-process-not-exist", "check-command", "install-rpm", "start-obproxy",
	        "sync-obproxy-parameter", "set-obproxy-password", "refresh-agent-config",
	        "register-obproxy-exporter", "update-obproxy-status", "finish"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		_cleanup_free_ char *line = xasprintf(
		        "kcat -b %s -t %s.subtasks.%s -C -e -q | grep -c '\"task_id\": *%lld[,}]'",
		        s->brokers, s->name, types[i], (long long)task);
		FILE *pipe = popen(line, "re");
		char count[16] = "";

		if (!fgets(count, sizeof(count), pipe) || strcmp(count, "1\n") != 0)
			fail_msg("topic %s.subtasks.%s has %s hints of the task", s->name, types[i],
			        count);
		pclose(pipe);
	}
}

/* From outside the host: what monitoring would do. */
static void assert_metrics(int host)
{
	_cleanup_free_ char *line = xasprintf(
	        "curl -sf -m 10 $(deploy/hosts/hosts inventory | jq -r "
	        "'.[] | select(.index == %d) | .address'):2884/metrics | "
	        "grep -q exposer_scrapes_total",
	        host);

	assert_int_equal(system(line), 0);
}

static void the_seed_request_ends_in_a_serving_obproxy(void **state)
{
	struct program *w = start_worker(NULL);
	_cleanup_free_ char *request = test_read_file("tests/fixtures/seed/request.json", NULL);
	const char *path = "/api/v2/obproxy/clusters/1/obproxies/batchAdd";
	json_t *answer;
	int64_t id;

	assert_int_equal(http(s, "POST", path, request, &answer), 200);
	id = json_integer_value(json_object_get(
	        json_array_get(json_object_get(json_object_get(answer, "data"), "contents"), 0),
	        "id"));
	json_decref(answer);
	wait_tasks(s, id, 1, "SUCCESSFUL");
	assert_serving(s, 2);
	assert_metrics(2);
	audit(s, id, 1);
	assert_one_hint_a_topic(id);
	/* One OBProxy a host. */
	assert_int_equal(http(s, "POST", path, request, NULL), 409);
	program_stop(w);
}

/* No worker serves every type, and eight hosts go at once. */
static void two_workers_share_eight_hosts(void **state)
{
	const char *of_a = "prepare-obproxy-install,prepare-create-obproxy,"
	                   "check-process-not-exist,check-command,install-rpm";
	struct program *a = start_worker(of_a);
	struct program *b = start_worker(
	        "start-obproxy,sync-obproxy-parameter,set-obproxy-password,"
	        "refresh-agent-config,register-obproxy-exporter,"
	        "update-obproxy-status,finish");
	int64_t id = batch_add(s, 3, 8, SEED_FILE);

	wait_tasks(s, id, 8, "SUCCESSFUL");
	for (int host = 3; host < 11; host++)
		assert_serving(s, host);
	/* Each did what it serves; one may have come under a second number meanwhile. */
	assert_int_equal(sql_int(s,
	                         "SELECT count(*) FROM subtask_view x JOIN subtask_view y "
	                         "USING (task_id, worker_id) WHERE task_id = %lld AND "
	                         "x.type = ANY (string_to_array('%s', ',')) AND "
	                         "y.type <> ALL (string_to_array('%s', ','))",
	                         (long long)id, of_a, of_a),
	        0);
	audit(s, id, 8);
	program_stop(a);
	program_stop(b);
}

/* The password of root@proxysys is set; nobody can read it where it does not belong. */
static void passwords_stay_secret(void **state)
{
	struct program *w = start_worker(NULL);
	int64_t id = batch_add(s, 11, 1, "obproxy-3.2.3.0-2.el7.x86_64.rpm");
	_cleanup_free_ char *password = NULL, *proxyro = NULL, *log = NULL, *find = NULL;

	wait_tasks(s, id, 1, "SUCCESSFUL");
	password = xstrdup(sql(s,
	        "SELECT value FROM secret WHERE name = 'root@proxysys' AND "
	        "task_id = %lld AND state = 'CURRENT'",
	        (long long)id));
	proxyro = xstrdup(sql(s, "SELECT value FROM secret WHERE owner = 'cluster/1' AND "
	                         "name = 'proxyro' AND state = 'CURRENT'"));
	assert_int_equal(strlen(password), 20);
	must_on_host(11,
	        "! grep -rqe '%s' -e '%s' /opt /home /var /proc/[0-9]*/cmdline "
	        "/proc/[0-9]*/environ 2>/dev/null",
	        password, proxyro);
	must_on_host(11,
	        "grep -q \"^observer_sys_password=$(printf %%s '%s' | sha1sum | cut -c1-40)$\" "
	        "/opt/taobao/install/obproxy-3.2.3.0/etc/obproxy_config.txt",
	        proxyro);
	log = xstrdup(sql(s, "SELECT string_agg(body, '') FROM subtask_log"));
	assert_null(strstr(log, password));
	assert_null(strstr(log, proxyro));
	find = program_log(w);
	assert_null(strstr(find, password));
	program_stop(w);
}

static void a_reserved_host_is_waited_for(void **state)
{
	struct program *w;
	int64_t id;
	_cleanup_free_ char *log = NULL;

	sql(s, "INSERT INTO host_reservation (host_id, service, task_id) VALUES "
	       "(12, 'OB_PROXY', 999999) RETURNING 1");
	w = start_worker(NULL);
	id = batch_add(s, 12, 1, SEED_FILE);
	wait_sql(s,
	        "SELECT attempt > 0 AND state = 'READY' FROM subtask_view WHERE task_id = %lld AND "
	        "type = 'prepare-create-obproxy'",
	        (long long)id);
	/* It waits without a slot. */
	assert_int_equal(
	        sql_int(s, "SELECT count(*) FROM subtask WHERE task_id = %lld AND state = 3",
	                (long long)id),
	        0);
	sql(s, "DELETE FROM host_reservation WHERE task_id = 999999 RETURNING 1");
	wait_tasks(s, id, 1, "SUCCESSFUL");
	log = step_log(s, id, "prepare-create-obproxy");
	test_assert_contains(log, "host 12 is reserved by task 999999", __FILE__, __LINE__);
	audit(s, id, 1);
	program_stop(w);
}

static void a_host_without_power_is_named_and_comes_back(void **state)
{
	struct program *w = start_worker(NULL);
	int64_t id;

	hosts_do("kill 13");
	id = batch_add(s, 13, 1, SEED_FILE);
	wait_failure(s, id, "prepare-create-obproxy", "CMP07002: host 13 (10.77.");
	hosts_do("up %d", HOSTS);
	retry_task(s, id);
	wait_tasks(s, id, 1, "SUCCESSFUL");
	assert_serving(s, 13);
	audit(s, id, 1);
	program_stop(w);
}

/* Somebody else answers at the host's address. */
static void a_wrong_host_key_is_refused(void **state)
{
	struct program *w = start_worker(NULL);
	int64_t id;

	sql(s, "UPDATE host SET host_key = (SELECT host_key FROM host WHERE host_id = 1) "
	       "WHERE host_id = 14 RETURNING 1");
	id = batch_add(s, 14, 1, SEED_FILE);
	wait_failure(s, id, "prepare-create-obproxy", "CMP07002: host 14 (10.77.");
	must_on_host(14, "test ! -e /var/lib/obpipe/claim");
	program_stop(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_seed_request_ends_in_a_serving_obproxy),
	        cmocka_unit_test(two_workers_share_eight_hosts),
	        cmocka_unit_test(passwords_stay_secret),
	        cmocka_unit_test(a_reserved_host_is_waited_for),
	        cmocka_unit_test(a_host_without_power_is_named_and_comes_back),
	        cmocka_unit_test(a_wrong_host_key_is_refused),
	};

	return cmocka_run_group_tests_name("obproxy", tests, set_up, tear_down);
}

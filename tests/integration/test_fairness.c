/* Much at once: hosts that never answer, and more tasks than fit in any queue. */
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/strbuf.h"
#include "tests/support/stack.h"
#include "tests/support/wait_until.h"

#define SILENT_HOSTS 24 /* more than the slots a type has */
#define FLOOD 20000
#define FLOOD_REQUESTS 20
#define MEMORY_MIB 64
/* The flood is some 240,000 subtasks. */
#define FLOOD_MS 180000

static struct stack *s;
static struct program *worker;

static int set_up(void **state)
{
	s = stack_up("fairness");
	stack_start(s, "obpipe-producer", NULL);
	worker = stack_start(s, "obpipe-worker", NULL);
	return 0;
}

static int tear_down(void **state)
{
	stack_down(s);
	return 0;
}

/* Takes connections and never says a word: an sshd that hangs. Returns its port. */
static int silent_host(int *ret_fd)
{
	struct sockaddr_in address = {
	        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*ret_fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(*ret_fd, 16), 0);
	getsockname(*ret_fd, (struct sockaddr *)&address, &len);
	return ntohs(address.sin_port);
}

static void add_silent_hosts(int *fds)
{
	sql(s, "INSERT INTO obproxy_cluster (cluster_id, name, version, work_mode, rs_list) "
	       "VALUES (1, 'c', '3.1.1', 'RS_LIST', '127.0.0.1:2881') RETURNING 1");
	sql(s, "INSERT INTO credential VALUES (1, 'c', 'root', '/dev/null') RETURNING 1");
	sql(s, "INSERT INTO software_package (package_id, file_name, name, version, build_number, "
	       "operating_system, architecture, size, sha256, path) VALUES (1, "
	       "'obproxy-1.9.1.1-1919579.el7.x86_64.rpm', 'obproxy', '1.9.1.1', '1919579', 'el7', "
	       "'x86_64', 1, '', '') RETURNING 1");
	for (int i = 0; i < SILENT_HOSTS; i++)
		sql(s,
		        "INSERT INTO host (host_id, name, address, ssh_port, host_key, "
		        "credential_id, status, architecture, operating_system, "
		        "operating_system_release) VALUES (%d, 'silent%d', '127.0.0.1', %d, "
		        "'ssh-ed25519 ' || rpad('AAAAC3NzaC1lZDI1NTE5AAAAI', 68, 'A'), 1, "
		        "'AVAILABLE', 'x86_64', 'Linux', 'el7') RETURNING 1",
		        i + 1, i + 1, silent_host(&fds[i]));
	sql(s, "UPDATE inventory_version SET version = version + 1 RETURNING 1");
}

static bool is_accepted(void *arg)
{
	return http(s, "POST", "/api/v2/obproxy/clusters/1/obproxies/batchAdd", arg, NULL) == 200;
}

static void add_obproxies(void)
{
	_cleanup_strbuf_ struct strbuf body = STRBUF_INIT;

	strbuf_adds(&body, "{\"hostIds\":[1");
	for (int i = 2; i <= SILENT_HOSTS; i++)
		strbuf_addf(&body, ",%d", i);
	strbuf_adds(&body, "],\"sqlPort\":2883,\"exporterPort\":2884,\"version\":"
	                   "\"obproxy-1.9.1.1-1919579.el7.x86_64.rpm\"}");
	/* Until the ingress has read the inventory it knows no such cluster. */
	assert_true(wait_until(is_accepted, body.buf, SOON_MS));
}

static const char in_silence[] = "FROM subtask JOIN subtask_type USING (type_id) "
                                 "WHERE name = 'prepare-create-obproxy' AND ";

static void hosts_that_never_answer_block_no_other_type(void **state)
{
	int fds[SILENT_HOSTS];
	int64_t id;

	add_silent_hosts(fds);
	add_obproxies();
	/* All slots of the type are taken, and the rest waits for one. */
	wait_sql(s,
	        "SELECT count(*) FILTER (WHERE state = 3) = 16 AND count(*) FILTER (WHERE "
	        "state = 2) = %d %s true",
	        SILENT_HOSTS - 16, in_silence);
	id = submit(s, "noop-chain", 200, NULL);
	wait_tasks(s, id, 200, "SUCCESSFUL");
	/* Submitted last, ended first. */
	assert_int_equal(sql_int(s, "SELECT count(*) %s state > 3", in_silence), 0);
	assert_int_equal(sql_int(s, "SELECT count(*) FROM task WHERE state <> 3"), SILENT_HOSTS);
	audit(s, id, 200);
	for (int i = 0; i < SILENT_HOSTS; i++)
		close(fds[i]);
}

static int64_t resident_mib(const struct program *p)
{
	char path[64], line[256];
	int64_t kib = 0;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/status", p->pid);
	in = fopen(path, "re");
	assert_non_null(in);
	while (fgets(line, sizeof(line), in))
		if (sscanf(line, "VmRSS: %ld kB", &kib) == 1)
			break;
	fclose(in);
	assert_true(kib > 0);
	return kib / 1024;
}

static bool flood_recorded(void *arg)
{
	return program_metric(worker, "obpipe_intake_tasks_total") >= *(const double *)arg;
}

static bool flood_ended(void *arg)
{
	return sql_int(s, "SELECT count(*) FROM task WHERE task_id >= %lld AND state = 3",
	               *(const long long *)arg) == FLOOD;
}

static void a_flood_is_carried_with_little_memory(void **state)
{
	double assignments = program_metric(worker, "obpipe_kafka_assignments_total");
	double recorded = program_metric(worker, "obpipe_intake_tasks_total") + FLOOD;
	long long first = 0;
	int64_t last = 0;

	assert_true(assignments >= 1);
	for (int i = 0; i < FLOOD_REQUESTS; i++) {
		last = submit(s, "noop-chain", FLOOD / FLOOD_REQUESTS, NULL);
		first = first ? first : last;
	}
	assert_true(wait_until(flood_recorded, &recorded, FLOOD_MS));
	assert_true(sql_int(s, "SELECT count(*) FROM task WHERE state = 1") > FLOOD / 4);
	assert_in_range(resident_mib(worker), 1, MEMORY_MIB);
	assert_true(wait_until(flood_ended, &first, FLOOD_MS));
	assert_in_range(resident_mib(worker), 1, MEMORY_MIB);
	/* Nobody was thrown out of a group, nothing ran twice. */
	assert_true(program_metric(worker, "obpipe_kafka_assignments_total") == assignments);
	assert_int_equal(sql_int(s,
	                         "SELECT count(*) FROM subtask WHERE task_id >= %lld AND "
	                         "(attempt <> 1 OR deaths <> 0)",
	                         first),
	        0);
	audit(s, last, FLOOD / FLOOD_REQUESTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(hosts_that_never_answer_block_no_other_type),
	        cmocka_unit_test(a_flood_is_carried_with_little_memory),
	};

	return cmocka_run_group_tests_name("fairness", tests, set_up, tear_down);
}

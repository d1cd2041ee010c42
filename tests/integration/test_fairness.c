/* Much at once: hosts that never answer, and more tasks than fit in any queue. */
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/strbuf.h"
#include "tests/support/stack.h"
#include "tests/support/wait_until.h"

/* More slots than connects that a worker makes at once (POOL_CONNECTS_MAX), more hosts than slots.
 */
#define SLOTS 40
#define SLOTS_SETTING "OBPIPE_SLOTS=40"
#define SILENT_HOSTS 48
#define HOSTS (SILENT_HOSTS + 2)
/* Tasks whose first hints are more than a queue takes before it pauses (LANE_HIGH, 20,000) beside
 * what is claimed meanwhile (twice OBPIPE_CLAIM_BATCH); 240,000 subtasks. */
#define FLOOD 30000
#define FLOOD_REQUESTS 30
#ifdef __SANITIZE_ADDRESS__
#define MEMORY_MIB 1024 /* ASan keeps what was freed (256 MiB) and marks all of it */
#else
#define MEMORY_MIB 64
#endif
#define FLOOD_MS 180000

static struct stack *s;
static struct program *worker;
static PGconn *held; /* holds the worker's results */

static int set_up(void **state)
{
	/* Nobody is killed here, and nobody is to be taken for dead when all is busy. */
	static const char *const env[] = {SLOTS_SETTING, "OBPIPE_KAFKA_OPTIONS=", NULL};

	s = stack_up("fairness");
	stack_start(s, "obpipe-producer", NULL);
	worker = stack_start(s, "obpipe-worker", env);
	return 0;
}

static void let_go(void)
{
	PQfinish(held);
	held = NULL;
}

static int tear_down(void **state)
{
	let_go(); /* a test failed meanwhile */
	stack_down(s);
	return 0;
}

/* ---- hosts that never answer ---- */

/* Takes connections and never says a word: an sshd that hangs. Returns its port. */
static int silent_host(int *ret_fd)
{
	struct sockaddr_in address = {
	        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(*ret_fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(*ret_fd, 16), 0);
	getsockname(*ret_fd, (struct sockaddr *)&address, &len);
	return ntohs(address.sin_port);
}

/* A worker reads the key before it connects: without one a host is refused, not waited for. */
static char *new_key(void)
{
	char *path = xasprintf("%s/key", stack_folder(s));
	_cleanup_free_ char *command = xasprintf("ssh-keygen -q -t ed25519 -N '' -f %s", path);

	assert_int_equal(system(command), 0);
	return path;
}

static void add_silent_hosts(int *fds, const char *key)
{
	sql(s, "INSERT INTO obproxy_cluster (cluster_id, name, version, work_mode, rs_list) "
	       "VALUES (1, 'c', '3.1.1', 'RS_LIST', '127.0.0.1:2881') RETURNING 1");
	sql(s, "INSERT INTO credential VALUES (1, 'c', 'root', '%s') RETURNING 1", key);
	sql(s, "INSERT INTO software_package (package_id, file_name, name, version, build_number, "
	       "operating_system, architecture, size, sha256, path) VALUES (1, "
	       "'obproxy-1.9.1.1-1919579.el7.x86_64.rpm', 'obproxy', '1.9.1.1', '1919579', 'el7', "
	       "'x86_64', 1, '', '') RETURNING 1");
	for (int i = 0; i < HOSTS; i++)
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

static void add_obproxies(int first, int last)
{
	_cleanup_strbuf_ struct strbuf body = STRBUF_INIT;

	strbuf_addf(&body, "{\"hostIds\":[%d", first);
	for (int i = first + 1; i <= last; i++)
		strbuf_addf(&body, ",%d", i);
	strbuf_adds(&body, "],\"sqlPort\":2883,\"exporterPort\":2884,\"version\":"
	                   "\"obproxy-1.9.1.1-1919579.el7.x86_64.rpm\"}");
	/* Until the ingress has read the inventory it knows no such cluster. */
	assert_true(wait_until(is_accepted, body.buf, SOON_MS));
}

/* Counts hosts somebody came to, whose connection then stays open. */
struct callers {
	const int *listening;
	int came[HOSTS];
	int count;
};

static bool every_slot_called(void *arg)
{
	struct callers *c = arg;

	for (int i = 0; i < HOSTS; i++) {
		if (c->came[i] >= 0)
			continue;
		c->came[i] = accept4(c->listening[i], NULL, NULL, SOCK_CLOEXEC);
		c->count += c->came[i] >= 0;
	}
	return c->count >= SLOTS;
}

static void wait_steps(const char *type, int running, int ready, int done)
{
	wait_sql(s,
	        "SELECT count(*) FILTER (WHERE state = 3) = %d AND count(*) FILTER (WHERE "
	        "state = 2) = %d AND count(*) FILTER (WHERE state = 6) = %d "
	        "FROM subtask JOIN subtask_type USING (type_id) WHERE name = '%s'",
	        running, ready, done, type);
}

static void hosts_that_never_answer_block_no_other_type(void **state)
{
	int fds[HOSTS];
	struct callers callers = {.listening = fds};
	char *key = new_key(), *log;
	int64_t id;

	for (int i = 0; i < HOSTS; i++)
		callers.came[i] = -1;
	add_silent_hosts(fds, key);
	add_obproxies(1, SILENT_HOSTS);
	/* All slots of the type are taken, and the rest waits for one. */
	wait_steps("prepare-create-obproxy", SLOTS, SILENT_HOSTS - SLOTS, 0);
	/* No cap of all types together keeps a step from its host. */
	assert_true(wait_until(every_slot_called, &callers, SOON_MS));
	log = program_log(worker);
	assert_null(strstr(log, "wait for other connections"));
	free(log);
	/* Submitted last, ended first: a type that needs slots too, and one that needs none. */
	add_obproxies(SILENT_HOSTS + 1, HOSTS);
	id = submit(s, "noop-chain", 200, NULL);
	wait_tasks(s, id, 200, "SUCCESSFUL");
	wait_steps("prepare-obproxy-install", 0, 0, HOSTS);
	assert_int_equal(
	        sql_int(s, "SELECT count(*) FROM subtask JOIN subtask_type USING "
	                   "(type_id) WHERE name = 'prepare-create-obproxy' AND state > 3"),
	        0);
	assert_int_equal(sql_int(s, "SELECT count(*) FROM task WHERE state = 1"), HOSTS);
	audit(s, id, 200);
	for (int i = 0; i < HOSTS; i++) {
		close(fds[i]);
		if (callers.came[i] >= 0)
			close(callers.came[i]);
	}
	free(key);
}

/* ---- more tasks than fit in any queue ---- */

static int64_t resident_mib(const struct program *p)
{
	return program_status(p, "VmHWM") / 1024; /* of KiB */
}

/* A metric and the value it is to reach. */
struct goal {
	const struct program *program;
	const char *metric;
	double value;
};

static bool is_reached(void *arg)
{
	const struct goal *g = arg;

	return program_metric(g->program, g->metric) >= g->value;
}

/* Cheap, as it is asked every 5 ms. */
static bool flood_ended(void *arg)
{
	return *sql(s, "SELECT NOT EXISTS (SELECT FROM task WHERE state = 1 AND task_id >= %lld)",
	               *(const long long *)arg) == 't';
}

/*
 * Keeps the worker's results from being committed until let_go(): its slots fill up, and hints
 * gather in the queue, however fast or slow the machine is. A batch that has waited for its lock
 * timeout is tried again, and waits again.
 */
static void hold_results(void)
{
	sql(s, "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS "
	       "$$BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END$$");
	sql(s, "CREATE TRIGGER hold BEFORE UPDATE ON subtask FOR EACH ROW "
	       "WHEN (OLD.state = 3 AND NEW.state > 3) EXECUTE FUNCTION hold()");
	held = PQconnectdb(s->dsn);
	PQclear(PQexec(held, "SELECT pg_advisory_lock(1)"));
}

/* Half chains, half diamonds. Returns its first task id; *ret_last: that of its last request. */
static int64_t submit_flood(int64_t *ret_last)
{
	int64_t first = 0;

	for (int i = 0; i < FLOOD_REQUESTS; i++) {
		*ret_last = submit(
		        s, i % 2 ? "noop-chain" : "noop-diamond", FLOOD / FLOOD_REQUESTS, NULL);
		first = first ? first : *ret_last;
	}
	return first;
}

static void a_flood_is_carried_with_little_memory(void **state)
{
	double assignments = program_metric(worker, "obpipe_kafka_assignments_total");
	struct goal recorded = {worker, "obpipe_intake_tasks_total",
	        program_metric(worker, "obpipe_intake_tasks_total") + FLOOD};
	struct goal paused = {worker, "obpipe_partition_pauses_total", 1};
	struct goal queued = {worker, "obpipe_hints_queued", 4000}; /* set once a second */
	int64_t last = 0;
	long long first;

	hold_results();
	assert_true(assignments >= 1);
	first = submit_flood(&last);
	assert_true(wait_until(is_reached, &recorded, FLOOD_MS));
	/* The queue is full, and Kafka keeps what does not fit. */
	assert_true(wait_until(is_reached, &paused, SOON_MS));
	assert_true(wait_until(is_reached, &queued, SOON_MS));
	let_go();
	assert_true(wait_until(flood_ended, &first, FLOOD_MS));
	assert_int_equal(
	        sql_int(s, "SELECT count(*) FROM task WHERE task_id >= %lld AND state = 3", first),
	        FLOOD);
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

static bool backlog_told(void *arg)
{
	return *sql(s, "SELECT EXISTS (SELECT FROM relay)") == 't';
}

/* As after a restore: everything that happened waits to be told, in one read. */
static void a_backlog_of_events_is_carried_with_little_memory(void **state)
{
	static const char *const env[] = {"OBPIPE_ROLES=maintainer", NULL};
	double events = program_metric(worker, "obpipe_relay_events_total");

	program_stop(worker);
	sql(s, "DELETE FROM relay RETURNING 1");
	worker = stack_start(s, "obpipe-worker", env);
	/* It saves where it stands when the read is told as a whole. */
	assert_true(wait_until(backlog_told, NULL, FLOOD_MS));
	assert_true(program_metric(worker, "obpipe_relay_events_total") >= events);
	assert_in_range(resident_mib(worker), 1, MEMORY_MIB);
}

int main(void)
{
	/* In this order: the flood comes to a system that is new, and its events are the backlog.
	 */
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(hosts_that_never_answer_block_no_other_type),
	        cmocka_unit_test(a_flood_is_carried_with_little_memory),
	        cmocka_unit_test(a_backlog_of_events_is_carried_with_little_memory),
	};

	return cmocka_run_group_tests_name("fairness", tests, set_up, tear_down);
}

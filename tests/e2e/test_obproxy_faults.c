/* Add OBProxy under faults: every step fails once, workers die and stand still in the middle. */
#include "tests/support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/support/hosts.h"
#include "tests/support/stack.h"
#include "tests/support/wait_until.h"

#define HOSTS 8
#define SLOW_FILE "obproxy-1.9.2.0-1.el7.x86_64.rpm"
#define POST_FAILS_FILE "obproxy-1.9.3.0-1.el7.x86_64.rpm"
#define ELSEWHERE_FILE "obproxy-1.9.4.0-1.el7.x86_64.rpm"

static struct stack *s;

static int set_up(void **state)
{
	s = stack_up("faults");
	stack_start(s, "obpipe-producer", NULL);
	package_make("1.9.2.0", "1.el7", "post_seconds=6");
	package_make("1.9.3.0", "1.el7", "post_fails=1");
	package_make("1.9.4.0", "1.el7", "root=/opt/elsewhere");
	hosts_up(s, HOSTS);
	return 0;
}

static int tear_down(void **state)
{
	stack_down(s);
	hosts_down();
	return 0;
}

/* ---- each step fails once, with its message, and is retried ---- */

struct sabotage {
	const char *type;
	const char *damage, *repair; /* shell commands on the host */
	const char *message;
};

#define FAULTS "/home/admin/obproxy-faults"

static const struct sabotage sabotages[] = {
        {"prepare-create-obproxy",
                "sed /^admin/d /etc/passwd >/tmp/p; cp /etc/passwd /tmp/old; "
                "cat /tmp/p >/etc/passwd",
                "cat /tmp/old >/etc/passwd", "CMP07037: host 1 (10.77."},
        {"check-process-not-exist",
                "cp /bin/sleep /tmp/obproxy; setsid /tmp/obproxy 1000 "
                "</dev/null >/dev/null 2>&1 &",
                "pkill -x obproxy; while pgrep -x obproxy; do sleep 0.1; done",
                "runs already: obproxy (pid "},
        {"check-command", "mount --bind /dev/null $(readlink -f /usr/bin/nc)",
                "umount $(readlink -f /usr/bin/nc)", "CMP07036"},
        {"install-rpm", "mount -t tmpfs -o size=16k tmpfs /opt", "umount /opt",
                "install the package"},
        {"start-obproxy", "echo no-bind >" FAULTS, "rm " FAULTS, "bind to port 2883 failed"},
        {"sync-obproxy-parameter", "echo unknown log_dir_size_threshold >" FAULTS, "rm " FAULTS,
                "5099"},
        {"set-obproxy-password", "echo invalid obproxy_sys_password >" FAULTS, "rm " FAULTS,
                "4147"},
        {"refresh-agent-config", "touch /home/admin/ocp_agent", "rm /home/admin/ocp_agent",
                "make the agent's folder"},
        {"register-obproxy-exporter", "echo metrics-status 500 >" FAULTS, "rm " FAULTS,
                "/metrics answers 500"},
        {"update-obproxy-status", "echo version 9.9 >" FAULTS, "rm " FAULTS,
                "version 1.9.1.1-1919579 was installed"},
};

static void each_step_fails_once_and_is_retried(void **state)
{
	struct program *w;
	int64_t id;

	/* The first step, which no host sees: somebody else's OBProxy was recorded meanwhile. */
	id = batch_add(s, 1, 1, SEED_FILE);
	sql(s, "INSERT INTO obproxy (obproxy_id, cluster_id, host_id, sql_port, exporter_port, "
	       "version, "
	       "architecture, status, operate_status) VALUES (999, 1, 1, 2883, 2884, 'v', "
	       "'x86_64', "
	       "'RUNNING', 'NORMAL') RETURNING 1");
	w = stack_start(s, "obpipe-worker", NULL);
	wait_failure(s, id, "prepare-obproxy-install", "the host has OBProxy 999 already");
	sql(s, "DELETE FROM obproxy WHERE obproxy_id = 999 RETURNING 1");
	for (size_t i = 0; i < ARRAY_SIZE(sabotages); i++) {
		const struct sabotage *now = &sabotages[i];

		must_on_host(1, "%s", now->damage);
		retry_task(s, id);
		wait_failure(s, id, now->type, now->message);
		must_on_host(1, "%s", now->repair);
	}
	/* The last: its transaction is refused. */
	sql(s, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
	       "$$BEGIN RAISE EXCEPTION 'refused by a trigger' USING ERRCODE = '23514'; END$$");
	sql(s, "CREATE TRIGGER refuse BEFORE DELETE ON host_reservation "
	       "FOR EACH ROW EXECUTE FUNCTION refuse()");
	retry_task(s, id);
	wait_failure(s, id, "finish", "refused by a trigger");
	sql(s, "DROP TRIGGER refuse ON host_reservation");
	retry_task(s, id);
	wait_tasks(s, id, 1, "SUCCESSFUL");
	assert_serving(s, 1);
	audit(s, id, 1);
	program_stop(w);
}

/* rpm says 0, and yet the package is not whole. */
static void a_failed_scriptlet_is_a_failure(void **state)
{
	struct program *w = stack_start(s, "obpipe-worker", NULL);
	int64_t id = batch_add(s, 2, 1, POST_FAILS_FILE);

	wait_failure(s, id, "install-rpm", "a scriptlet of it failed");
	audit(s, id, 1);
	program_stop(w);
}

static void a_package_for_another_place_is_refused(void **state)
{
	struct program *w = stack_start(s, "obpipe-worker", NULL);
	int64_t id = batch_add(s, 3, 1, ELSEWHERE_FILE);

	wait_failure(s, id, "install-rpm", "belongs below /opt/taobao/install/obproxy-1.9.4.0");
	must_on_host(3, "test ! -e /opt/elsewhere && test -z \"$(ls /var/tmp)\"");
	program_stop(w);
}

/* ---- workers that die in the middle ---- */

/* Kills the worker once `moment` is true on the host, and starts another. */
static struct program *kill_at(
        struct program *w, int64_t id, int host, const char *type, const char *moment)
{
	wait_step(s, id, type, "RUNNING");
	wait_on_host(host, "%s", moment);
	program_signal(w, SIGKILL);
	program_stop(w);
	return stack_start(s, "obpipe-worker", NULL);
}

static void killed_between_rpm_and_complete(void **state)
{
	struct program *w = stack_start(s, "obpipe-worker", NULL);
	int64_t id = batch_add(s, 4, 1, SLOW_FILE);
	_cleanup_free_ char *log = NULL;

	/* Registered, while its %post is still at work. */
	w = kill_at(w, id, 4, "install-rpm", "rpm --dbpath /var/lib/rpm -q obproxy");
	wait_tasks(s, id, 1, "SUCCESSFUL");
	log = step_log(s, id, "install-rpm");
	test_assert_contains(log, "over itself", __FILE__, __LINE__);
	assert_serving(s, 4);
	audit(s, id, 1);
	program_stop(w);
}

static void killed_during_start(void **state)
{
	struct program *w = stack_start(s, "obpipe-worker", NULL);
	int64_t id;

	host_faults(5, "no-greeting");
	id = batch_add(s, 5, 1, SEED_FILE);
	w = kill_at(w, id, 5, "start-obproxy", "pgrep -x obproxy");
	host_faults(5, NULL);
	wait_tasks(s, id, 1, "SUCCESSFUL");
	assert_serving(s, 5);
	audit(s, id, 1);
	program_stop(w);
}

static void killed_during_a_statement(void **state)
{
	struct program *w = stack_start(s, "obpipe-worker", NULL);
	int64_t id;

	host_faults(6, "slow 2000");
	id = batch_add(s, 6, 1, SEED_FILE);
	w = kill_at(w, id, 6, "sync-obproxy-parameter", "ss -Htn 'sport = :2883' | grep -q ESTAB");
	host_faults(6, NULL);
	wait_tasks(s, id, 1, "SUCCESSFUL");
	assert_serving(s, 6);
	audit(s, id, 1);
	program_stop(w);
}

/* ---- zombies: what they do late must have no effect ---- */

static int64_t claim_of(int64_t task, const char *type)
{
	return sql_int(s, "SELECT claim FROM subtask_view WHERE task_id = %lld AND type = '%s'",
	        (long long)task, type);
}

static bool has_ended_its_work(void *arg)
{
	return program_metric(arg, "obpipe_slots_used") == 0;
}

static void a_zombies_late_alter_does_nothing(void **state)
{
	struct program *zombie = stack_start(s, "obpipe-worker", NULL), *other;
	int64_t id, claim;

	host_faults(7, "slow 1000");
	id = batch_add(s, 7, 1, SEED_FILE);
	wait_step(s, id, "sync-obproxy-parameter", "RUNNING");
	wait_on_host(7, "ss -Htn 'sport = :2883' | grep -q ESTAB");
	claim = claim_of(id, "sync-obproxy-parameter");
	program_signal(zombie, SIGSTOP);
	/* The zombie was about to set 10G. */
	sql(s, "UPDATE obproxy_cluster_parameter SET value = '20G' WHERE "
	       "name = 'log_dir_size_threshold' RETURNING 1");
	other = stack_start(s, "obpipe-worker", NULL);
	wait_tasks(s, id, 1, "SUCCESSFUL");
	assert_true(claim_of(id, "sync-obproxy-parameter") > claim);
	program_signal(zombie, SIGCONT);
	wait_sql(s, "SELECT count(*) = 2 FROM worker WHERE died_at IS NULL AND left_at IS NULL");
	assert_true(wait_until(has_ended_its_work, zombie, SOON_MS));
	must_on_host(
	        7, "grep -q '^log_dir_size_threshold=20GB$' " SEED_ROOT "/etc/obproxy_config.txt");
	assert_int_equal(sql_int(s,
	                         "SELECT count(*) FROM subtask_log WHERE task_id = %lld AND "
	                         "claim = %lld AND body LIKE '%%is 10GB now%%'",
	                         (long long)id, (long long)claim),
	        0);
	host_faults(7, NULL);
	sql(s, "UPDATE obproxy_cluster_parameter SET value = '10G' WHERE "
	       "name = 'log_dir_size_threshold' RETURNING 1");
	assert_serving(s, 7);
	audit(s, id, 1);
	program_stop(zombie);
	program_stop(other);
}

static void a_zombies_late_rpm_does_nothing(void **state)
{
	struct program *zombie = stack_start(s, "obpipe-worker", NULL), *other;
	int64_t id = batch_add(s, 8, 1, SLOW_FILE), claim;
	_cleanup_free_ char *pids = NULL;

	wait_step(s, id, "install-rpm", "RUNNING");
	wait_on_host(8, "rpm --dbpath /var/lib/rpm -q obproxy");
	claim = claim_of(id, "install-rpm");
	on_host(8, &pids,
	        "grep -zlx OBPIPE_CLAIM=%lld /proc/[0-9]*/environ | cut -d/ -f3 | tr '\\n' ' '",
	        (long long)claim);
	assert_true(strlen(pids) > 1);
	program_signal(zombie, SIGSTOP);
	other = stack_start(s, "obpipe-worker", NULL);
	wait_sql(s,
	        "SELECT claim > %lld FROM subtask_view WHERE task_id = %lld AND "
	        "type = 'install-rpm'",
	        (long long)claim, (long long)id);
	/* Its rpm, and the scriptlet that is still at work, are gone before anybody else acts. */
	wait_on_host(8,
	        "test \"$(cat /var/lib/obpipe/claim)\" -gt %lld && "
	        "! grep -zqx OBPIPE_CLAIM=%lld /proc/[0-9]*/environ",
	        (long long)claim, (long long)claim);
	program_signal(zombie, SIGCONT);
	wait_tasks(s, id, 1, "SUCCESSFUL");
	assert_serving(s, 8);
	audit(s, id, 1);
	program_stop(zombie);
	program_stop(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_step_fails_once_and_is_retried),
	        cmocka_unit_test(a_failed_scriptlet_is_a_failure),
	        cmocka_unit_test(a_package_for_another_place_is_refused),
	        cmocka_unit_test(killed_between_rpm_and_complete),
	        cmocka_unit_test(killed_during_start),
	        cmocka_unit_test(killed_during_a_statement),
	        cmocka_unit_test(a_zombies_late_alter_does_nothing),
	        cmocka_unit_test(a_zombies_late_rpm_does_nothing),
	};

	return cmocka_run_group_tests_name("obproxy_faults", tests, set_up, tear_down);
}

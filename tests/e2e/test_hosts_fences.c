/* Hosts that another attempt has been on, that were tampered with, that talk nonsense, hang, or are
 * not who they were. */
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"
#include "tests/support/hosts.h"
#include "tests/support/stack.h"
#include "tests/support/wait_until.h"

#define HOSTS 11
/* Their %post prints megabytes of any bytes. */
#define NOISY_FILE "obproxy-1.9.2.0-1.el7.x86_64.rpm"
/* Its %post takes long. */
#define SLOW_FILE "obproxy-1.9.4.0-1.el7.x86_64.rpm"
#define NOISY_FAILS_FILE "obproxy-1.9.3.0-1.el7.x86_64.rpm"
#define GUARD "/var/lib/obpipe"
#define CROWD 8
#define CROWD_ID 100 /* host ids 101, ... of the crowd, all of which are host 10 */
/* Of a step's log: all that may be said about one attempt, many times over. */
#define LOG_BYTES_MAX 16384

static struct stack *s;
static struct program *worker;

/*
 * The template as it is, but with one try each, and two steps with a short deadline: failures are
 * looked at here, not waited out.
 */
static void load_template(void)
{
	const char *folder = stack_folder(s);
	_cleanup_free_ char *line = xasprintf(
	        "jq '.version = 1000 | .nodes[] |= (del(.retry) | "
	        "if .key == \"check-process-not-exist\" then .timeout = 3 else . end)' "
	        "schema/templates/add-obproxy.json >%s/add-obproxy.json",
	        folder);

	assert_int_equal(system(line), 0);
	assert_int_equal(obpipe(s, "migrate", "--templates", folder, NULL), 0);
}

/*
 * Steps whose types stand in `hold` when their task is made wait, once they are READY, until
 * release() lets them go.
 */
static void make_holds(void)
{
	sql(s, "CREATE TABLE hold (type_id smallint PRIMARY KEY)");
	sql(s, "CREATE FUNCTION hold_new() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
	       "INSERT INTO subtask (task_id, subtask_id, node, type_id, state, waiting, held) "
	       "SELECT NEW.task_id, NEW.first_subtask_id + node, node, type_id, 1, waiting, true "
	       "FROM template_node JOIN hold USING (type_id) "
	       "WHERE template_id = NEW.template_id; RETURN NULL; END$$");
	sql(s, "CREATE TRIGGER hold_new AFTER INSERT ON task "
	       "FOR EACH ROW EXECUTE FUNCTION hold_new()");
}

static int set_up(void **state)
{
	const char *const env[] = {"OBPIPE_STEAL_AFTER_MS=100", NULL};

	s = stack_up("fences");
	load_template();
	make_holds();
	stack_start(s, "obpipe-producer", NULL);
	package_make("1.9.2.0", "1.el7", "post_seconds=1 post_prints=3");
	package_make("1.9.4.0", "1.el7", "post_seconds=4");
	package_make("1.9.3.0", "1.el7", "post_prints=3 post_fails=1");
	hosts_up(s, HOSTS);
	worker = stack_start(s, "obpipe-worker", env);
	return 0;
}

static int tear_down(void **state)
{
	stack_down(s);
	hosts_down();
	return 0;
}

/* ---- helpers ---- */

static void hold(const char *type)
{
	sql(s, "INSERT INTO hold SELECT type_id FROM subtask_type WHERE name = '%s' RETURNING 1",
	        type);
}

static void hold_nothing(void)
{
	sql(s, "DELETE FROM hold");
}

static void release(int64_t task, const char *type)
{
	sql(s,
	        "UPDATE subtask SET held = false WHERE task_id = %lld AND type_id = "
	        "(SELECT type_id FROM subtask_type WHERE name = '%s') RETURNING 1",
	        (long long)task, type);
}

/* A task that has come to that step, which waits for release(). */
static int64_t add_held(int host, const char *file, const char *type)
{
	int64_t id;

	hold(type);
	id = batch_add(s, host, 1, file);
	wait_step(s, id, type, "READY");
	hold_nothing();
	return id;
}

/* What was mended goes on while the next test runs; the last test looks at the ends. */
static struct {
	int64_t task;
	int host;
} mended[HOSTS];
static size_t mended_count;

static void succeeds_later(int64_t task, int host)
{
	mended[mended_count].task = task;
	mended[mended_count++].host = host;
}

static void wait_success(int64_t task, int host)
{
	const char *last;

	wait_sql(s, "SELECT state <> 'RUNNING' FROM task_view WHERE task_id = %lld",
	        (long long)task);
	if (sql_int(s,
	            "SELECT count(*) FROM task_view WHERE task_id = %lld AND "
	            "state = 'SUCCESSFUL'",
	            (long long)task) == 1)
		return;
	last = sql(s, "SELECT body FROM subtask_log WHERE task_id = %lld ORDER BY at DESC",
	        (long long)task);
	fail_msg("host %d did not get through: %s", host, last ? last : "(no log)");
}

static void all_that_was_mended_serves(void **state)
{
	for (size_t i = 0; i < mended_count; i++) {
		wait_success(mended[i].task, mended[i].host);
		assert_serving(s, mended[i].host);
		audit(s, mended[i].task, 1);
	}
	assert_int_equal(mended_count, HOSTS - 2); /* a package that is broken, and the crowd */
}

/* PostgreSQL takes neither NUL nor bytes that are no UTF-8; beyond that, no control characters but
 * the end of a line, and no flood. */
static void assert_log_is_readable(int64_t task, const char *type)
{
	_cleanup_free_ char *log = step_log(s, task, type);

	assert_in_range(strlen(log), 1, LOG_BYTES_MAX);
	for (const char *at = log; *at; at++)
		if (((unsigned char)*at < ' ' && *at != '\n') || *at == 0x7f)
			fail_msg("the log of %s has a byte %d", type, *at);
}

/* ---- claims ---- */

static void nothing_is_done_under_a_lower_claim(void **state)
{
	int64_t id = add_held(1, SEED_FILE, "install-rpm");

	must_on_host(1, "echo 1000000 >" GUARD "/claim");
	release(id, "install-rpm");
	wait_failure(s, id, "install-rpm", "CMP07004: host 1 (10.77.");
	wait_failure(s, id, "install-rpm", "attempt 1000000 has been on it");
	must_on_host(1, "test \"$(cat " GUARD
	                "/claim)\" = 1000000 && test -z \"$(ls -A /opt; ls -A /var/tmp)\" && "
	                "! rpm --dbpath /var/lib/rpm -q obproxy");
	/* As the message says. */
	sql(s, "SELECT setval('claim_number', 1000000)");
	retry_task(s, id);
	succeeds_later(id, 1);
}

/* Its rpm is still at work when somebody newer takes over. */
static void an_attempt_that_is_replaced_goes_no_further(void **state)
{
	int64_t id = batch_add(s, 9, 1, SLOW_FILE);

	wait_step(s, id, "install-rpm", "RUNNING");
	wait_on_host(9, "rpm --dbpath /var/lib/rpm -q obproxy");
	must_on_host(9, "echo 2000000 >" GUARD "/claim");
	wait_failure(s, id, "install-rpm", "CMP07004: host 9 (10.77.");
	sql(s, "SELECT setval('claim_number', 2000000)");
	retry_task(s, id);
	succeeds_later(id, 9);
}

/* ---- the guard's file ---- */

#define FAKE "printf 'touch /run/hacked; echo \"$2 entered\"; cat\\n'"

static void a_guard_that_was_changed_is_replaced(void **state)
{
	int64_t id;

	hold("check-command");
	id = add_held(2, SEED_FILE, "check-process-not-exist");
	must_on_host(2, "set -e; set -- " GUARD "/guard-*; f=$1; chmod 700 $f; " FAKE " >$f");
	release(id, "check-process-not-exist");
	wait_step(s, id, "check-command", "READY");
	must_on_host(2, "set -ex; test ! -e /run/hacked; set -- " GUARD "/guard-*; f=$1\n"
	                "test \"$(sha256sum <$f)\" = \"${f#" GUARD "/guard-}  -\"");
	/* Neither is a link followed, whatever it leads to. */
	must_on_host(2,
	        "set -e; set -- " GUARD "/guard-*; f=$1; cp $f /run/right; " FAKE " >/run/fake\n"
	        "ln -sf /run/fake $f; test -L $f");
	release(id, "check-command");
	wait_step(s, id, "check-command", "SUCCESSFUL");
	succeeds_later(id, 2);
	must_on_host(2, "set -ex; test ! -e /run/hacked; set -- " GUARD "/guard-*; f=$1\n"
	                "test ! -L $f; cmp $f /run/right; grep -q hacked /run/fake");
}

/* ---- nonsense ---- */

static void login(const char *commands)
{
	must_on_host(3,
	        "echo 'echo >>/run/logins' >/root/.bashrc; cat >>/root/.bashrc <<'END'\n"
	        "%s\nEND",
	        commands);
}

static int64_t floods_told(int64_t task)
{
	return sql_int(s,
	        "SELECT count(*) FROM subtask_log WHERE task_id = %lld AND "
	        "body LIKE '%%CMP07024: host 3 (%%prints without end%%'",
	        (long long)task);
}

static void what_login_files_print_is_no_output(void **state)
{
	int64_t id;

	login("printf 'no newline at the end\\0\\377\\376'\nhead -c 20000 /dev/urandom\n"
	      "head -c 20000 /dev/urandom >&2\necho 'start of something' >&2");
	id = add_held(3, SEED_FILE, "install-rpm");
	must_on_host(3, "test $(wc -l </run/logins) -ge 6");
	/* Too much is told at once, and not waited for. */
	login("head -c 3000000 /dev/urandom");
	release(id, "install-rpm");
	wait_failure(s, id, "install-rpm", "prints without end");
	assert_int_equal(floods_told(id), 1);
	login("head -c 3000000 /dev/urandom >&2");
	retry_task(s, id);
	wait_failure(s, id, "install-rpm", "prints without end");
	assert_int_equal(floods_told(id), 2);
	login("printf 'once more\\0\\377'");
	retry_task(s, id);
	wait_step(s, id, "install-rpm", "SUCCESSFUL");
	assert_log_is_readable(id, "install-rpm");
	assert_log_is_readable(id, "check-process-not-exist");
	succeeds_later(id, 3);
}

/* Before rpm's word about the scriptlet stand megabytes of what the scriptlet printed. */
static void what_a_scriptlet_prints_hides_nothing(void **state)
{
	int64_t good = batch_add(s, 4, 1, NOISY_FILE);
	int64_t bad = batch_add(s, 5, 1, NOISY_FAILS_FILE);

	wait_failure(s, bad, "install-rpm", "a scriptlet of it failed");
	assert_log_is_readable(bad, "install-rpm");
	wait_step(s, good, "install-rpm", "SUCCESSFUL");
	assert_log_is_readable(good, "install-rpm");
	succeeds_later(good, 4);
}

/* A process with the name that is looked for, and arguments that would break lines and fields. */
static void what_processes_are_called_breaks_nothing(void **state)
{
	int64_t id = add_held(8, SEED_FILE, "check-process-not-exist");

	must_on_host(8,
	        "cp /bin/sh /tmp/obproxy\n"
	        "setsid /tmp/obproxy -c 'read x' \"$(printf 'P\\t1\\nL\\t2883\\t1\\t1\\t1 "
	        "\\377\\033[2J')\" "
	        "\"$(head -c 100000 /dev/zero | tr '\\0' x)\" </dev/zero >/dev/null 2>&1 &");
	wait_on_host(8, "pgrep -x obproxy");
	release(id, "check-process-not-exist");
	wait_failure(s, id, "check-process-not-exist", "runs already: obproxy (pid ");
	assert_log_is_readable(id, "check-process-not-exist");
	must_on_host(8, "pkill -x obproxy");
	wait_on_host(8, "! pgrep -x obproxy");
	retry_task(s, id);
	succeeds_later(id, 8);
}

/* ---- silence ---- */

static void an_sshd_that_hangs_is_given_up_at_the_deadline(void **state)
{
	int64_t id = add_held(6, SEED_FILE, "check-process-not-exist");
	_cleanup_free_ char *log = NULL;

	hosts_do("freeze 6");
	/* The session of the step before hangs; then a new connection does. */
	release(id, "check-process-not-exist");
	wait_failure(s, id, "check-process-not-exist", "TSK10012: host 6 (10.77.");
	retry_task(s, id);
	wait_tasks(s, id, 1, "FAILED");
	log = step_log(s, id, "check-process-not-exist");
	assert_contains(log, "the subtask's time was over while: connect");
	hosts_do("thaw 6");
	retry_task(s, id);
	succeeds_later(id, 6);
}

/* ---- another one answers ---- */

static void a_new_host_key_is_refused_until_it_is_loaded(void **state)
{
	int64_t id = add_held(7, SEED_FILE, "install-rpm");
	_cleanup_free_ char *before = NULL, *after = NULL;

	on_host(7, &before, "cat " GUARD "/claim");
	must_on_host(7, "cd /mnt/host/etc && rm hostkey hostkey.pub && "
	                "ssh-keygen -q -t ed25519 -N '' -f hostkey");
	hosts_do("kill 7");
	hosts_do("up %d", HOSTS);
	release(id, "install-rpm");
	wait_failure(s, id, "install-rpm", "CMP07002: host 7 (10.77.");
	wait_failure(s, id, "install-rpm", "its host key is SHA256:");
	wait_failure(s, id, "install-rpm", "load the inventory with its new key");
	/* Nobody was there. */
	on_host(7, &after, "cat " GUARD "/claim");
	assert_string_equal(after, before);
	hosts_load_inventory(s);
	retry_task(s, id);
	succeeds_later(id, 7);
}

/* ---- crowds ---- */

/* Eight rows of the inventory that are one machine: an operator's mistake. */
static void make_crowd(void)
{
	sql(s,
	        "INSERT INTO host SELECT (jsonb_populate_record(h, jsonb_build_object('host_id', "
	        "%d + i, 'name', 'crowd' || i, 'ssh_port', 2200 + i))).* FROM host h, "
	        "generate_series(1, %d) AS i "
	        "WHERE h.host_id = 10 RETURNING 1",
	        CROWD_ID, CROWD);
	sql(s, "UPDATE inventory_version SET version = version + 1 RETURNING 1");
}

struct crowd {
	int64_t first;
	char *body;
};

/* The ingress learns of new hosts within a second. */
static bool is_accepted(void *arg)
{
	struct crowd *c = arg;
	json_t *answer;
	long status = http(
	        s, "POST", "/api/v2/obproxy/clusters/1/obproxies/batchAdd", c->body, &answer);

	if (status == 200)
		c->first = json_integer_value(json_object_get(
		        json_array_get(
		                json_object_get(json_object_get(answer, "data"), "contents"), 0),
		        "id"));
	json_decref(answer);
	return status == 200;
}

/* Nobody is at work: each has come to the step that is held, or is FAILED. */
static bool all_have_stopped(void *arg)
{
	struct crowd *c = arg;

	return sql_int(s,
	               "SELECT count(*) FROM task_view WHERE task_id >= %lld AND task_id < %lld "
	               "AND (state = 'FAILED' OR EXISTS (SELECT 1 FROM subtask_view v WHERE "
	               "v.task_id = task_view.task_id AND type = 'check-process-not-exist' AND "
	               "v.state = 'READY'))",
	               (long long)c->first, (long long)c->first + CROWD) == CROWD;
}

/* Two connections may wait for their logon, two channels be open in one. */
static void limit_sshd(int host, const char *more)
{
	must_on_host(host,
	        "{ %s printf '%%s\n' 'AddressFamily inet' 'MaxStartups 2:100:2' "
	        "'MaxSessions 2'; } >>/mnt/host/etc/sshd_config",
	        more);
	hosts_do("kill %d", host);
	hosts_do("up %d", HOSTS);
}

/*
 * Eight attempts at a time on one machine. Each that comes ends an older one or is refused by a
 * newer one; nothing else fails, nobody is left over, and one by one they get through.
 */
static void a_crowd_on_one_machine_does_no_harm(void **state)
{
	struct crowd c = {
	        .body = xasprintf("{\"hostIds\":[101,102,103,104,105,106,107,108],"
	                          "\"sqlPort\":2883,\"exporterPort\":2884,\"version\":\"%s\"}",
	                SEED_FILE)};

	limit_sshd(10, "seq -f 'Port %g' 2201 2208;");
	make_crowd();
	hold("check-process-not-exist");
	assert_true(wait_until(is_accepted, &c, SOON_MS));
	assert_true(wait_until(all_have_stopped, &c, SOON_MS));
	assert_int_equal(sql_int(s,
	                         "SELECT count(*) FROM subtask_log WHERE task_id >= %lld AND "
	                         "task_id < %lld AND body LIKE '%%failed: %%' AND "
	                         "body !~ 'failed: CMP0700[24]: host'",
	                         (long long)c.first, (long long)c.first + CROWD),
	        0);
	for (int64_t task = c.first; task < c.first + CROWD; task++) {
		if (strcmp(sql(s, "SELECT state FROM task_view WHERE task_id = %lld",
		                   (long long)task),
		            "FAILED") == 0)
			retry_task(s, task);
		wait_step(s, task, "check-process-not-exist", "READY");
	}
	hold_nothing();
	wait_on_host(
	        10, "! grep -zq OBPIPE_CLAIM /proc/[0-9]*/environ && test ! -e " GUARD "/holder");
	audit(s, c.first, CROWD);
	free(c.body);
}

/* A connection that says nothing, to sshd of a host. */
static int connect_silently(int host)
{
	_cleanup_free_ char *address = xstrdup(
	        sql(s, "SELECT address FROM host WHERE host_id = %d", host));
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(22)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(inet_pton(AF_INET, address, &to.sin_addr), 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static bool has_dropped_some(void *arg)
{
	_cleanup_free_ char *text = test_read_file(arg, NULL);

	return strstr(text, "past MaxStartups") != NULL;
}

/* Others have taken all places; the attempt comes again until there is one. */
static void an_sshd_that_is_full_is_tried_again(void **state)
{
	_cleanup_free_ char *log = xasprintf("%s/log/host-11.log", getenv("OBPIPE_RUN_DIR"));
	int64_t id;
	int first, second;

	limit_sshd(11, "");
	first = connect_silently(11);
	second = connect_silently(11);
	assert_int_equal(truncate(log, 0), 0); /* of earlier runs; sshd appends */
	id = batch_add(s, 11, 1, SEED_FILE);
	assert_true(wait_until(has_dropped_some, log, SOON_MS));
	close(first);
	close(second);
	wait_step(s, id, "prepare-create-obproxy", "SUCCESSFUL");
	assert_int_equal(sql_int(s,
	                         "SELECT attempt FROM subtask_view WHERE task_id = %lld AND "
	                         "type = 'prepare-create-obproxy'",
	                         (long long)id),
	        1);
	succeeds_later(id, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(nothing_is_done_under_a_lower_claim),
	        cmocka_unit_test(an_attempt_that_is_replaced_goes_no_further),
	        cmocka_unit_test(a_guard_that_was_changed_is_replaced),
	        cmocka_unit_test(what_login_files_print_is_no_output),
	        cmocka_unit_test(what_a_scriptlet_prints_hides_nothing),
	        cmocka_unit_test(what_processes_are_called_breaks_nothing),
	        cmocka_unit_test(an_sshd_that_hangs_is_given_up_at_the_deadline),
	        cmocka_unit_test(a_new_host_key_is_refused_until_it_is_loaded),
	        cmocka_unit_test(a_crowd_on_one_machine_does_no_harm),
	        cmocka_unit_test(an_sshd_that_is_full_is_tried_again),
	        cmocka_unit_test(all_that_was_mended_serves),
	};

	return cmocka_run_group_tests_name("hosts_fences", tests, set_up, tear_down);
}

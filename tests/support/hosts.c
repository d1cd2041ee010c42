#include "tests/support/hosts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/mem.h"
#include "tests/support/test.h"
#include "tests/support/wait_until.h"

static char folder[64]; /* of the packages */

/* ---- commands on this machine ---- */

/* Runs a shell command line; what it printed is added to *out. Its exit code. */
static int run(const char *line, struct strbuf *out)
{
	FILE *pipe = popen(line, "re");
	char piece[4096];
	size_t n;
	int status;

	if (!pipe)
		fail_msg("%s: %s", line, strerror(errno));
	while ((n = fread(piece, 1, sizeof(piece), pipe)) > 0)
		strbuf_add(out, piece, n);
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void must_run(const char *line)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	_cleanup_free_ char *both = xasprintf("{ %s; } 2>&1", line);
	int code = run(both, &out);

	if (code != 0)
		fail_msg("`%s` ended with %d: %s", line, code, out.buf ? out.buf : "");
}

void hosts_do(const char *fmt, ...)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	va_list ap;

	strbuf_adds(&line, "deploy/hosts/hosts ");
	va_start(ap, fmt);
	strbuf_vaddf(&line, fmt, ap);
	va_end(ap);
	must_run(line.buf);
}

/* ---- packages and inventory ---- */

void package_make(const char *version, const char *release, const char *defines)
{
	_cleanup_free_ char *line = NULL;

	if (!folder[0]) {
		snprintf(folder, sizeof(folder), "/tmp/obpipe-test-rpms-XXXXXX");
		assert_non_null(mkdtemp(folder));
	}
	/* Packages are always of the plain build: what runs on hosts is not under test. */
	line = xasprintf("BUILD=build SANITIZE= deploy/hosts/package %s %s %s %s", folder, version,
	        release, defines);
	must_run(line);
}

static bool is_loaded(void *arg)
{
	struct stack *s = arg;
	json_t *answer;
	long status = http(s, "GET", "/api/v2/obproxy/clusters/1", NULL, &answer);

	json_decref(answer);
	return status == 200;
}

void hosts_load_inventory(struct stack *s)
{
	_cleanup_free_ char *file = xasprintf("%s/inventory.json", folder);
	_cleanup_free_ char *line = xasprintf("RPM_DIR=%s deploy/demo-inventory >%s", folder, file);

	must_run(line);
	assert_int_equal(obpipe(s, "inventory", "load", file, NULL), 0);
}

void hosts_up(struct stack *s, int count)
{
	package_make(SEED_VERSION, "1919579.el7", "");
	must_run("CLEAN=1 deploy/hosts/hosts down");
	hosts_do("up %d", count);
	hosts_load_inventory(s);
	assert_true(wait_until(is_loaded, s, SOON_MS));
}

void hosts_down(void)
{
	_cleanup_free_ char *line = NULL;

	must_run("CLEAN=1 deploy/hosts/hosts down");
	if (!folder[0])
		return;
	line = xasprintf("rm -rf %s", folder);
	must_run(line);
	folder[0] = '\0';
}

/* ---- on a host ---- */

static int von_host(int host, struct strbuf *out, const char *fmt, va_list ap)
{
	char script[] = "/tmp/obpipe-test-script-XXXXXX";
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *line = NULL;
	int fd = mkstemp(script), code;

	strbuf_vaddf(&text, fmt, ap);
	assert_int_equal(write(fd, text.buf, text.len), (ssize_t)text.len);
	close(fd);
	line = xasprintf("deploy/hosts/hosts exec %d sh -s <%s 2>&1", host, script);
	code = run(line, out);
	unlink(script);
	return code;
}

int on_host(int host, char **ret, const char *fmt, ...)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	va_list ap;
	int code;

	va_start(ap, fmt);
	code = von_host(host, &out, fmt, ap);
	va_end(ap);
	if (ret)
		*ret = strbuf_detach(&out, NULL);
	return code;
}

void must_on_host(int host, const char *fmt, ...)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	va_list ap;
	int code;

	va_start(ap, fmt);
	code = von_host(host, &out, fmt, ap);
	va_end(ap);
	if (code != 0)
		fail_msg("host %d: %s ended with %d: %s", host, fmt, code, out.buf ? out.buf : "");
}

struct host_wait {
	int host;
	char *text;
};

static bool host_says_yes(void *arg)
{
	struct host_wait *w = arg;

	return on_host(w->host, NULL, "%s", w->text) == 0;
}

void wait_on_host(int host, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	struct host_wait w = {.host = host};
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	w.text = text.buf;
	if (!wait_until(host_says_yes, &w, SOON_MS))
		fail_msg("host %d: never true: %s", host, text.buf);
	strbuf_release(&text);
}

void host_faults(int host, const char *lines)
{
	if (lines)
		must_on_host(host, "printf '%%s\\n' '%s' >/home/admin/obproxy-faults", lines);
	else
		must_on_host(host, "rm -f /home/admin/obproxy-faults");
}

/* ---- tasks ---- */

int64_t batch_add(struct stack *s, int first, int count, const char *file)
{
	_cleanup_strbuf_ struct strbuf body = STRBUF_INIT;
	json_t *answer;
	long status;
	int64_t id;

	strbuf_adds(&body, "{\"hostIds\":[");
	for (int i = 0; i < count; i++)
		strbuf_addf(&body, "%s%d", i ? "," : "", first + i);
	strbuf_addf(&body, "],\"sqlPort\":2883,\"exporterPort\":2884,\"version\":\"%s\"}", file);
	status = http(
	        s, "POST", "/api/v2/obproxy/clusters/1/obproxies/batchAdd", body.buf, &answer);
	if (status != 200) {
		_cleanup_free_ char *text = json_dumps(answer, JSON_COMPACT);

		fail_msg("batchAdd answered %ld: %s", status, text);
	}
	id = json_integer_value(json_object_get(
	        json_array_get(json_object_get(json_object_get(answer, "data"), "contents"), 0),
	        "id"));
	json_decref(answer);
	return id;
}

void wait_step(struct stack *s, int64_t task, const char *type, const char *state)
{
	wait_sql(s,
	        "SELECT coalesce((SELECT state = '%s' FROM subtask_view WHERE task_id = %lld AND "
	        "type = '%s'), false)",
	        state, (long long)task, type);
}

char *step_log(struct stack *s, int64_t task, const char *type)
{
	const char *text = sql(s,
	        "SELECT string_agg(l.body, '' ORDER BY l.claim, l.chunk) FROM subtask_log l "
	        "JOIN subtask_view USING (task_id, subtask_id) "
	        "WHERE task_id = %lld AND type = '%s'",
	        (long long)task, type);

	return xstrdup(text ? text : "");
}

void wait_failure(struct stack *s, int64_t task, const char *type, const char *text)
{
	_cleanup_free_ char *log = NULL;

	wait_tasks(s, task, 1, "FAILED");
	log = step_log(s, task, type);
	if (!sql_int(s,
	            "SELECT count(*) FROM subtask_view WHERE task_id = %lld AND type = '%s' AND "
	            "state = 'FAILED'",
	            (long long)task, type))
		fail_msg("task %lld is FAILED, but not at %s", (long long)task, type);
	test_assert_contains(log, text, __FILE__, __LINE__);
}

void retry_task(struct stack *s, int64_t task)
{
	_cleanup_free_ char *path = xasprintf(
	        "/api/v2/tasks/instances/%lld/retry", (long long)task);

	assert_int_equal(http(s, "POST", path, NULL, NULL), 200);
}

/* The watchdog is counted by its sessions: its subshells, one each second, bear its name too. */
void assert_serving(struct stack *s, int host)
{
	_cleanup_free_ char *text = NULL;

	must_on_host(host,
	        "set -ex\n"
	        "test \"$(rpm --dbpath /var/lib/rpm -q obproxy | wc -l)\" = 1\n"
	        "pid=$(pgrep -x obproxy); test \"$(echo $pid | wc -w)\" = 1\n"
	        "watchdogs=$(ps axo sid=,args= | sed -n 's/ [^ ]* [^ ]*obproxyd.sh -c "
	        "checkalive$//p')\n"
	        "test \"$(echo \"$watchdogs\" | sort -u | wc -w)\" = 1\n"
	        "ss -Hltnp 'sport = :2883' | grep -q \"pid=$pid,\"\n"
	        "ss -Hltnp 'sport = :2884' | grep -q \"pid=$pid,\"\n"
	        "test \"$(ps -o user= -p $pid)\" = admin\n"
	        "test -z \"$(grep -za OBPIPE_CLAIM /proc/$pid/environ)\"\n"
	        "test -z \"$(ls /var/tmp)\"\n"
	        "grep -q '^exporter_port = 2884$' /home/admin/ocp_agent/conf/config.conf\n");
	on_host(host, &text, "ps axo args | grep -c '[g]uard-'");
	assert_string_equal(text, "0\n");
	assert_int_equal(
	        sql_int(s,
	                "SELECT count(*) FROM obproxy JOIN exporter_address USING (obproxy_id) "
	                "WHERE "
	                "obproxy.host_id = %d AND obproxy.status = 'RUNNING' AND operate_status = "
	                "'NORMAL' AND task_id IS NULL AND exporter_address.status = 'ONLINE'",
	                host),
	        1);
}

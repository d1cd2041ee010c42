/*
 * start-obproxy: an OBProxy of this installation runs as its own user, listens on both ports and
 * lets root@proxysys in (host-operations.md A6). The exit status of its script says nothing: it
 * comes back before the proxy has bound a port.
 *
 * Looks first: what runs as it should is left alone. Half of it (a watchdog without a proxy, a
 * proxy that does not listen) is what an attempt left that ended in the middle: it is stopped, and
 * started anew.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "workers/host/host.h"
#include "workers/obproxy/look.h"
#include "workers/obproxy/proxysys.h"
#include "workers/obproxy/scripts.h"
#include "workers/obproxy/site.h"

#define UP_TIMEOUT_MS INT64_C(120000)
#define POLL_MS 150
/* A proxy that ends soon is started again by its watchdog after 8 s; by then it is reported. */
#define GONE_MS INT64_C(2500)
#define STEADY_MS INT64_C(1500)
#define LOG_BYTES_MAX 3000

struct start {
	struct subtask_ctx *ctx;
	struct host *h;
	const struct site *s;
	char *program; /* its executable, on the host */
	pid_t script;  /* that starts it; 0: it ran already */
};

static int look_now(struct start *st, struct look *ret, struct err *err)
{
	static const char *const names[] = {"obproxy", "obproxyd.sh", NULL};

	return look(
	        st->h, names, (const int[]){st->s->sql_port, st->s->exporter_port, 0}, ret, err);
}

static bool is_up(const struct start *st, const struct look *l)
{
	const struct process *p = look_find(l, st->program);
	const struct listener *sql = look_listener(l, st->s->sql_port);
	const struct listener *exporter = look_listener(l, st->s->exporter_port);

	return p && p->uid != 0 && sql && sql->pid == p->pid && exporter && exporter->pid == p->pid;
}

/* A listener that is none of ours would make the proxy end silently. */
static int check_strangers(const struct start *st, const struct look *l, struct err *err)
{
	const struct process *own = look_find(l, st->program);

	for (size_t i = 0; i < l->listener_count; i++)
		if (!own || l->listeners[i].pid != own->pid)
			return err_set(err, ERR_PERMANENT, "ODP21008",
			        "%s: port %d is taken by process %ld (user id %ld); stop it, then "
			        "retry",
			        host_label(st->h), l->listeners[i].port, l->listeners[i].pid,
			        l->listeners[i].uid);
	return 0;
}

/* ---- stopping and starting ---- */

static int stop(struct start *st, struct err *err)
{
	_cleanup_host_result_ struct host_result r = HOST_RESULT_INIT;
	const struct host_command cmd = {
	        .what = "stop what was started", .argv = HOST_ARGV(st->s->root)};

	if (host_script_ok(st->h, obproxy_stop_text, &cmd, &r, err) != 0)
		return -1;
	if (r.out.len > 0)
		subtask_log(st->ctx, "%s: ended the processes %.*s", host_label(st->h),
		        (int)r.out.len, r.out.buf);
	return 0;
}

/* "k=v,k=v" of -o. The rules of the inventory keep commas out of the values. */
static int options(struct start *st, struct strbuf *sb, struct err *err)
{
	_cleanup_parameters_ struct parameters p = {0};

	if (parameters_load(st->ctx, st->s, true, &p, err) != 0)
		return -1;
	strbuf_adds(sb, "");
	for (size_t i = 0; i < p.count; i++)
		strbuf_addf(sb, "%s%s=%s", sb->len ? "," : "", p.list[i].name, p.list[i].value);
	if (st->s->config_url)
		strbuf_addf(sb, "%sobproxy_config_server_url=%s", sb->len ? "," : "",
		        st->s->config_url);
	return 0;
}

static int start(struct start *st, struct err *err)
{
	_cleanup_strbuf_ struct strbuf opts = STRBUF_INIT;
	_cleanup_free_ char *sql = xasprintf("%d", st->s->sql_port);
	_cleanup_free_ char *exporter = xasprintf("%d", st->s->exporter_port);
	_cleanup_free_ char *log = xasprintf("%s/.start.log", st->s->root);
	const char *argv[20] = {"./bin/obproxyd.sh", "-c", "start", "-e", "private", "-n",
	        st->s->cluster_name, "-p", sql, "-l", exporter};
	const struct host_command cmd = {.what = "start the OBProxy",
	        .argv = argv,
	        .user = OBPROXY_USER,
	        .dir = st->s->root};
	size_t n = 11;

	if (options(st, &opts, err) != 0)
		return -1;
	if (opts.len > 0) {
		argv[n++] = "-o";
		argv[n++] = opts.buf;
	}
	if (st->s->rs_list) {
		argv[n++] = "-r";
		argv[n++] = st->s->rs_list;
		argv[n++] = "-C";
		argv[n++] = st->s->cluster_name;
	}
	subtask_log(st->ctx, "%s: starts %s as " OBPROXY_USER ", ports %d and %d, options %s",
	        host_label(st->h), st->program, st->s->sql_port, st->s->exporter_port,
	        opts.len ? opts.buf : "none");
	return host_start_daemon(st->h, &cmd, log, &st->script, err);
}

/* ---- waiting until it is really up ---- */

/* The end of its log, and of what its start script said. Free it. */
static char *log_tail(struct start *st)
{
	_cleanup_host_result_ struct host_result r = HOST_RESULT_INIT;
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	const struct host_command cmd = {
	        .what = "read the log of the OBProxy",
	        .dir = st->s->root,
	        .output_max = LOG_BYTES_MAX,
	};
	struct err err;

	if (host_script(st->h,
	            "tail -qn 15 log/obproxy.log 2>/dev/null | tail -c 800\n"
	            "tail -qn 5 .start.log log/obproxyd.log 2>/dev/null | tail -c 400\n",
	            &cmd, &r, &err) != 0)
		return xasprintf("(its log cannot be read: %s)", err.text);
	host_add_printable(&sb, r.out.buf ? r.out.buf : "", r.out.len, 600);
	return sb.len ? strbuf_detach(&sb, NULL) : xstrdup("nothing");
}

static int did_not_start(struct start *st, const char *how, struct err *err)
{
	_cleanup_free_ char *tail = log_tail(st);
	struct err while_stopping;

	if (stop(st, &while_stopping) != 0)
		subtask_log(st->ctx, "not stopped: %s", while_stopping.text);
	return err_set(err, ERR_PERMANENT, "ODP21008",
	        "%s: the OBProxy %s; its log says: %s; mend that, then retry", host_label(st->h),
	        how, tail);
}

/* Does it greet and let root@proxysys in? */
static bool answers(struct start *st, struct err *err)
{
	struct mysql_client *my = NULL;
	bool yes = proxysys_open(st->ctx, st->h, st->s, &my, NULL, err) == 0;

	mysql_client_close(my);
	return yes;
}

/* Neither it nor the script that starts it, which on a busy host takes its time. */
static bool is_gone(const struct start *st, const struct look *l)
{
	for (size_t i = 0; i < l->process_count; i++)
		if (l->processes[i].pid == st->script)
			return false;
	return !look_find(l, st->program);
}

static int wait_until_up(struct start *st, struct err *err)
{
	int64_t began_ms = clock_mono_ms(), up_ms = 0, there_ms = began_ms, now_ms;

	for (;;) {
		_cleanup_look_ struct look l = LOOK_INIT;
		struct err why = {0};

		now_ms = clock_mono_ms();
		if (look_now(st, &l, err) != 0)
			return -1;
		if (!is_gone(st, &l))
			there_ms = now_ms;
		if (!is_up(st, &l)) {
			if (up_ms)
				return did_not_start(st, "came up and ended again", err);
			if (now_ms - there_ms > GONE_MS)
				return did_not_start(st, "ended while it was starting", err);
		} else if (!up_ms && answers(st, &why)) {
			up_ms = now_ms;
		} else if (up_ms && now_ms - up_ms >= STEADY_MS) {
			return 0;
		} else if (why.kind == ERR_PERMANENT) {
			*err = why;
			return -1;
		}
		if (now_ms - began_ms > UP_TIMEOUT_MS)
			return did_not_start(st, "runs, but does not serve after 120 s", err);
		if (subtask_pause(st->ctx, POLL_MS, err) != 0)
			return -1;
	}
}

/* ---- the step ---- */

static int log_up(struct start *st, struct err *err)
{
	_cleanup_look_ struct look l = LOOK_INIT;
	const struct process *p;

	if (look_now(st, &l, err) != 0)
		return -1;
	p = look_find(&l, st->program);
	if (!p)
		return did_not_start(st, "ended", err);
	subtask_log(st->ctx,
	        "%s: OBProxy runs as pid %ld, listens on %d and %d, and lets " PROXYSYS_USER " in",
	        host_label(st->h), p->pid, st->s->sql_port, st->s->exporter_port);
	return 0;
}

static int bring_up(struct start *st, struct err *err)
{
	_cleanup_look_ struct look l = LOOK_INIT;
	json_t *found = NULL;

	if (look_now(st, &l, err) != 0 ||
	        undo_record(st->ctx, json_pack("{sb}", "running", is_up(st, &l)), &found, err) != 0)
		return -1;
	json_decref(found);
	subtask_log(st->ctx, "%s: found %zu processes of OBProxy%s", host_label(st->h),
	        l.process_count, is_up(st, &l) ? ", serving" : "");
	if (!is_up(st, &l)) {
		if (check_strangers(st, &l, err) != 0 ||
		        (l.process_count > 0 && stop(st, err) != 0) || start(st, err) != 0)
			return -1;
	}
	if (wait_until_up(st, err) != 0)
		return -1;
	return log_up(st, err);
}

static enum subtask_outcome run(struct subtask_ctx *ctx, struct err *err)
{
	_cleanup_site_ struct site s = SITE_INIT;
	_cleanup_host_ struct host *h = NULL;
	_cleanup_free_ char *program = NULL;
	struct start st = {.ctx = ctx, .s = &s};

	if (site_load(ctx, &s, err) != 0 || host_open(ctx, &h, err) != 0)
		return SUBTASK_FAIL;
	program = xasprintf("%s/bin/obproxy", s.root);
	st.h = h;
	st.program = program;
	return bring_up(&st, err) == 0 ? SUBTASK_DONE : SUBTASK_FAIL;
}

const struct subtask_type subtask_start_obproxy = {
        .name = "start-obproxy",
        .run = run,
};

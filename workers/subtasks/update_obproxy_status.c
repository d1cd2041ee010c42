/*
 * update-obproxy-status: a last look at everything from outside, then the OBProxy's row says
 * RUNNING (host-operations.md A11).
 */
#include <string.h>

#include "common/mem.h"
#include "workers/obproxy/exporter.h"
#include "workers/obproxy/look.h"
#include "workers/obproxy/proxysys.h"

static int check_process(
        struct subtask_ctx *ctx, struct host *h, const struct site *s, struct err *err)
{
	static const char *const names[] = {"obproxy", NULL};
	_cleanup_look_ struct look l = LOOK_INIT;
	_cleanup_free_ char *program = xasprintf("%s/bin/obproxy", s->root);
	const struct process *p;

	if (look(h, names, (const int[]){s->sql_port, s->exporter_port, 0}, &l, err) != 0)
		return -1;
	p = look_find(&l, program);
	if (!p)
		return err_set(err, ERR_PERMANENT, "ODP21008",
		        "%s: no process of %s; it ended after it was started: see "
		        "/home/admin/logs/obproxy/log, then retry the task's subtask start-obproxy",
		        host_label(h), program);
	for (size_t i = 0; i < l.listener_count; i++)
		if (l.listeners[i].pid != p->pid)
			return err_set(err, ERR_PERMANENT, "ODP21008",
			        "%s: port %d is served by process %ld, not by the OBProxy (%ld)",
			        host_label(h), l.listeners[i].port, l.listeners[i].pid, p->pid);
	subtask_log(
	        ctx, "%s: OBProxy runs as pid %ld for %ld s", host_label(h), p->pid, p->seconds);
	return 0;
}

static int check_port(
        struct host *h, struct mysql_client *my, const char *name, int port, struct err *err)
{
	_cleanup_free_ char *value = NULL;
	_cleanup_free_ char *wanted = xasprintf("%d", port);

	if (proxysys_get(my, name, &value, err) != 0)
		return -1;
	if (!value || strcmp(value, wanted) != 0)
		return err_set(err, ERR_PERMANENT, "ODP21008",
		        "%s: the OBProxy that answers has %s %s, it should be %d: another one "
		        "answers",
		        host_label(h), name, value ? value : "not at all", port);
	return 0;
}

static int check_version(struct subtask_ctx *ctx, struct host *h, const struct site *s,
        struct mysql_client *my, struct err *err)
{
	struct mysql_rows rows;
	const char *info;
	int rc = mysql_client_query(my, "show proxyinfo binary", &rows, err);

	info = rc == 0 && rows.rows > 0 ? mysql_rows_value(&rows, 0, "info") : NULL;
	if (rc == 0 && (!info || !strstr(info, s->version))) {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

		host_add_printable(
		        &sb, info ? info : "nothing", strlen(info ? info : "nothing"), 200);
		rc = err_set(err, ERR_PERMANENT, "ODP21008",
		        "%s: the OBProxy that answers says \"%s\", version %s was installed",
		        host_label(h), sb.buf, s->version);
	}
	if (rc == 0)
		subtask_log(ctx, "%s: the OBProxy says version %s, ports %d and %d", host_label(h),
		        s->version, s->sql_port, s->exporter_port);
	mysql_rows_release(&rows);
	return rc;
}

static void store(struct subtask_ctx *ctx, const struct site *s)
{
	struct db_params params = DB_PARAMS_INIT;

	db_add_int8(&params, s->obproxy_id);
	subtask_on_success(ctx, QUERY_SUB_STATUS, &params);
	db_params_release(&params);
}

static enum subtask_outcome run(struct subtask_ctx *ctx, struct err *err)
{
	_cleanup_site_ struct site s = SITE_INIT;
	_cleanup_host_ struct host *h = NULL;
	_cleanup_mysql_ struct mysql_client *my = NULL;

	if (site_load(ctx, &s, err) != 0 || host_open(ctx, &h, err) != 0 ||
	        check_process(ctx, h, &s, err) != 0 ||
	        proxysys_open(ctx, h, &s, &my, NULL, err) != 0 ||
	        check_port(h, my, "listen_port", s.sql_port, err) != 0 ||
	        check_port(h, my, "prometheus_listen_port", s.exporter_port, err) != 0 ||
	        check_version(ctx, h, &s, my, err) != 0 ||
	        exporter_check(ctx, h, s.exporter_port, err) != 0)
		return SUBTASK_FAIL;
	store(ctx, &s);
	return SUBTASK_DONE;
}

const struct subtask_type subtask_update_obproxy_status = {
        .name = "update-obproxy-status",
        .run = run,
};

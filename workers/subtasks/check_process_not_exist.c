/*
 * check-process-not-exist: none of the context's process_keywords runs on the host, and both ports
 * are free (host-operations.md A3). A pure look. It never sees an OBProxy of its own task: that one
 * is started only after this step was SUCCESSFUL, and a rollback that comes back here has ended it.
 */
#include <stdlib.h>

#include "common/mem.h"
#include "workers/obproxy/look.h"
#include "workers/obproxy/site.h"

static const char **names_of(const json_t *list)
{
	size_t count = json_array_size(list);
	const char **names = xcalloc(count + 1, sizeof(*names));

	for (size_t i = 0; i < count; i++)
		names[i] = json_string_value(json_array_get(list, i));
	return names;
}

static int report_processes(struct host *h, const struct look *l, struct err *err)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < l->process_count; i++) {
		strbuf_adds(&sb, i ? ", " : "");
		process_describe(&sb, &l->processes[i]);
	}
	return err_set(err, ERR_PERMANENT, "CMP07033",
	        "%s runs already: %s; a host takes one OBProxy: stop and remove that one, or "
	        "choose "
	        "another host, then retry",
	        host_label(h), sb.buf);
}

static int report_ports(struct host *h, const struct look *l, struct err *err)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < l->listener_count; i++)
		strbuf_addf(&sb, "%sport %d (pid %ld, user id %ld)", i ? ", " : "",
		        l->listeners[i].port, l->listeners[i].pid, l->listeners[i].uid);
	return err_set(err, ERR_PERMANENT, "",
	        "%s: somebody listens on %s; stop it or choose other ports, then retry",
	        host_label(h), sb.buf);
}

static enum subtask_outcome run(struct subtask_ctx *ctx, struct err *err)
{
	_cleanup_site_ struct site s = SITE_INIT;
	_cleanup_host_ struct host *h = NULL;
	_cleanup_look_ struct look l = LOOK_INIT;
	const json_t *keywords = json_object_get(ctx->list_map, "process_keywords");
	_cleanup_free_ const char **names = names_of(keywords);
	_cleanup_free_ char *words = json_dumps(keywords, JSON_ENCODE_ANY);
	int rc;

	if (site_load(ctx, &s, err) != 0 || host_open(ctx, &h, err) != 0 ||
	        look(h, names, (const int[]){s.sql_port, s.exporter_port, 0}, &l, err) != 0)
		return SUBTASK_FAIL;
	subtask_log(ctx, "%s: looked for processes %s: %zu found; for listeners on %d and %d: %zu",
	        host_label(h), words ? words : "[]", l.process_count, s.sql_port, s.exporter_port,
	        l.listener_count);
	rc = l.process_count    ? report_processes(h, &l, err)
	     : l.listener_count ? report_ports(h, &l, err)
	                        : 0;
	return rc == 0 ? SUBTASK_DONE : SUBTASK_FAIL;
}

const struct subtask_type subtask_check_process_not_exist = {
        .name = "check-process-not-exist",
        .run = run,
};

/*
 * register-obproxy-exporter: the exporter port answers with metrics, and its URL is among those
 * that monitoring scrapes (host-operations.md A10). A fresh OBProxy has no odp_ series: none is
 * asked for.
 */
#include <string.h>

#include "common/mem.h"
#include "workers/host/host.h"
#include "workers/host/http_get.h"
#include "workers/obproxy/exporter.h"
#include "workers/obproxy/site.h"

static void store(struct subtask_ctx *ctx, const struct site *s, const char *url)
{
	struct db_params params = DB_PARAMS_INIT;

	db_add_int8(&params, s->obproxy_id);
	db_add_int8(&params, s->host_id);
	db_add_text(&params, url);
	subtask_on_success(ctx, QUERY_SUB_EXPORTER_ADD, &params);
	db_params_release(&params);
}

static enum subtask_outcome run(struct subtask_ctx *ctx, struct err *err)
{
	_cleanup_site_ struct site s = SITE_INIT;
	_cleanup_host_ struct host *h = NULL;
	_cleanup_free_ char *url = NULL;

	if (site_load(ctx, &s, err) != 0 || host_open(ctx, &h, err) != 0 ||
	        exporter_check(ctx, h, s.exporter_port, err) != 0)
		return SUBTASK_FAIL;
	url = xasprintf("http://%s:%d/metrics", host_address(h), s.exporter_port);
	subtask_log(ctx, "registers %s", url);
	store(ctx, &s, url);
	return SUBTASK_DONE;
}

const struct subtask_type subtask_register_obproxy_exporter = {
        .name = "register-obproxy-exporter",
        .run = run,
};

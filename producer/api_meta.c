/* api_meta: the ingress about itself. */
#include <string.h>

#include "common/clock.h"
#include "common/metrics.h"
#include "producer/id_blocks.h"
#include "producer/inventory_keeper.h"
#include "producer/publish.h"
#include "producer/read_write.h"
#include "producer/routes.h"

#define VERSION "0.1.0"

void meta_time(struct call *c)
{
	clock_add_iso(&c->reply, clock_unix_us());
	reply_raw(c, MHD_HTTP_OK, true);
}

void meta_info(struct call *c)
{
	strbuf_adds(&c->reply, "{\"name\":\"obpipe\",\"version\":\"" VERSION "\",\"server\":");
	strbuf_add_json(&c->reply, c->in->server, strlen(c->in->server));
	strbuf_adds(&c->reply, "}");
	reply_raw(c, MHD_HTTP_OK, false);
}

void meta_healthz(struct call *c)
{
	strbuf_adds(&c->reply, "{\"alive\": true}\n");
	reply_raw(c, MHD_HTTP_OK, false);
}

static void add_missing(struct strbuf *sb, bool is_missing, const char *what)
{
	if (!is_missing)
		return;
	strbuf_adds(sb, sb->len ? ", " : "");
	strbuf_add_json(sb, what, strlen(what));
}

static const char *const id_names[] = {
        [ID_TASK] = "task ids",
        [ID_SUBTASK] = "subtask ids",
        [ID_OBPROXY] = "obproxy ids",
};

static void find_missing(const struct ingress *in, struct strbuf *sb)
{
	add_missing(sb, !ingress_db((struct ingress *)in), "postgres");
	add_missing(sb, !log_ends_known(in->ends), "kafka");
	add_missing(sb, !keeper_loaded(in->inventory), "inventory");
	add_missing(sb, !task_forms_newest(keeper_forms(in->inventory), "add-obproxy"),
	        "templates (run `obpipe migrate`)");
	for (enum id_kind kind = 0; kind < ID_KIND_MAX; kind++)
		add_missing(sb, !id_blocks_have(in->ids, kind, 1), id_names[kind]);
	add_missing(sb, in->draining, "draining");
}

void meta_readyz(struct call *c)
{
	_cleanup_strbuf_ struct strbuf missing = STRBUF_INIT;

	find_missing(c->in, &missing);
	strbuf_addf(&c->reply, "{\"ready\": %s, \"missing\": [%s]}\n",
	        missing.len ? "false" : "true", missing.len ? missing.buf : "");
	reply_raw(c, missing.len ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, false);
}

/* OCP's own form (ocp-api.md 1.1). */
void meta_status(struct call *c)
{
	_cleanup_strbuf_ struct strbuf missing = STRBUF_INIT;

	find_missing(c->in, &missing);
	strbuf_adds(&c->reply, missing.len ? "bad" : "okay");
	reply_raw(c, missing.len ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, true);
}

void meta_metrics(struct call *c)
{
	metrics_render(&c->reply, SETTING_PRODUCER);
	reply_raw(c, MHD_HTTP_OK, true);
}

/* batch_add: POST /api/v2/obproxy/clusters/{id}/obproxies/batchAdd. */
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "producer/accept.h"
#include "producer/inventory_keeper.h"
#include "producer/routes.h"
#include "producer/validate.h"

#define ADD_OBPROXY "add-obproxy"

/* What the template's ${names} stand for. */
static json_t *make_values(const struct batch_add_body *body)
{
	json_t *values = json_object();
	_cleanup_free_ char *version = xasprintf(
	        "%s-%s", body->package.version, body->package.build);

	json_object_set_new(values, "package_name", json_string(body->package.name));
	json_object_set_new(values, "package_version", json_string(version));
	json_object_set_new(values, "package_file", json_string(body->version));
	json_object_set_new(values, "cluster_name", json_string(body->cluster->name));
	accept_set_number(values, "cluster_id", body->cluster->id);
	accept_set_number(values, "parameter_version", body->cluster->parameter_version);
	accept_set_number(values, "sql_port", body->sql_port);
	accept_set_number(values, "exporter_port", body->exporter_port);
	return values;
}

static void add_body(struct strbuf *sb, const struct batch_add_body *body)
{
	strbuf_adds(sb, "{\"hostIds\":");
	json_append(sb, body->host_ids);
	strbuf_adds(sb, ",\"sqlPort\":");
	strbuf_add_i64(sb, body->sql_port);
	strbuf_adds(sb, ",\"exporterPort\":");
	strbuf_add_i64(sb, body->exporter_port);
	strbuf_adds(sb, ",\"version\":");
	strbuf_add_json(sb, body->version, strlen(body->version));
	strbuf_addc(sb, '}');
}

static void accept_body(struct call *c, const struct batch_add_body *body)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct acceptance a = {
	        .form = task_forms_newest(keeper_forms(c->in->inventory), ADD_OBPROXY),
	        .body = &text,
	        .count = json_array_size(body->host_ids),
	        .cluster_id = body->cluster->id,
	        .host_ids = body->host_ids,
	};

	if (!a.form) {
		reply_unavailable(
		        c, "template " ADD_OBPROXY " is not loaded; run `obpipe migrate`");
		return;
	}
	add_body(&text, body);
	a.values = make_values(body);
	accept_publish(c, &a);
}

void batch_add(struct call *c)
{
	_cleanup_faults_ struct faults faults = FAULTS_INIT;
	const struct batch_add_world world = {
	        .inventory = keeper_inventory(c->in->inventory),
	        .taken = keeper_taken(c->in->inventory),
	        .now_ms = clock_mono_ms(),
	};
	struct batch_add_body body;
	json_t *json = accept_object(c);

	if (!json)
		return;
	if (validate_batch_add(&world, c->params[0], json, &body, &faults)) {
		metric_add_label(METRIC_REFUSED, "invalid", 1);
		reply_faults(c, &faults);
	} else {
		accept_body(c, &body);
	}
	json_decref(json);
}

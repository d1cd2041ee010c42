/* batch_add: POST /api/v2/obproxy/clusters/{id}/obproxies/batchAdd. */
#include <stdio.h>
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

/* A value's text goes into the scratch buffer; how long it is tells where the next one begins. */
static void add_text(struct call *c, size_t *n, const char *name, const char *text)
{
	size_t at = c->scratch.len;

	strbuf_add_json_bare(&c->scratch, text, strlen(text));
	c->values[(*n)++] = (struct request_value){.name = name, .bytes = c->scratch.len - at};
}

static void add_number(struct call *c, size_t *n, const char *name, int64_t value)
{
	size_t at = c->scratch.len;

	strbuf_add_i64(&c->scratch, value);
	c->values[(*n)++] = (struct request_value){.name = name, .bytes = c->scratch.len - at};
}

/* What the template's ${names} stand for; returns how many. They live as long as the call. */
static size_t make_values(struct call *c, const struct batch_add_body *body)
{
	char version[sizeof(body->package.version) + sizeof(body->package.build) + 2];
	const char *at;
	size_t n = 0;

	strbuf_reset(&c->scratch);
	snprintf(version, sizeof(version), "%s-%s", body->package.version, body->package.build);
	add_text(c, &n, "package_name", body->package.name);
	add_text(c, &n, "package_version", version);
	add_text(c, &n, "package_file", body->version);
	add_text(c, &n, "cluster_name", body->cluster->name);
	add_number(c, &n, "cluster_id", body->cluster->id);
	add_number(c, &n, "parameter_version", body->cluster->parameter_version);
	add_number(c, &n, "sql_port", body->sql_port);
	add_number(c, &n, "exporter_port", body->exporter_port);
	at = c->scratch.buf; /* moves no more */
	for (size_t i = 0; i < n; at += c->values[i++].bytes)
		c->values[i].text = at;
	return n;
}

static void add_body(struct strbuf *sb, const struct batch_add_body *body)
{
	const char *before = "{\"hostIds\":[";
	const json_t *id;
	size_t i;

	json_array_foreach (body->host_ids, i, id) {
		strbuf_adds(sb, before);
		strbuf_add_i64(sb, json_integer_value(id));
		before = ",";
	}
	strbuf_adds(sb, "],\"sqlPort\":");
	strbuf_add_i64(sb, body->sql_port);
	strbuf_adds(sb, ",\"exporterPort\":");
	strbuf_add_i64(sb, body->exporter_port);
	strbuf_adds(sb, ",\"version\":");
	strbuf_add_json(sb, body->version, strlen(body->version));
	strbuf_addc(sb, '}');
}

static void accept_body(struct call *c, const struct batch_add_body *body)
{
	/* The answer's buffer is free until there is an answer. */
	struct strbuf *text = &c->reply;
	struct acceptance a = {
	        .form = task_forms_newest(keeper_forms(c->in->inventory), ADD_OBPROXY),
	        .body = text,
	        .count = json_array_size(body->host_ids),
	        .cluster_id = body->cluster->id,
	        .host_ids = body->host_ids,
	};

	if (!a.form) {
		reply_unavailable(
		        c, "template " ADD_OBPROXY " is not loaded; run `obpipe migrate`");
		return;
	}
	strbuf_reset(text);
	add_body(text, body);
	a.plain_count = make_values(c, body);
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

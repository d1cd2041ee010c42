/* accept: the two ways a request enters: batchAdd, and any other template. */
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "producer/id_blocks.h"
#include "producer/inventory_keeper.h"
#include "producer/publish.h"
#include "producer/routes.h"
#include "producer/trace.h"
#include "producer/validate.h"

#define ADD_OBPROXY "add-obproxy"
#define COUNT_MAX REQUEST_TASKS_MAX

/* Parses the body into an object, or answers 400. Caller owns it. */
static json_t *read_object(struct call *c)
{
	struct err err = {0};
	json_t *json = json_parse_strict(c->body.buf, c->body.len, &err);

	if (!json) {
		reply_error(
		        c, MHD_HTTP_BAD_REQUEST, "COM10001", "the body is not JSON: %s", err.text);
		return NULL;
	}
	if (!json_is_object(json)) {
		reply_error(c, MHD_HTTP_BAD_REQUEST, "COM10001", "the body must be a JSON object");
		json_decref(json);
		return NULL;
	}
	return json;
}

static const char *client_of(const struct call *c, char *buf, size_t bytes)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	        c->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	if (!info || getnameinfo(info->client_addr,
	                     info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
	                                                              : sizeof(struct sockaddr_in),
	                     buf, (socklen_t)bytes, NULL, 0, NI_NUMERICHOST))
		return "unknown";
	return buf;
}

/* Everything of a request but its tasks. Takes over body and values. */
static void fill_request(struct call *c, struct request *r, const struct task_form *form,
        json_t *body, json_t *values)
{
	char client[64], id[33];

	random_hex(id, 32);
	*r = (struct request){
	        .request_id = xstrdup(id),
	        .user = xstrdup(c->user),
	        .client = xstrdup(client_of(c, client, sizeof(client))),
	        .executor = xstrdup(c->in->server),
	        .trace_id = xstrdup(c->trace_id),
	        .accepted_at_us = clock_unix_us(),
	        .template = xstrdup(form->template->name),
	        .version = form->template->version,
	        .sha256 = xstrdup(form->template->sha256),
	        .body = body,
	        .values = values,
	};
}

/* Draws all ids of a request; false (and answered) when there are too few. */
static bool draw_ids(
        struct call *c, struct request *r, const struct task_form *form, size_t count, bool obproxy)
{
	struct id_blocks *ids = c->in->ids;
	int64_t nodes = form->template->node_count, n = (int64_t)count;

	bool tasks = id_blocks_have(ids, ID_TASK, n); /* all are asked: each that is short grows */
	bool subtasks = id_blocks_have(ids, ID_SUBTASK, n * nodes);
	bool servers = !obproxy || id_blocks_have(ids, ID_OBPROXY, n);

	if (!tasks || !subtasks || !servers) {
		metric_add_label(METRIC_REFUSED, "ids", 1);
		reply_unavailable(c, "there are no reserved ids left for this request, and "
		                     "PostgreSQL has not given new ones yet; nothing was accepted, "
		                     "try again");
		return false;
	}
	r->tasks = xcalloc(count, sizeof(*r->tasks));
	r->task_count = count;
	int64_t task = id_blocks_draw(ids, ID_TASK, n);
	int64_t subtask = id_blocks_draw(ids, ID_SUBTASK, n * nodes);
	int64_t server = obproxy ? id_blocks_draw(ids, ID_OBPROXY, n) : 0;

	for (int64_t i = 0; i < n; i++)
		r->tasks[i] = (struct request_task){.task_id = task + i,
		        .first_subtask_id = subtask + i * nodes,
		        .obproxy_server_id = obproxy ? server + i : 0};
	return true;
}

/* The context of each task as text, as intake will store it. NULL (and answered) when the template
 * wants a value that nobody gives. */
static char **make_contexts(struct call *c, const struct request *r, const struct task_form *form)
{
	char **contexts = xcalloc(r->task_count + 1, sizeof(*contexts));

	for (size_t i = 0; i < r->task_count; i++) {
		struct strbuf text = STRBUF_INIT;
		struct err err = {0};
		json_t *values = request_task_values(r, &r->tasks[i]), *context = NULL;
		int rc = template_context(form->template, values, &context, &err);

		json_decref(values);
		if (rc < 0) {
			for (size_t n = 0; n < i; n++)
				free(contexts[n]);
			free(contexts);
			reply_error(c, MHD_HTTP_BAD_REQUEST, "TSK10004", "%s", err.text);
			return NULL;
		}
		json_append(&text, context);
		json_decref(context);
		contexts[i] = strbuf_detach(&text, NULL);
	}
	return contexts;
}

static void set_number(json_t *object, const char *name, int64_t value)
{
	_cleanup_free_ char *text = xasprintf("%" PRId64, value);

	json_object_set_new(object, name, json_string(text));
}

static json_t *batch_add_values(const struct batch_add_body *body)
{
	json_t *values = json_object();
	_cleanup_free_ char *version = xasprintf(
	        "%s-%s", body->package.version, body->package.build);

	json_object_set_new(values, "package_name", json_string(body->package.name));
	json_object_set_new(values, "package_version", json_string(version));
	json_object_set_new(values, "package_file", json_string(body->version));
	json_object_set_new(values, "cluster_name", json_string(body->cluster->name));
	set_number(values, "cluster_id", body->cluster->id);
	set_number(values, "parameter_version", body->cluster->parameter_version);
	set_number(values, "sql_port", body->sql_port);
	set_number(values, "exporter_port", body->exporter_port);
	return values;
}

static void batch_add_body_ok(struct call *c, json_t *json, const struct batch_add_body *body)
{
	const struct task_form *form = task_forms_newest(
	        keeper_forms(c->in->inventory), ADD_OBPROXY);
	struct request r;
	char **contexts;

	if (!form) {
		reply_unavailable(
		        c, "template " ADD_OBPROXY " is not loaded; run `obpipe migrate`");
		return;
	}
	fill_request(c, &r, form, json_incref(json), batch_add_values(body));
	r.cluster_id = body->cluster->id;
	if (!draw_ids(c, &r, form, json_array_size(body->host_ids), true)) {
		request_release(&r);
		return;
	}
	for (size_t i = 0; i < r.task_count; i++)
		r.tasks[i].host_id = json_integer_value(json_array_get(body->host_ids, i));
	contexts = make_contexts(c, &r, form);
	if (!contexts) {
		request_release(&r);
		return;
	}
	for (size_t i = 0; i < r.task_count; i++)
		taken_hosts_add(
		        keeper_taken(c->in->inventory), r.tasks[i].host_id, clock_mono_ms());
	publish_request(c, &r, form, contexts);
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
	json_t *json = read_object(c);

	if (!json)
		return;
	if (validate_batch_add(&world, c->params[0], json, &body, &faults)) {
		metric_add_label(METRIC_REFUSED, "invalid", 1);
		reply_faults(c, &faults);
	} else {
		batch_add_body_ok(c, json, &body);
	}
	json_decref(json);
}

/* ---- any other template ---- */

/* A context value as "+name": strings, numbers and booleans become strings, arrays of strings
 * lists. */
static void add_value(json_t *values, const char *name, json_t *value, struct faults *faults)
{
	_cleanup_free_ char *full = xasprintf("+%s", name);
	_cleanup_free_ char *field = xasprintf("context.%s", name);
	size_t i;
	json_t *item;

	if (json_is_string(value)) {
		json_object_set(values, full, value);
	} else if (json_is_integer(value)) {
		set_number(values, full, json_integer_value(value));
	} else if (json_is_boolean(value)) {
		json_object_set_new(
		        values, full, json_string(json_is_true(value) ? "true" : "false"));
	} else if (json_is_array(value)) {
		json_array_foreach (value, i, item)
			if (!json_is_string(item)) {
				fault_add(faults, "COM10001", field, value,
				        "%s may list strings only", field);
				return;
			}
		json_object_set(values, full, value);
	} else {
		fault_add(faults, "COM10001", field, value,
		        "%s must be a string, an integer, true, false or an array of strings",
		        field);
	}
}

static json_t *context_values(const json_t *json, struct faults *faults)
{
	const json_t *context = json_object_get(json, "context");
	json_t *values = json_object();
	const char *name;
	json_t *value;

	if (context && !json_is_object(context))
		fault_add(faults, "COM10001", "context", context, "context must be an object");
	json_object_foreach ((json_t *)context, name, value)
		add_value(values, name, value, faults);
	return values;
}

static int64_t read_count(const json_t *json, struct faults *faults)
{
	const json_t *count = json_object_get(json, "count");

	if (!count)
		return 1;
	if (!json_is_integer(count) || json_integer_value(count) < 1 ||
	        json_integer_value(count) > COUNT_MAX)
		fault_add(faults, "COM10001", "count", count,
		        "count must be an integer from 1 to %d", COUNT_MAX);
	return json_integer_value(count);
}

static const struct task_form *read_form(struct call *c, const json_t *json, struct faults *faults)
{
	const json_t *name = json_object_get(json, "template");
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
	const struct task_form *form;

	if (!json_is_string(name)) {
		fault_add(faults, "COM10001", "template", name,
		        "template is missing: give the name of one as a string");
		return NULL;
	}
	form = task_forms_newest(keeper_forms(c->in->inventory), json_string_value(name));
	if (!form) {
		task_forms_names(keeper_forms(c->in->inventory), &names);
		faults->adding = MHD_HTTP_NOT_FOUND;
		fault_add(faults, "COM10002", "template", name,
		        "there is no template \"%s\"; there are: %s", json_string_value(name),
		        names.len ? names.buf : "none, run `obpipe migrate`");
		faults->adding = MHD_HTTP_BAD_REQUEST;
	} else if (form->template->per_host) {
		fault_add(faults, "COM10003", "template", name,
		        "template \"%s\" works on hosts: POST "
		        "/api/v2/obproxy/clusters/{id}/obproxies/batchAdd",
		        json_string_value(name));
	}
	return form;
}

void submit_template(struct call *c)
{
	_cleanup_faults_ struct faults faults = FAULTS_INIT;
	const struct task_form *form;
	json_t *json = read_object(c), *values;
	struct request r = {0};
	char **contexts = NULL;
	int64_t count;

	if (!json)
		return;
	form = read_form(c, json, &faults);
	count = read_count(json, &faults);
	values = context_values(json, &faults);
	if (faults.count) {
		metric_add_label(METRIC_REFUSED, "invalid", 1);
		reply_faults(c, &faults);
		json_decref(values);
	} else {
		fill_request(c, &r, form, json_incref(json), values);
		if (draw_ids(c, &r, form, (size_t)count, false))
			contexts = make_contexts(c, &r, form);
		if (contexts)
			publish_request(c, &r, form, contexts);
		else
			request_release(&r);
	}
	json_decref(json);
}

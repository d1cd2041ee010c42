#include "producer/accept.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/context_text.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "producer/id_blocks.h"
#include "producer/inventory_keeper.h"
#include "producer/peers.h"
#include "producer/publish.h"
#include "producer/trace.h"

json_t *accept_object(struct call *c)
{
	struct err err = {0};
	json_t *json = json_parse_strict(c->body.buf, c->body.len, &err);

	if (json_is_object(json))
		return json;
	metric_add_label(METRIC_REFUSED, "invalid", 1);
	if (json)
		reply_error(c, MHD_HTTP_BAD_REQUEST, "COM10001", "the body must be a JSON object");
	else
		reply_error(
		        c, MHD_HTTP_BAD_REQUEST, "COM10001", "the body is not JSON: %s", err.text);
	json_decref(json);
	return NULL;
}

void accept_set_number(json_t *values, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	json_object_set_new(values, name, json_string(text));
}

/* Everything of a request but its tasks. What it names lives as long as the call. */
static void fill_request(struct call *c, struct request *r, const struct acceptance *a)
{
	const struct template *t = a->form->template;

	random_hex(c->request_id, 32);
	*r = (struct request){
	        .borrowed = true,
	        .request_id = c->request_id,
	        .user = c->user,
	        .client = peer_address(peer_of(c->connection)),
	        .executor = c->in->server,
	        .trace_id = c->trace_id,
	        .accepted_at_us = clock_unix_us(),
	        .template = t->name,
	        .version = t->version,
	        .sha256 = (char *)t->sha256, /* borrowed */
	        .cluster_id = a->cluster_id,
	        .body_text = a->body->buf,
	        .body_text_bytes = a->body->len,
	        .values = a->values,
	        .plain = a->values ? NULL : c->values,
	        .plain_count = a->plain_count,
	};
}

/* Draws all ids of a request; false when there are too few. */
static bool draw_ids(struct call *c, struct request *r, const struct acceptance *a)
{
	struct id_blocks *ids = c->in->ids;
	int64_t nodes = a->form->template->node_count, n = (int64_t)a->count;
	/* All are asked: each that is short grows. */
	bool tasks = id_blocks_have(ids, ID_TASK, n);
	bool subtasks = id_blocks_have(ids, ID_SUBTASK, n * nodes);
	bool servers = !a->host_ids || id_blocks_have(ids, ID_OBPROXY, n);
	int64_t task, subtask, server;

	if (!tasks || !subtasks || !servers)
		return false;
	task = id_blocks_draw(ids, ID_TASK, n);
	subtask = id_blocks_draw(ids, ID_SUBTASK, n * nodes);
	server = a->host_ids ? id_blocks_draw(ids, ID_OBPROXY, n) : 0;
	r->tasks = xcalloc(a->count, sizeof(*r->tasks));
	r->task_count = a->count;
	for (int64_t i = 0; i < n; i++)
		r->tasks[i] = (struct request_task){
		        .task_id = task + i,
		        .first_subtask_id = subtask + i * nodes,
		        .host_id = json_integer_value(json_array_get(a->host_ids, (size_t)i)),
		        .obproxy_server_id = a->host_ids ? server + i : 0,
		};
	return true;
}

/* All tasks of a request have values for the same names: what one renders, all do. */
static bool context_works(struct call *c, const struct request *r, const struct task_form *form)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	const struct request_task task = {.task_id = 1};
	struct err err = {0};

	if (context_text_sure(form->template, r))
		return true;
	if (context_text_append(&text, form->template, r, &task, &err) == 0)
		return true;
	metric_add_label(METRIC_REFUSED, "invalid", 1);
	reply_error(c, MHD_HTTP_BAD_REQUEST, "TSK10004", "%s", err.text);
	return false;
}

void accept_publish(struct call *c, struct acceptance *a)
{
	struct request r;

	fill_request(c, &r, a);
	if (!context_works(c, &r, a->form)) {
		request_release(&r);
		return;
	}
	if (!draw_ids(c, &r, a)) {
		metric_add_label(METRIC_REFUSED, "ids", 1);
		reply_unavailable(c, "there are no reserved ids left for this request, and "
		                     "PostgreSQL has not given new ones yet; nothing was accepted, "
		                     "try again");
		request_release(&r);
		return;
	}
	for (size_t i = 0; a->host_ids && i < r.task_count; i++)
		taken_hosts_add(
		        keeper_taken(c->in->inventory), r.tasks[i].host_id, clock_mono_ms());
	publish_request(c, &r, a->form);
}

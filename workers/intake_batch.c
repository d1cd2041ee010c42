#include "workers/intake_batch.h"

#include <stdlib.h>
#include <string.h>

#include "common/context_text.h"
#include "common/json.h"
#include "common/mem.h"

#define TRACEPARENT_CHARS "0123456789abcdef-"

void intake_item_release(struct intake_item *item)
{
	for (size_t i = 0; item->contexts && i < item->request.task_count; i++)
		free(item->contexts[i]), free(item->entries[i]);
	free(item->contexts);
	free(item->entries);
	request_release(&item->request);
	free(item->traceparent);
	free(item->body);
	free(item->raw);
	free(item->key);
	*item = (struct intake_item){0};
}

/*
 * What the creation of a task is in table event_batch: its moves are the task's, then each node's
 * in the order of ids (rules 110, 10, 12).
 */
static char *creation_entry(
        const struct intake_item *item, int64_t task_id, int64_t first_subtask_id)
{
	const struct template *t = item->template;
	struct strbuf sb = STRBUF_INIT;

	strbuf_grow(&sb, 128 + (size_t)t->node_count * 16);
	strbuf_add_i64(&sb, task_id);
	strbuf_addf(&sb, " 1 @%s/%d@", t->name, (int)t->version);
	/* Foreign bytes must not end the line or a field of it. */
	if (item->traceparent && !item->traceparent[strspn(item->traceparent, TRACEPARENT_CHARS)])
		strbuf_adds(&sb, item->traceparent);
	strbuf_adds(&sb, " 110:0:0");
	for (int n = 0; n < t->node_count; n++) {
		strbuf_adds(&sb, t->nodes[n].upstream_count ? " 10:" : " 12:");
		strbuf_add_i64(&sb, first_subtask_id + n);
		strbuf_adds(&sb, ":0");
	}
	return strbuf_detach(&sb, NULL);
}

int intake_item_prepare(struct intake_item *item, struct err *err)
{
	const struct request *r = &item->request;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	item->contexts = xcalloc(r->task_count + 1, sizeof(*item->contexts));
	item->entries = xcalloc(r->task_count + 1, sizeof(*item->entries));
	for (size_t i = 0; i < r->task_count; i++) {
		if (context_text_append(&text, item->template, r, &r->tasks[i], err) < 0)
			return -1;
		item->contexts[i] = strbuf_detach(&text, NULL);
		item->entries[i] = creation_entry(
		        item, r->tasks[i].task_id, r->tasks[i].first_subtask_id);
	}
	json_append(&text, r->body);
	item->body = strbuf_detach(&text, NULL);
	return 0;
}

#define COLUMN(type, name) type *name = xcalloc(n, sizeof(*name))

static void message_params(struct db_params *p, const struct intake_item *items, size_t n)
{
	COLUMN(int32_t, partitions);
	COLUMN(int64_t, offsets);
	COLUMN(const char *, ids);
	COLUMN(int16_t, outcomes);
	COLUMN(const char *, users);
	COLUMN(const char *, clients);
	COLUMN(const char *, traces);
	COLUMN(const char *, traceparents);
	COLUMN(int64_t, clusters);
	COLUMN(const char *, bodies);
	COLUMN(int64_t, accepted);
	for (size_t i = 0; i < n; i++) {
		const struct request *r = &items[i].request;

		partitions[i] = items[i].partition;
		offsets[i] = items[i].offset;
		outcomes[i] = (int16_t)items[i].outcome;
		if (items[i].outcome != INTAKE_RECORD)
			continue;
		ids[i] = r->request_id;
		users[i] = r->user;
		clients[i] = r->client;
		traces[i] = r->trace_id;
		traceparents[i] = items[i].traceparent;
		clusters[i] = r->cluster_id;
		bodies[i] = items[i].body;
		accepted[i] = r->accepted_at_us;
	}
	db_add_int4_array(p, partitions, n);
	db_add_int8_array(p, offsets, n);
	db_add_text_array(p, ids, n);
	db_add_int2_array(p, outcomes, n);
	db_add_text_array(p, users, n);
	db_add_text_array(p, clients, n);
	db_add_text_array(p, traces, n);
	db_add_text_array(p, traceparents, n);
	db_add_int8_array(p, clusters, n);
	db_add_text_array(p, bodies, n);
	db_add_int8_array(p, accepted, n);
	free(partitions), free(offsets), free(ids), free(outcomes), free(users), free(clients);
	free(traces), free(traceparents), free(clusters), free(bodies), free(accepted);
}

static void task_params(struct db_params *p, const struct intake_item *items, size_t count,
        const char *who, int32_t generation)
{
	size_t n = count + 1, at = 0; /* executors are one a message */

	for (size_t i = 0; i < count; i++)
		if (items[i].outcome == INTAKE_RECORD)
			n += items[i].request.task_count;
	COLUMN(int64_t, tasks);
	COLUMN(int64_t, firsts);
	COLUMN(int32_t, templates);
	COLUMN(int64_t, hosts);
	COLUMN(int64_t, servers);
	COLUMN(const char *, contexts);
	COLUMN(int32_t, places);
	COLUMN(const char *, executors);
	COLUMN(const char *, entries);

	for (size_t i = 0; i < count; i++) {
		const struct request *r = &items[i].request;

		if (items[i].outcome != INTAKE_RECORD)
			continue;
		for (size_t t = 0; t < r->task_count; t++, at++) {
			tasks[at] = r->tasks[t].task_id;
			firsts[at] = r->tasks[t].first_subtask_id;
			templates[at] = items[i].template->id;
			hosts[at] = r->tasks[t].host_id;
			servers[at] = r->tasks[t].obproxy_server_id;
			contexts[at] = items[i].contexts[t];
			entries[at] = items[i].entries[t];
			places[at] = (int32_t)i + 1; /* SQL counts from 1 */
		}
		executors[i] = r->executor;
	}
	db_add_int8_array(p, tasks, at);
	db_add_int8_array(p, firsts, at);
	db_add_int4_array(p, templates, at);
	db_add_int8_array(p, hosts, at);
	db_add_int8_array(p, servers, at);
	db_add_text_array(p, contexts, at);
	db_add_int4_array(p, places, at);
	db_add_text_array(p, executors, count);
	free(tasks), free(firsts), free(templates), free(hosts), free(servers);
	free(contexts), free(places), free(executors);
	db_add_text(p, who);
	db_add_int4(p, generation);
	db_add_text_array(p, entries, at);
	free(entries);
}

void intake_params(struct db_params *p, const struct intake_item *items, size_t count,
        const char *who, int32_t generation)
{
	db_params_clear(p);
	message_params(p, items, count);
	task_params(p, items, count, who, generation);
}

#include "producer/render.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/context_text.h"
#include "common/mem.h"
#include "common/state.h"

static void add_text(struct strbuf *sb, const char *name, const char *value)
{
	strbuf_addf(sb, "\"%s\":", name);
	strbuf_add_json(sb, value, strlen(value));
	strbuf_addc(sb, ',');
}

static void make_node(struct node_form *form, const struct template_node *node)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_addc(&sb, '{');
	add_text(&sb, "className", node->class_name);
	add_text(&sb, "description", node->description);
	strbuf_adds(&sb, "\"downstreams\":[");
	form->head = strbuf_detach(&sb, NULL);
	strbuf_addc(&sb, ',');
	add_text(&sb, "name", node->name);
	strbuf_adds(&sb, "\"nodeType\":\"JAVA_TASK\",\"operation\":\"");
	form->middle = strbuf_detach(&sb, NULL);
	strbuf_addf(&sb, "\",\"parallelIdx\":-1,\"prohibitRollback\":%s,\"runTime\":",
	        node->prohibit_rollback ? "true" : "false");
	form->tail = strbuf_detach(&sb, NULL);
	strbuf_addf(&sb, ",\"seriesId\":%d,", node->series_id);
	form->series = strbuf_detach(&sb, NULL);
	strbuf_addf(&sb, "\"timeout\":%d,\"upstreams\":[", node->timeout_s);
	form->timeout = strbuf_detach(&sb, NULL);
}

/* ---- tasks ---- */

/* As first_subtask_id: no id but the node, between marks, is written. */
#define MARK_IDS INT64_MIN
#define MARK_OPEN "\001"
#define MARK_CLOSE "\002"

static void add_id(struct strbuf *sb, int64_t first, int16_t node)
{
	if (first == MARK_IDS)
		strbuf_addf(sb, MARK_OPEN "%d" MARK_CLOSE, node);
	else
		strbuf_add_i64(sb, first + node);
}

static void add_ids(struct strbuf *sb, int64_t first, const int16_t *nodes, int count)
{
	for (int i = 0; i < count; i++) {
		if (i)
			strbuf_addc(sb, ',');
		add_id(sb, first, nodes[i]);
	}
	strbuf_addc(sb, ']');
}

static void add_time(struct strbuf *sb, const char *name, int64_t us)
{
	if (!us)
		return;
	strbuf_adds(sb, name);
	clock_add_iso(sb, us);
	strbuf_adds(sb, "\",");
}

void render_subtask(struct strbuf *sb, const struct task_form *form, int64_t first_subtask_id,
        const struct subtask_now *now)
{
	const struct template_node *node = &form->template->nodes[now->node];
	const struct node_form *text = &form->nodes[now->node];

	strbuf_adds(sb, text->head);
	add_ids(sb, first_subtask_id, node->downstreams, node->downstream_count);
	if (now->executor) {
		strbuf_adds(sb, ",\"executor\":");
		strbuf_add_json(sb, now->executor, strlen(now->executor));
	}
	strbuf_addc(sb, ',');
	add_time(sb, "\"finishTime\":\"", now->finish_us);
	strbuf_adds(sb, "\"id\":");
	add_id(sb, first_subtask_id, now->node);
	strbuf_adds(sb, text->middle);
	strbuf_adds(sb, operation_name(now->operation));
	strbuf_adds(sb, text->tail);
	strbuf_add_i64(sb, now->run_time);
	strbuf_adds(sb, text->series);
	add_time(sb, "\"startTime\":\"", now->start_us);
	strbuf_adds(sb, "\"status\":\"");
	strbuf_adds(sb, subtask_state_name(now->state));
	strbuf_adds(sb, "\",");
	strbuf_adds(sb, text->timeout);
	add_ids(sb, first_subtask_id, node->upstreams, node->upstream_count);
	strbuf_addc(sb, '}');
}

/* The subtasks as they are created: roots are READY, the rest PENDING. */
static void render_new_subtasks(struct strbuf *sb, const struct task_form *form, int64_t first)
{
	const struct template *t = form->template;

	for (int i = 0; i < t->node_count; i++) {
		const struct subtask_now now = {
		        .node = t->listing[i],
		        .state = t->nodes[t->listing[i]].upstream_count ? SUBTASK_PENDING
		                                                        : SUBTASK_READY,
		        .operation = OPERATION_EXECUTE,
		        .run_time = 1,
		};

		if (i)
			strbuf_addc(sb, ',');
		render_subtask(sb, form, first, &now);
	}
}

/* Cuts their text with marked ids into pieces. */
static void make_subtasks(struct task_form *form)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	const char *at, *mark;

	render_new_subtasks(&text, form, MARK_IDS);
	/* JSON text has no control characters of its own. */
	for (at = text.buf; at; at = mark ? strchr(mark, *MARK_CLOSE) + 1 : NULL) {
		mark = strchr(at, *MARK_OPEN);
		size_t bytes = mark ? (size_t)(mark - at) : strlen(at);

		form->subtasks = xrealloc(
		        form->subtasks, (form->subtask_count + 1) * sizeof(*form->subtasks));
		form->subtasks[form->subtask_count++] = (struct subtask_piece){
		        .text = xstrndup(at, bytes),
		        .bytes = bytes,
		        .node = mark ? (int16_t)strtol(mark + 1, NULL, 10) : -1};
	}
}

/* ---- forms ---- */

struct task_form *task_form_new(struct template *t)
{
	struct task_form *form = xcalloc(1, sizeof(*form));
	struct strbuf sb = STRBUF_INIT;

	form->template = t;
	form->nodes = xcalloc((size_t)t->node_count, sizeof(*form->nodes));
	for (int i = 0; i < t->node_count; i++)
		make_node(&form->nodes[i], &t->nodes[i]);
	strbuf_add_json(&sb, t->task_name, strlen(t->task_name));
	form->task_name = strbuf_detach(&sb, NULL);
	make_subtasks(form);
	return form;
}

void task_form_free(struct task_form *form)
{
	if (!form)
		return;
	for (int i = 0; i < form->template->node_count; i++) {
		struct node_form *n = &form->nodes[i];

		free(n->head), free(n->middle), free(n->tail), free(n->series), free(n->timeout);
	}
	for (size_t i = 0; i < form->subtask_count; i++)
		free(form->subtasks[i].text);
	free(form->subtasks);
	free(form->nodes);
	free(form->task_name);
	template_free(form->template);
	free(form);
}

static void add_new_subtasks(struct strbuf *sb, const struct task_form *form, int64_t first)
{
	for (size_t i = 0; i < form->subtask_count; i++) {
		const struct subtask_piece *piece = &form->subtasks[i];

		strbuf_add(sb, piece->text, piece->bytes);
		if (piece->node >= 0)
			strbuf_add_i64(sb, first + piece->node);
	}
}

void render_new_task(struct strbuf *sb, const struct task_form *form, const struct request *r,
        const struct request_task *task)
{
	const struct template *t = form->template;
	struct err err = {0};

	strbuf_adds(sb, "{\"context\":");
	if (context_text_append(sb, t, r, task, &err) < 0)
		BUG("context of task %lld: %s", (long long)task->task_id, err.text);
	strbuf_adds(sb, ",\"creator\":");
	strbuf_add_json(sb, r->user, strlen(r->user));
	strbuf_adds(sb, ",\"executor\":");
	strbuf_add_json(sb, r->executor, strlen(r->executor));
	if (task->host_id) {
		strbuf_adds(sb, ",\"hostId\":");
		strbuf_add_i64(sb, task->host_id);
	}
	strbuf_adds(sb, ",\"id\":");
	strbuf_add_i64(sb, task->task_id);
	strbuf_adds(sb, ",\"name\":");
	strbuf_adds(sb, form->task_name);
	strbuf_adds(sb, ",\"operation\":\"EXECUTE\",\"startTime\":\"");
	clock_add_iso(sb, r->accepted_at_us);
	strbuf_adds(sb, "\",\"status\":\"RUNNING\",\"subtasks\":[");
	add_new_subtasks(sb, form, task->first_subtask_id);
	strbuf_adds(sb, "],\"taskDefinitionId\":-1,\"type\":\"");
	strbuf_adds(sb, t->task_type);
	strbuf_adds(sb, "\"}");
}

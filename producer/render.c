#include "producer/render.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
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

/* ---- context ---- */

/* A value is marked by these in a string; in JSON text they stand as escapes. */
#define MARK_OPEN "\001"
#define MARK_CLOSE "\002"
#define MARK_OPEN_JSON "\\u0001"
#define MARK_CLOSE_JSON "\\u0002"
#define MARK_JSON_BYTES 6

/* Gives every ${name} in the strings of `value` a marked value. */
static void mark_names(const json_t *value, json_t *values)
{
	const char *key, *at;
	json_t *item;
	size_t i;

	json_object_foreach ((json_t *)value, key, item)
		mark_names(item, values);
	json_array_foreach (value, i, item)
		mark_names(item, values);
	for (at = json_string_value(value); at && (at = strstr(at, "${")); at += 2) {
		_cleanup_free_ char *name = xstrndup(at + 2, strcspn(at + 2, "}"));
		_cleanup_free_ char *marked = xasprintf(MARK_OPEN "%s" MARK_CLOSE, name);

		json_object_set_new(values, name, json_string(marked));
	}
}

/* Takes the name; NULL: the end. */
static void add_piece(struct task_form *form, const char *text, size_t bytes, char *name)
{
	struct context_piece *piece;

	form->context = xrealloc(form->context, (form->context_count + 1) * sizeof(*form->context));
	piece = &form->context[form->context_count++];
	*piece = (struct context_piece){
	        .text = xstrndup(text, bytes), .bytes = bytes, .name = name};
	if (!name)
		piece->kind = PIECE_END;
	else if (!strcmp(name, "host_id"))
		piece->kind = PIECE_HOST;
	else if (!strcmp(name, "obproxy_server_id"))
		piece->kind = PIECE_SERVER;
	else if (!strcmp(name, "task_id"))
		piece->kind = PIECE_TASK;
	else
		piece->kind = PIECE_VALUE;
}

static bool has_marks(const json_t *context)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	json_append(&text, context);
	return strstr(text.buf, MARK_OPEN_JSON) || strstr(text.buf, MARK_CLOSE_JSON);
}

/* Cuts the text of a context with marked values into pieces. None: it is made the long way. */
static void make_context(struct task_form *form)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	json_t *values = json_object(), *context = NULL;
	struct err err = {0};
	const char *at, *mark;

	mark_names(form->template->context, values);
	if (!has_marks(form->template->context) &&
	        template_context(form->template, values, &context, &err) == 0)
		json_append(&text, context);
	json_decref(context);
	json_decref(values);
	if (!text.len)
		return;
	for (at = text.buf; (mark = strstr(at, MARK_OPEN_JSON));) {
		const char *name = mark + MARK_JSON_BYTES;
		const char *end = strstr(name, MARK_CLOSE_JSON);

		add_piece(form, at, (size_t)(mark - at), xstrndup(name, (size_t)(end - name)));
		at = end + MARK_JSON_BYTES;
	}
	add_piece(form, at, strlen(at), NULL);
}

static bool has_extras(const json_t *values)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)values, name, value)
		if (name[0] == '+')
			return true;
	return false;
}

/* The long way: with values beyond the template's, or to say what is missing. */
static int render_any_context(struct strbuf *sb, const struct task_form *form,
        const struct request *r, const struct request_task *task, struct err *err)
{
	json_t *values = request_task_values(r, task), *context = NULL;
	int rc = template_context(form->template, values, &context, err);

	if (rc == 0)
		json_append(sb, context);
	json_decref(context);
	json_decref(values);
	return rc;
}

static const struct request_value *plain_value(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->plain_count; i++)
		if (!strcmp(r->plain[i].name, name))
			return &r->plain[i];
	return NULL;
}

/* A value inside a string that has its quotes already; false: the request has none. */
static bool add_value(struct strbuf *sb, const struct request *r, const char *name)
{
	const struct request_value *plain;
	const json_t *value;

	if (r->plain) {
		plain = plain_value(r, name);
		if (plain)
			strbuf_add(sb, plain->text, plain->bytes);
		return plain;
	}
	value = json_object_get(r->values, name);
	if (!json_is_string(value))
		return false;
	strbuf_add_json_bare(sb, json_string_value(value), json_string_length(value));
	return true;
}

bool render_context_sure(const struct task_form *form, const struct request *r)
{
	if (!r->plain)
		return false;
	for (size_t i = 0; i < form->context_count; i++)
		if (form->context[i].kind == PIECE_VALUE && !plain_value(r, form->context[i].name))
			return false;
	return form->context_count > 0;
}

int render_context(struct strbuf *sb, const struct task_form *form, const struct request *r,
        const struct request_task *task, struct err *err)
{
	size_t start = sb->len;

	if (!form->context_count || (!r->plain && has_extras(r->values)))
		return render_any_context(sb, form, r, task, err);
	for (size_t i = 0; i < form->context_count; i++) {
		const struct context_piece *piece = &form->context[i];

		strbuf_add(sb, piece->text, piece->bytes);
		switch (piece->kind) {
		case PIECE_END:
			break;
		case PIECE_HOST:
			strbuf_add_i64(sb, task->host_id);
			break;
		case PIECE_SERVER:
			strbuf_add_i64(sb, task->obproxy_server_id);
			break;
		case PIECE_TASK:
			strbuf_add_i64(sb, task->task_id);
			break;
		case PIECE_VALUE:
			if (add_value(sb, r, piece->name))
				break;
			sb->len = start;
			return render_any_context(sb, form, r, task, err);
		}
	}
	return 0;
}

/* ---- tasks ---- */

/* As first_subtask_id: no id but a mark with the node in it is written. */
#define MARK_IDS INT64_MIN

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
	make_context(form);
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
	for (size_t i = 0; i < form->context_count; i++)
		free(form->context[i].text), free(form->context[i].name);
	free(form->context);
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
	if (render_context(sb, form, r, task, &err) < 0)
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

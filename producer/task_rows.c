#include "producer/task_rows.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/state.h"

static char *text(const PGresult *res, int row, int col)
{
	const char *value = db_get_text(res, row, col);

	return value ? xstrdup(value) : NULL;
}

void task_rows_take(struct task_rows *rows, const PGresult *res)
{
	rows->count = (size_t)PQntuples(res);
	rows->tasks = xcalloc(rows->count + 1, sizeof(*rows->tasks));
	for (int row = 0; row < PQntuples(res); row++)
		rows->tasks[row] = (struct task_row){
		        .task_id = db_get_int8(res, row, 0),
		        .first_subtask_id = db_get_int8(res, row, 1),
		        .template_id = db_get_int4(res, row, 2),
		        .state = db_get_int2(res, row, 3),
		        .operation = db_get_int2(res, row, 4),
		        .finish_us = db_get_time(res, row, 5),
		        .name = text(res, row, 6),
		        .type = text(res, row, 7),
		        .creator = text(res, row, 8),
		        .executor = text(res, row, 9),
		        .host_id = db_get_int8(res, row, 10),
		        .start_us = db_get_time(res, row, 11),
		        .create_us = db_get_time(res, row, 12),
		};
}

void task_rows_take_subtasks(struct task_rows *rows, const PGresult *res)
{
	rows->subtask_count = (size_t)PQntuples(res);
	rows->subtasks = xcalloc(rows->subtask_count + 1, sizeof(*rows->subtasks));
	for (int row = 0; row < PQntuples(res); row++)
		rows->subtasks[row] = (struct subtask_row){
		        .task_id = db_get_int8(res, row, 0),
		        .now = {.node = db_get_int2(res, row, 2),
		                .state = db_get_int2(res, row, 3),
		                .operation = db_get_int2(res, row, 4),
		                .run_time = db_get_int4(res, row, 5),
		                .start_us = db_get_time(res, row, 6),
		                .finish_us = db_get_time(res, row, 7),
		                .executor = text(res, row, 8)},
		};
}

void task_rows_release(struct task_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		free(rows->tasks[i].name), free(rows->tasks[i].type);
		free(rows->tasks[i].creator), free(rows->tasks[i].executor);
	}
	for (size_t i = 0; i < rows->subtask_count; i++)
		free((char *)rows->subtasks[i].now.executor);
	free(rows->tasks);
	free(rows->subtasks);
	*rows = (struct task_rows){0};
}

static void add_time(struct strbuf *sb, const char *name, int64_t us)
{
	if (!us)
		return;
	strbuf_addf(sb, "\"%s\":\"", name);
	clock_add_iso(sb, us);
	strbuf_adds(sb, "\",");
}

static void add_text(struct strbuf *sb, const char *name, const char *value)
{
	strbuf_addf(sb, "\"%s\":", name);
	strbuf_add_json(sb, value, strlen(value));
	strbuf_addc(sb, ',');
}

bool task_rows_have_forms(const struct task_rows *rows, const struct task_forms *forms)
{
	for (size_t i = 0; i < rows->count; i++)
		if (!task_forms_of(forms, rows->tasks[i].template_id))
			return false;
	return true;
}

/* The first subtask row of a task; they are sorted by task and node. */
static size_t first_of(const struct task_rows *rows, int64_t task_id)
{
	size_t low = 0, high = rows->subtask_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (rows->subtasks[middle].task_id < task_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct subtask_now *find(const struct task_rows *rows, int64_t task_id, int16_t node)
{
	for (size_t i = first_of(rows, task_id);
	        i < rows->subtask_count && rows->subtasks[i].task_id == task_id; i++)
		if (rows->subtasks[i].now.node == node)
			return &rows->subtasks[i].now;
	return NULL;
}

static void add_creator(struct strbuf *sb, const struct task_row *t)
{
	strbuf_adds(sb, "\"creator\":{\"name\":");
	strbuf_add_json(sb, t->creator, strlen(t->creator));
	strbuf_adds(sb, "},");
}

void task_rows_render_full(
        struct strbuf *sb, const struct task_forms *forms, const struct task_rows *rows, size_t i)
{
	const struct task_row *t = &rows->tasks[i];
	const struct task_form *form = task_forms_of(forms, t->template_id);
	bool first = true;

	strbuf_addc(sb, '{');
	add_time(sb, "createTime", t->create_us);
	add_creator(sb, t);
	add_text(sb, "executor", t->executor);
	add_time(sb, "finishTime", t->finish_us);
	if (t->host_id)
		strbuf_addf(sb, "\"hostId\":%lld,", (long long)t->host_id);
	strbuf_addf(sb, "\"id\":%lld,", (long long)t->task_id);
	add_text(sb, "name", t->name);
	add_text(sb, "operation", operation_name(t->operation));
	strbuf_adds(sb, "\"prohibitRollback\":false,");
	add_time(sb, "startTime", t->start_us);
	add_text(sb, "status", task_state_name(t->state));
	strbuf_adds(sb, "\"subtasks\":[");
	for (int n = 0; n < form->template->node_count; n++) {
		const struct subtask_now *now = find(rows, t->task_id, form->template->listing[n]);

		if (!now)
			continue;
		if (!first)
			strbuf_addc(sb, ',');
		first = false;
		render_subtask(sb, form, t->first_subtask_id, now);
	}
	strbuf_adds(sb, "],\"taskDefinitionId\":-1,\"type\":");
	strbuf_add_json(sb, t->type, strlen(t->type));
	strbuf_addc(sb, '}');
}

void task_rows_render_basic(
        struct strbuf *sb, const struct task_forms *forms, const struct task_rows *rows, size_t i)
{
	const struct task_row *t = &rows->tasks[i];
	const struct task_form *form = task_forms_of(forms, t->template_id);
	bool first = true;

	strbuf_addc(sb, '{');
	add_creator(sb, t);
	add_time(sb, "finishTime", t->finish_us);
	strbuf_addf(sb, "\"id\":%lld,", (long long)t->task_id);
	add_text(sb, "name", t->name);
	add_text(sb, "operation", operation_name(t->operation));
	add_time(sb, "startTime", t->start_us);
	add_text(sb, "status", task_state_name(t->state));
	strbuf_adds(sb, "\"subtasks\":[");
	for (size_t s = first_of(rows, t->task_id);
	        s < rows->subtask_count && rows->subtasks[s].task_id == t->task_id; s++) {
		const struct subtask_now *now = &rows->subtasks[s].now;
		const struct template_node *node = &form->template->nodes[now->node];

		strbuf_adds(sb, first ? "{" : ",{");
		first = false;
		add_text(sb, "description", node->description);
		strbuf_addf(sb, "\"id\":%lld,", (long long)(t->first_subtask_id + now->node));
		add_text(sb, "name", node->name);
		add_text(sb, "operation", operation_name(now->operation));
		strbuf_adds(sb, "\"status\":\"");
		strbuf_adds(sb, subtask_state_name(now->state));
		strbuf_adds(sb, "\"}");
	}
	strbuf_adds(sb, "]}");
}

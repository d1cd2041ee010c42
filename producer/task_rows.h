/* task_rows: tasks and their subtasks as read from PostgreSQL, and their JSON forms (OCP's
 * WrappedTaskInstance and BasicTaskInstance, ocp-api.md 3.2). Loop thread. */
#ifndef OBPIPE_PRODUCER_TASK_ROWS_H
#define OBPIPE_PRODUCER_TASK_ROWS_H

#include "common/db.h"
#include "producer/task_forms.h"

struct subtask_row {
	int64_t task_id;
	struct subtask_now now; /* executor is owned here */
};

struct task_row {
	int64_t task_id, first_subtask_id, host_id;
	int32_t template_id;
	int16_t state, operation;
	int64_t start_us, finish_us, create_us;
	char *name, *type, *creator, *executor;
};

struct task_rows {
	struct task_row *tasks;
	size_t count;
	struct subtask_row *subtasks; /* by task and node */
	size_t subtask_count;
};

void task_rows_take(struct task_rows *rows, const PGresult *res);
void task_rows_take_subtasks(struct task_rows *rows, const PGresult *res);
void task_rows_release(struct task_rows *rows);
/* False when a task's template is so new that its form is not here yet. */
bool task_rows_have_forms(const struct task_rows *rows, const struct task_forms *forms);
/* Appends row i; its form must be there. */
void task_rows_render_full(
        struct strbuf *sb, const struct task_forms *forms, const struct task_rows *rows, size_t i);
void task_rows_render_basic(
        struct strbuf *sb, const struct task_forms *forms, const struct task_rows *rows, size_t i);

#endif

/*
 * render: the JSON of tasks and subtasks as OCP prints them (seed/response.json), written directly
 * from fragments that are made once a template. Loop thread.
 */
#ifndef OBPIPE_PRODUCER_RENDER_H
#define OBPIPE_PRODUCER_RENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/message.h"
#include "common/strbuf.h"
#include "common/template.h"

/* The constant text of one node, between what changes. */
struct node_form {
	char *head;   /* up to the list of downstreams */
	char *middle; /* behind it, up to the operation */
	char *tail;   /* runTime's neighbours: behind parallelIdx and prohibitRollback */
	char *series; /* seriesId, up to the state */
	char *timeout;
};

/* A stretch of the subtasks of a new task, and the node whose id follows it. */
struct subtask_piece {
	char *text;
	size_t bytes;
	int16_t node; /* -1: none, the end */
};

struct task_form {
	struct template *template; /* owned */
	struct node_form *nodes;   /* by node */
	char *task_name;           /* JSON string */
	struct subtask_piece *subtasks;
	size_t subtask_count;
};

/* Takes ownership of the template. */
struct task_form *task_form_new(struct template *t);
void task_form_free(struct task_form *form);

/* What of a subtask changes. Times 0: absent. */
struct subtask_now {
	int16_t node;
	int state, operation;
	int32_t run_time;
	int64_t start_us, finish_us;
	const char *executor; /* NULL: absent */
};

/* Appends one subtask object. */
void render_subtask(struct strbuf *sb, const struct task_form *form, int64_t first_subtask_id,
        const struct subtask_now *now);

/*
 * Appends the task object of an answer to a creation: roots are READY, the rest PENDING. Its
 * context must be known to work (context_text_sure() or _append() for one task of the request).
 */
void render_new_task(struct strbuf *sb, const struct task_form *form, const struct request *r,
        const struct request_task *task);

#endif

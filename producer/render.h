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

/* A stretch of a context's text, and the value that follows it. */
struct context_piece {
	char *text;
	size_t bytes;
	enum { PIECE_END, PIECE_VALUE, PIECE_HOST, PIECE_SERVER, PIECE_TASK } kind;
	char *name; /* of a PIECE_VALUE */
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
	struct context_piece *context;
	size_t context_count;
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
 * Appends a task's context as JSON: what template_context() makes of the request's values and the
 * task's own, which is what intake stores. -1 (PERMANENT): a value is missing, or one the template
 * sets itself is given; so for every task of a request or for none.
 */
int render_context(struct strbuf *sb, const struct task_form *form, const struct request *r,
        const struct request_task *task, struct err *err) __attribute__((warn_unused_result));

/* True: render_context() cannot fail for any task of the request. False: it has to be tried. */
bool render_context_sure(const struct task_form *form, const struct request *r);

/*
 * Appends the task object of an answer to a creation: roots are READY, the rest PENDING. The
 * context must have been rendered before, for one task of the request, without error.
 */
void render_new_task(struct strbuf *sb, const struct task_form *form, const struct request *r,
        const struct request_task *task);

#endif

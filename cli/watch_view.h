/* watch_view: what `obpipe watch` shows of the tasks it follows. Pure but for printing. */
#ifndef OBPIPE_CLI_WATCH_VIEW_H
#define OBPIPE_CLI_WATCH_VIEW_H

#include "cli/screen.h"
#include "cli/task_view.h"
#include "cli/watch.h"

struct watched_subtask {
	const json_t *now; /* borrowed from the task; valid until the next answer */
	char *state;       /* owned; NULL before the first answer */
	char *last_line;   /* owned; NULL: none read */
	bool changed;      /* its state, by the last answer */
};

struct watched {
	int64_t id;
	json_t *task;   /* the last answer; owned; NULL before the first */
	int64_t now_us; /* the ingress's clock then */
	bool ended;     /* nothing more will come */
	enum watch_code code;
	struct watched_subtask *subtasks; /* in the order they run; owned */
	size_t subtask_count;
};

/* Terminal: one task as a table of its subtasks, several as a line each, and a note ("": none). */
void watch_view_draw(
        struct screen *screen, const struct watched *tasks, size_t count, const char *note);
/* Plain: a line for each subtask whose state has changed; marks it as told. */
void watch_view_tell(struct watched *task, bool with_id);
/* How it ended; for a FAILED one why, and what can be done. */
void watch_view_say_end(const struct watched *task);

#endif

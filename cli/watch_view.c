#include "cli/watch_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/text.h"
#include "common/json.h"
#include "common/mem.h"

#define STATE_COLUMNS 10
#define TIME_COLUMNS 9
#define RUN_COLUMNS 3
#define NAME_COLUMNS_MAX 42
#define EXECUTOR_COLUMNS_MAX 20
/* What the rest of a line must hold to be of use to somebody. */
#define LOG_COLUMNS_MIN 12

/* ---- live ---- */

struct layout {
	size_t number, name, executor, log; /* 0: not shown */
};

static size_t widest(const struct watched *t, const char *member, size_t least, size_t most)
{
	size_t width = least;

	for (size_t i = 0; i < t->subtask_count; i++) {
		size_t columns = text_columns(json_text(t->subtasks[i].now, member));

		if (columns > width)
			width = columns;
	}
	return width < most ? width : most;
}

static struct layout layout_of(const struct screen *s, const struct watched *t)
{
	struct layout l = {.number = t->subtask_count > 99 ? 4 : 2};
	/* Two blanks between columns. */
	size_t fixed = l.number + STATE_COLUMNS + TIME_COLUMNS + RUN_COLUMNS + 4 * 2;
	size_t left = s->columns > fixed + 1 ? s->columns - fixed - 1 : 0;

	l.name = widest(t, "name", strlen("SUBTASK"), NAME_COLUMNS_MAX);
	if (l.name > left)
		l.name = left;
	left -= l.name;
	l.executor = widest(t, "executor", strlen("EXECUTOR"), EXECUTOR_COLUMNS_MAX);
	if (left < l.executor + 2)
		l.executor = 0;
	else
		left -= l.executor + 2;
	l.log = left >= LOG_COLUMNS_MIN + 2 ? left - 2 : 0;
	return l;
}

static void add_gap(struct screen *s)
{
	strbuf_adds(&s->frame, "  ");
}

static void draw_heading(struct screen *s, const struct layout *l)
{
	text_add_fit(&s->frame, "#", l->number, true);
	add_gap(s);
	text_add_fit(&s->frame, "SUBTASK", l->name, true);
	add_gap(s);
	text_add_fit(&s->frame, "STATE", STATE_COLUMNS, true);
	add_gap(s);
	text_add_fit(&s->frame, "TIME", TIME_COLUMNS, true);
	add_gap(s);
	text_add_fit(&s->frame, "RUN", RUN_COLUMNS, true);
	if (l->executor) {
		add_gap(s);
		text_add_fit(&s->frame, "EXECUTOR", l->executor, true);
	}
	if (l->log) {
		add_gap(s);
		text_add_fit(&s->frame, "LAST LOG LINE", l->log, false);
	}
	screen_line(s);
}

static void draw_subtask(
        struct screen *s, const struct layout *l, const struct watched *t, size_t place)
{
	const struct watched_subtask *sub = &t->subtasks[place];
	_cleanup_strbuf_ struct strbuf elapsed = STRBUF_INIT;
	char number[24], run[24];

	snprintf(number, sizeof(number), "%*zu", (int)l->number, place + 1);
	snprintf(run, sizeof(run), "%*" PRId64, RUN_COLUMNS, json_int(sub->now, "runTime", 0));
	task_view_add_elapsed(&elapsed, sub->now, t->now_us);
	text_add_fit(&s->frame, number, l->number, true);
	add_gap(s);
	text_add_fit(&s->frame, json_text(sub->now, "name"), l->name, true);
	add_gap(s);
	screen_add_state(s, sub->state, STATE_COLUMNS);
	add_gap(s);
	text_add_fit(&s->frame, elapsed.buf, TIME_COLUMNS, true);
	add_gap(s);
	text_add_fit(&s->frame, run, RUN_COLUMNS, true);
	if (l->executor) {
		add_gap(s);
		text_add_fit(&s->frame, json_text(sub->now, "executor"), l->executor, true);
	}
	if (l->log) {
		add_gap(s);
		text_add_fit(&s->frame, sub->last_line, l->log, false);
	}
	screen_line(s);
}

/* Which of `count` lines are shown when only `room` are: around the first that is not done. */
static size_t window_start(size_t count, size_t room, size_t first_open)
{
	size_t start = first_open > 2 ? first_open - 2 : 0;

	if (count <= room)
		return 0;
	return start + room > count ? count - room : start;
}

static void draw_more(struct screen *s, size_t above, size_t below)
{
	if (above + below == 0)
		return;
	strbuf_addf(&s->frame, "(%zu more above, %zu below)", above, below);
	screen_line(s);
}

/* Lines of the terminal for a list, when `others` are taken, with the cursor's and that of more. */
static size_t room_for(const struct screen *s, size_t others)
{
	return s->rows > others + 3 ? s->rows - others - 2 : 1;
}

/* "task 7  Install obproxy on host 2  RUNNING  3/12 done, 1 running, 4.20 s" */
static void draw_task_line(struct screen *s, const struct watched *t)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	const char *state = task_view_text(t->task, "status");
	size_t left = s->columns > 1 ? s->columns - 1 : 1, used;

	strbuf_addf(&text, "task %" PRId64 "  ", t->id);
	if (t->task)
		task_view_add_name(&text, t->task);
	strbuf_adds(&text, "  ");
	text_add_fit(&s->frame, text.buf, left, false);
	used = text_columns(text.buf);
	if (!t->task || used + STATE_COLUMNS + 2 > left) {
		screen_line(s);
		return;
	}
	screen_add_state(s, state, STATE_COLUMNS);
	strbuf_adds(&s->frame, "  ");
	strbuf_reset(&text);
	task_view_add_progress(&text, t->task, t->now_us);
	text_add_fit(&s->frame, text.buf, left - used - STATE_COLUMNS - 2, false);
	screen_line(s);
}

static void draw_one(struct screen *s, const struct watched *t)
{
	struct layout l = layout_of(s, t);
	size_t room = room_for(s, 2), start = 0, shown;

	draw_task_line(s, t);
	if (!t->task)
		return;
	while (start < t->subtask_count && !strcmp(t->subtasks[start].state, "SUCCESSFUL"))
		start++;
	start = window_start(t->subtask_count, room, start);
	shown = t->subtask_count < room ? t->subtask_count : room;
	draw_heading(s, &l);
	for (size_t i = start; i < start + shown; i++)
		draw_subtask(s, &l, t, i);
	draw_more(s, start, t->subtask_count - start - shown);
}

static void draw_many(struct screen *s, const struct watched *tasks, size_t count)
{
	size_t room = room_for(s, 1), start = 0, shown = count < room ? count : room, ended = 0;

	for (size_t i = 0; i < count; i++)
		ended += tasks[i].ended;
	while (start < count && tasks[start].ended)
		start++;
	start = window_start(count, room, start);
	strbuf_addf(&s->frame, "%zu of %zu tasks have ended", ended, count);
	screen_line(s);
	for (size_t i = start; i < start + shown; i++)
		draw_task_line(s, &tasks[i]);
	draw_more(s, start, count - start - shown);
}

void watch_view_draw(
        struct screen *screen, const struct watched *tasks, size_t count, const char *note)
{
	screen_begin(screen);
	if (count == 1)
		draw_one(screen, tasks);
	else
		draw_many(screen, tasks, count);
	if (*note) {
		_cleanup_free_ char *text = xasprintf("waiting: %s", note);

		text_add_fit(&screen->frame, text, screen->columns - 1, false);
		screen_line(screen);
	}
	screen_end(screen);
}

/* ---- plain ---- */

static void tell_subtask(const struct watched *t, size_t place, bool with_id)
{
	const struct watched_subtask *s = &t->subtasks[place];
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

	if (with_id)
		strbuf_addf(&line, "task %" PRId64 "  ", t->id);
	strbuf_addf(&line, "%2zu/%zu ", place + 1, t->subtask_count);
	text_add_fit(&line, json_text(s->now, "name"), NAME_COLUMNS_MAX, true);
	strbuf_addf(&line, "  %-*s  ", STATE_COLUMNS, s->state);
	if (strcmp(s->state, "RUNNING") != 0)
		task_view_add_elapsed(&line, s->now, t->now_us);
	else if (json_text(s->now, "executor"))
		text_add_lines(&line, json_text(s->now, "executor"));
	if (s->last_line && !strcmp(s->state, "FAILED")) {
		strbuf_adds(&line, "  ");
		text_add_lines(&line, s->last_line);
	}
	while (line.len && line.buf[line.len - 1] == ' ')
		line.buf[--line.len] = '\0';
	printf("%s\n", line.buf);
}

void watch_view_tell(struct watched *task, bool with_id)
{
	for (size_t i = 0; i < task->subtask_count; i++) {
		struct watched_subtask *s = &task->subtasks[i];

		if (s->changed && s->state && strcmp(s->state, "PENDING") != 0)
			tell_subtask(task, i, with_id);
		s->changed = false;
	}
}

static void say_why(const struct watched *t)
{
	for (size_t i = 0; i < t->subtask_count; i++) {
		const struct watched_subtask *s = &t->subtasks[i];
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

		if (strcmp(s->state, "FAILED") != 0)
			continue;
		text_add_lines(&text, json_text(s->now, "name"));
		strbuf_adds(&text, ": ");
		text_add_lines(&text, s->last_line ? s->last_line : "its log is empty");
		printf("  %s\n  obpipe log %" PRId64 " %" PRId64 "   # all it wrote\n", text.buf,
		        t->id, json_int(s->now, "id", 0));
	}
	printf("  obpipe retry %" PRId64 " --watch   # runs what failed again\n", t->id);
}

void watch_view_say_end(const struct watched *task)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	if (!task->task || task->code == WATCH_UNKNOWN) {
		printf("task %" PRId64 ": not known how it goes on; `obpipe watch %" PRId64
		       "` tries again\n",
		        task->id, task->id);
		return;
	}
	task_view_add_progress(&text, task->task, task->now_us);
	printf("task %" PRId64 " is %s: %s\n", task->id, task_view_text(task->task, "status"),
	        text.buf);
	if (task->code == WATCH_FAILED)
		say_why(task);
}

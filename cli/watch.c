#include "cli/watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/http_client.h"
#include "cli/watch_view.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

#define LOOK_MS 200
/* An ingress that restarts is waited for. */
#define AWAY_MS 30000

struct watch {
	struct cli *cli;
	struct watched *tasks;
	size_t count;
	bool terminal;
	struct screen screen;
	int64_t seen_ms;           /* monotonic, of the last answer */
	bool told_away;            /* plain mode */
	char note[ERR_TEXT_BYTES]; /* terminal: why there is nothing new; "" */
};

/* ---- looking ---- */

static char *read_last_line(struct watch *w, const struct watched *t, int64_t subtask_id)
{
	_cleanup_free_ char *path = xasprintf(
	        "/api/v2/tasks/instances/%" PRId64 "/subtasks/%" PRId64 "/log", t->id, subtask_id);
	struct err err = {0};
	json_t *answer;
	char *line;

	if (http_call(w->cli, "GET", path, NULL, &answer, &err) < 0)
		return NULL;
	line = task_view_last_line(answer);
	json_decref(answer);
	return line;
}

static bool is_active(const char *state)
{
	return !strcmp(state, "RUNNING") || !strcmp(state, "CANCELING");
}

static void forget_subtasks(struct watched *t)
{
	for (size_t i = 0; i < t->subtask_count; i++) {
		free(t->subtasks[i].state);
		free(t->subtasks[i].last_line);
	}
	free(t->subtasks);
	t->subtasks = NULL;
	t->subtask_count = 0;
}

/* Takes what is new of each subtask. Logs are read only where something can have been written. */
static void take_subtasks(struct watch *w, struct watched *t)
{
	size_t count;
	json_t **order = task_view_order(t->task, &count);

	if (t->subtask_count != count) {
		forget_subtasks(t);
		t->subtasks = xcalloc(count + 1, sizeof(*t->subtasks));
		t->subtask_count = count;
	}
	for (size_t i = 0; i < count; i++) {
		struct watched_subtask *s = &t->subtasks[i];
		const char *state = task_view_text(order[i], "status");

		s->now = order[i];
		s->changed = !s->state || strcmp(s->state, state) != 0;
		if (json_object_get(order[i], "startTime") && (s->changed || is_active(state)) &&
		        (w->terminal || is_active(state) || !strcmp(state, "FAILED"))) {
			char *line = read_last_line(w, t, json_int(order[i], "id", 0));

			if (line) {
				free(s->last_line);
				s->last_line = line;
			}
		}
		if (s->changed) {
			free(s->state);
			s->state = xstrdup(state);
		}
	}
	free(order);
}

static void end_unknown(struct watch *w, struct watched *t, const struct err *err)
{
	cli_fail(w->cli, err);
	t->ended = true;
	t->code = WATCH_UNKNOWN;
}

static void look(struct watch *w, struct watched *t)
{
	_cleanup_free_ char *path = xasprintf("/api/v2/tasks/instances/%" PRId64, t->id);
	struct err err = {0};
	json_t *answer;

	if (http_call(w->cli, "GET", path, NULL, &answer, &err) < 0) {
		if (!err_is_retryable(&err) || clock_mono_ms() - w->seen_ms > AWAY_MS)
			end_unknown(w, t, &err);
		else if (w->terminal)
			snprintf(w->note, sizeof(w->note), "%s", err.text);
		else if (!w->told_away)
			fprintf(stderr, "waiting: %s\n", err.text);
		w->told_away = true;
		return;
	}
	w->seen_ms = clock_mono_ms();
	w->told_away = false;
	w->note[0] = '\0';
	json_decref(t->task);
	t->task = json_incref(json_object_get(answer, "data"));
	t->now_us = task_view_now(answer);
	json_decref(answer);
	take_subtasks(w, t);
	if (!task_view_ended(t->task))
		return;
	t->ended = true;
	t->code = !strcmp(task_view_text(t->task, "status"), "SUCCESSFUL") ? WATCH_SUCCESSFUL
	                                                                   : WATCH_FAILED;
}

/* ---- showing ---- */

static void show(struct watch *w)
{
	if (w->terminal) {
		watch_view_draw(&w->screen, w->tasks, w->count, w->note);
		return;
	}
	for (size_t i = 0; i < w->count; i++)
		watch_view_tell(&w->tasks[i], w->count > 1);
	fflush(stdout);
}

static bool all_ended(const struct watch *w)
{
	for (size_t i = 0; i < w->count; i++)
		if (!w->tasks[i].ended)
			return false;
	return true;
}

static void follow(struct watch *w)
{
	w->seen_ms = clock_mono_ms();
	while (true) {
		int64_t began = clock_mono_ms(), left;

		for (size_t i = 0; i < w->count; i++)
			if (!w->tasks[i].ended)
				look(w, &w->tasks[i]);
		show(w);
		if (all_ended(w))
			return;
		left = LOOK_MS - (clock_mono_ms() - began);
		clock_sleep_ms(left > 0 ? left : LOOK_MS / 4);
	}
}

static enum watch_code judge(const struct watch *w)
{
	bool failed = false, unknown = false;

	for (size_t i = 0; i < w->count; i++) {
		failed |= w->tasks[i].code == WATCH_FAILED;
		unknown |= w->tasks[i].code == WATCH_UNKNOWN;
	}
	return failed ? WATCH_FAILED : unknown ? WATCH_UNKNOWN : WATCH_SUCCESSFUL;
}

static void release(struct watch *w)
{
	for (size_t i = 0; i < w->count; i++) {
		forget_subtasks(&w->tasks[i]);
		json_decref(w->tasks[i].task);
	}
	free(w->tasks);
	screen_release(&w->screen);
}

enum watch_code watch_tasks(struct cli *cli, const int64_t *ids, size_t count)
{
	struct watch w = {.cli = cli,
	        .tasks = xcalloc(count + 1, sizeof(*w.tasks)),
	        .count = count,
	        .terminal = isatty(STDOUT_FILENO) == 1};
	enum watch_code code;

	for (size_t i = 0; i < count; i++)
		w.tasks[i].id = ids[i];
	follow(&w);
	for (size_t i = 0; i < count; i++)
		watch_view_say_end(&w.tasks[i]);
	code = judge(&w);
	release(&w);
	return code;
}

int cmd_watch(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {{0}};
	int64_t *ids;
	int code;

	if (cli_option(cli, argc, argv, options, true) == '?')
		return EXIT_USAGE;
	if (optind == argc)
		return cli_usage(cli, "which task? Give its id; `obpipe tasks` lists them");
	ids = xcalloc((size_t)argc, sizeof(*ids));
	for (int i = optind; i < argc; i++) {
		ids[i - optind] = cli_id(argv[i]);
		if (ids[i - optind] < 0) {
			free(ids);
			return cli_usage(cli, "\"%s\" is no task id", argv[i]);
		}
	}
	code = (int)watch_tasks(cli, ids, (size_t)(argc - optind));
	free(ids);
	return code;
}

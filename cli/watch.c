/* watch: follows a task until it ends. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/http_client.h"
#include "cli/task_view.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

#define LOOK_MS 200
/* An ingress that restarts is waited for. */
#define AWAY_MS 30000

enum { WATCH_SUCCESSFUL = 0, WATCH_FAILED = 1, WATCH_UNKNOWN = 2 };

struct watch {
	struct cli *cli;
	int64_t task_id;
	bool terminal;
	int lines;     /* printed last time */
	char **states; /* plain mode: what was said of each subtask, in order */
	size_t count;
};

static char *last_line(const struct watch *w, const json_t *subtask)
{
	_cleanup_free_ char *path = NULL;
	json_t *answer;
	struct err err;
	const char *log, *start;
	char *line = NULL;
	size_t len;

	if (!json_object_get(subtask, "startTime"))
		return NULL;
	path = xasprintf("/api/v2/tasks/instances/%" PRId64 "/subtasks/%" PRId64 "/log", w->task_id,
	        json_int(subtask, "id", 0));
	if (http_call(w->cli, "GET", path, NULL, &answer, &err) < 0)
		return NULL;
	log = json_text(json_object_get(answer, "data"), "log");
	/* The very last line is the state; the one before it, without its time, is the news. */
	len = log ? strlen(log) : 0;
	for (int back = 0; back < 2 && len; back++) {
		len--;
		while (len && log[len - 1] != '\n')
			len--;
		if (back == 0 && len)
			continue;
		start = strchr(log + len, ' ');
		if (start && log[len] != '#')
			line = xstrndup(start + 1, strcspn(start + 1, "\n"));
	}
	json_decref(answer);
	return line;
}

static void draw(struct watch *w, const json_t *task)
{
	size_t count;
	json_t **order = task_view_order(task, &count);
	char **lines = xcalloc(count + 1, sizeof(*lines));

	for (size_t i = 0; i < count; i++)
		lines[i] = last_line(w, order[i]);
	if (w->lines)
		printf("\033[%dA", w->lines);
	w->lines = task_view_print(stdout, task, lines);
	fflush(stdout);
	for (size_t i = 0; i < count; i++)
		free(lines[i]);
	free(lines);
	free(order);
}

/* One line a change. */
static void tell(struct watch *w, const json_t *task)
{
	json_t **order = task_view_order(task, &w->count);

	if (!w->states)
		w->states = xcalloc(w->count + 1, sizeof(*w->states));
	for (size_t i = 0; i < w->count; i++) {
		const char *state = json_text(order[i], "status");

		if (w->states[i] && !strcmp(w->states[i], state))
			continue;
		if (w->states[i] || strcmp(state, "PENDING") != 0)
			printf("%2zu/%zu %-44s %s\n", i + 1, w->count, json_text(order[i], "name"),
			        state);
		free(w->states[i]);
		w->states[i] = xstrdup(state);
	}
	fflush(stdout);
	free(order);
}

static void say_why(struct watch *w, const json_t *task)
{
	size_t count;
	json_t **order = task_view_order(task, &count);

	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *line = NULL;

		if (strcmp(json_text(order[i], "status"), "FAILED") != 0)
			continue;
		line = last_line(w, order[i]);
		printf("%s FAILED: %s\n  obpipe log %" PRId64 " %" PRId64
		       "\n  obpipe retry %" PRId64 "\n",
		        json_text(order[i], "name"), line ? line : "see its log", w->task_id,
		        json_int(order[i], "id", 0), w->task_id);
	}
	free(order);
}

static int follow(struct watch *w)
{
	_cleanup_free_ char *path = xasprintf("/api/v2/tasks/instances/%" PRId64, w->task_id);
	int64_t seen_ms = clock_mono_ms();

	while (true) {
		struct err err = {0};
		json_t *answer, *task;
		const char *status;

		if (http_call(w->cli, "GET", path, NULL, &answer, &err) < 0) {
			if (!err_is_retryable(&err) || clock_mono_ms() - seen_ms > AWAY_MS) {
				cli_fail(w->cli, &err);
				return WATCH_UNKNOWN;
			}
			clock_sleep_ms(LOOK_MS);
			continue;
		}
		seen_ms = clock_mono_ms();
		task = json_object_get(answer, "data");
		w->terminal ? draw(w, task) : tell(w, task);
		status = json_text(task, "status");
		if (strcmp(status, "RUNNING") != 0) {
			int code = strcmp(status, "SUCCESSFUL") ? WATCH_FAILED : WATCH_SUCCESSFUL;

			printf("task %" PRId64 " is %s\n", w->task_id, status);
			if (code)
				say_why(w, task);
			json_decref(answer);
			return code;
		}
		json_decref(answer);
		clock_sleep_ms(LOOK_MS);
	}
}

int watch_task(struct cli *cli, int64_t task_id)
{
	struct watch w = {.cli = cli, .task_id = task_id, .terminal = isatty(STDOUT_FILENO)};
	int code = follow(&w);

	for (size_t i = 0; w.states && i < w.count; i++)
		free(w.states[i]);
	free(w.states);
	return code;
}

int cmd_watch(struct cli *cli, int argc, char **argv)
{
	if (argc != 2 || cli_id(argv[1]) < 0)
		return cli_usage(cli, "give one task id");
	return watch_task(cli, cli_id(argv[1]));
}

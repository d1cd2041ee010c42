/* tasks, task, log, retry: reading and operating tasks over HTTP. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/http_client.h"
#include "cli/table.h"
#include "cli/task_view.h"
#include "cli/text.h"
#include "cli/watch.h"
#include "common/json.h"
#include "common/mem.h"

static int get(struct cli *cli, const char *path, json_t **ret)
{
	struct err err = {0};

	return http_call(cli, "GET", path, NULL, ret, &err) < 0 ? cli_fail(cli, &err) : EXIT_OK;
}

static void add_elapsed(struct table *t, const json_t *object, int64_t now_us)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	task_view_add_elapsed(&text, object, now_us);
	table_add(t, text.buf);
}

static void add_time(struct table *t, const json_t *object, const char *name)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	text_add_time(&text, json_text(object, name));
	table_add(t, text.buf);
}

/* ---- tasks ---- */

static void add_row(struct table *t, const json_t *task, int64_t now_us)
{
	table_addf(t, "%" PRId64, json_int(task, "id", 0));
	table_add(t, json_text(task, "status"));
	table_add(t, json_text(task, "operation"));
	table_add(t, json_text(task, "name"));
	json_int(task, "hostId", 0) ? table_addf(t, "%" PRId64, json_int(task, "hostId", 0))
	                            : table_add(t, "");
	table_addf(t, "%zu/%zu", task_view_count(task, "SUCCESSFUL"),
	        json_array_size(json_object_get(task, "subtasks")));
	add_time(t, task, "startTime");
	add_elapsed(t, task, now_us);
}

static void print_list(const json_t *answer)
{
	struct table *t = table_new((const char *const[]){
	        "ID>", "STATUS", "OPERATION", "NAME", "HOST>", "DONE>", "START", "TIME>", NULL});
	const json_t *data = json_object_get(answer, "data"), *page = json_object_get(data, "page");
	int64_t now_us = task_view_now(answer);
	size_t i;
	json_t *task;

	json_array_foreach (json_object_get(data, "contents"), i, task)
		add_row(t, task, now_us);
	table_print(t, stdout);
	table_free(t);
	printf("page %" PRId64 " of %" PRId64 ", %" PRId64 " tasks in all\n",
	        json_int(page, "number", 0), json_int(page, "totalPages", 0),
	        json_int(page, "totalElements", 0));
}

/* Adds name=value of one option to the query string. */
static void add_filter(struct strbuf *path, int option, const char *text)
{
	static const struct {
		int option;
		const char *name;
	} filters[] = {{'s', "status"}, {'n', "name"}, {'t', "type"}, {'h', "hostId"},
	        {'c', "clusterId"}, {'p', "page"}, {'z', "size"}, {'o', "sort"}};
	_cleanup_free_ char *value = http_encode(text);

	for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
		if (filters[i].option == option)
			strbuf_addf(path, "%s=%s&", filters[i].name, value);
}

int cmd_tasks(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {{"status", required_argument, NULL, 's'},
	        {"name", required_argument, NULL, 'n'}, {"type", required_argument, NULL, 't'},
	        {"host", required_argument, NULL, 'h'}, {"cluster", required_argument, NULL, 'c'},
	        {"page", required_argument, NULL, 'p'}, {"size", required_argument, NULL, 'z'},
	        {"sort", required_argument, NULL, 'o'}, {"json", no_argument, NULL, 'j'}, {0}};
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
	json_t *answer;
	int option, code;

	strbuf_adds(&path, "/api/v2/tasks/instances?");
	for (bool first = true; (option = cli_option(cli, argc, argv, options, first)) != -1;
	        first = false) {
		if (option == '?')
			return EXIT_USAGE;
		if (option == 'j')
			cli->json = true;
		else
			add_filter(&path, option, optarg);
	}
	if (optind < argc)
		return cli_usage(
		        cli, "\"%s\" is no option; one task is `obpipe task ID`", argv[optind]);
	code = get(cli, path.buf, &answer);
	if (code)
		return code;
	if (cli->json)
		cli_print_json(json_object_get(answer, "data"));
	else
		print_list(answer);
	json_decref(answer);
	return EXIT_OK;
}

/* ---- arguments TASK [SUBTASK] ---- */

struct target {
	int64_t task, subtask; /* subtask 0: not given */
	bool watch;
};

static int read_target(struct cli *cli, int argc, char **argv, const struct option *options,
        bool subtask_too, struct target *ret)
{
	int option, given;

	*ret = (struct target){0};
	for (bool first = true; (option = cli_option(cli, argc, argv, options, first)) != -1;
	        first = false) {
		if (option == '?')
			return EXIT_USAGE;
		*(option == 'j' ? &cli->json : &ret->watch) = true;
	}
	if (cli->json && ret->watch)
		return cli_usage(cli, "--json and --watch do not go together");
	given = argc - optind;
	if (given < 1 || given > 1 + subtask_too)
		return cli_usage(cli, "give a task id%s; `obpipe tasks` lists them",
		        subtask_too ? ", and a subtask id for that one alone" : "");
	for (int i = 0; i < given; i++)
		if (cli_id(argv[optind + i]) < 0)
			return cli_usage(cli, "\"%s\" is no %s id", argv[optind + i],
			        i ? "subtask" : "task");
	ret->task = cli_id(argv[optind]);
	ret->subtask = given > 1 ? cli_id(argv[optind + 1]) : 0;
	return EXIT_OK;
}

static const struct option only_json[] = {{"json", no_argument, NULL, 'j'}, {0}};

static int get_task(struct cli *cli, int64_t id, json_t **ret)
{
	_cleanup_free_ char *path = xasprintf("/api/v2/tasks/instances/%" PRId64, id);

	return get(cli, path, ret);
}

/* ---- task ---- */

static void print_facts(const json_t *task, int64_t now_us)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "task %" PRId64 "  ", json_int(task, "id", 0));
	task_view_add_name(&text, task);
	strbuf_addf(&text, "\n%s (%s), ", task_view_text(task, "status"),
	        task_view_text(task, "operation"));
	task_view_add_progress(&text, task, now_us);
	strbuf_adds(&text, "\nstarted ");
	text_add_time(&text, json_text(task, "startTime"));
	task_view_add_creator(&text, task);
	if (json_text(task, "finishTime")) {
		strbuf_adds(&text, ", finished ");
		text_add_time(&text, json_text(task, "finishTime"));
	}
	printf("%s\n\n", text.buf);
}

static void print_task(const json_t *answer)
{
	struct table *t = table_new((const char *const[]){"#>", "ID>", "SUBTASK", "STATUS",
	        "OPERATION", "START", "TIME>", "RUN>", "EXECUTOR", NULL});
	const json_t *task = json_object_get(answer, "data");
	int64_t now_us = task_view_now(answer);
	size_t count;
	json_t **order = task_view_order(task, &count);

	print_facts(task, now_us);
	for (size_t i = 0; i < count; i++) {
		table_addf(t, "%zu", i + 1);
		table_addf(t, "%" PRId64, json_int(order[i], "id", 0));
		table_add(t, json_text(order[i], "name"));
		table_add(t, json_text(order[i], "status"));
		table_add(t, json_text(order[i], "operation"));
		add_time(t, order[i], "startTime");
		add_elapsed(t, order[i], now_us);
		table_addf(t, "%" PRId64, json_int(order[i], "runTime", 0));
		table_add(t, json_text(order[i], "executor"));
	}
	table_print(t, stdout);
	table_free(t);
	free(order);
}

int cmd_task(struct cli *cli, int argc, char **argv)
{
	struct target target;
	json_t *answer;
	int code = read_target(cli, argc, argv, only_json, false, &target);

	if (code == EXIT_OK)
		code = get_task(cli, target.task, &answer);
	if (code)
		return code;
	if (cli->json)
		cli_print_json(json_object_get(answer, "data"));
	else
		print_task(answer);
	json_decref(answer);
	return EXIT_OK;
}

/* ---- log ---- */

static int get_log(struct cli *cli, int64_t task, int64_t subtask, json_t **ret)
{
	_cleanup_free_ char *path = xasprintf(
	        "/api/v2/tasks/instances/%" PRId64 "/subtasks/%" PRId64 "/log", task, subtask);

	return get(cli, path, ret);
}

static void print_log(const json_t *answer)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	text_add_log(&text, json_text(json_object_get(answer, "data"), "log"));
	fputs(text.buf ? text.buf : "", stdout);
}

static int log_one(struct cli *cli, const struct target *target)
{
	json_t *answer;
	int code = get_log(cli, target->task, target->subtask, &answer);

	if (code)
		return code;
	if (cli->json)
		cli_print_json(json_object_get(answer, "data"));
	else
		print_log(answer);
	json_decref(answer);
	return EXIT_OK;
}

/* Adds one subtask's log to `all`, or prints it. */
static int log_next(struct cli *cli, int64_t task, const json_t *subtask, json_t *all)
{
	int64_t id = json_int(subtask, "id", 0);
	_cleanup_strbuf_ struct strbuf title = STRBUF_INIT;
	json_t *answer;
	int code = get_log(cli, task, id, &answer);

	if (code)
		return code;
	if (cli->json) {
		json_array_append_new(
		        all, json_pack("{s:I, s:O?, s:O?}", "id", (json_int_t)id, "name",
		                     json_object_get(subtask, "name"), "log",
		                     json_object_get(json_object_get(answer, "data"), "log")));
	} else {
		text_add_lines(&title, json_text(subtask, "name"));
		printf("=== %" PRId64 " %s\n", id, title.buf ? title.buf : "");
		print_log(answer);
	}
	json_decref(answer);
	return EXIT_OK;
}

/* Of every subtask that has begun, in the order they run. */
static int log_all(struct cli *cli, int64_t task)
{
	json_t *answer, **order, *all;
	size_t count;
	int code = get_task(cli, task, &answer);

	if (code)
		return code;
	all = json_array();
	order = task_view_order(json_object_get(answer, "data"), &count);
	for (size_t i = 0; i < count && !code; i++)
		if (json_object_get(order[i], "startTime"))
			code = log_next(cli, task, order[i], all);
	if (cli->json && !code)
		cli_print_json(all);
	free(order);
	json_decref(all);
	json_decref(answer);
	return code;
}

int cmd_log(struct cli *cli, int argc, char **argv)
{
	struct target target;
	int code = read_target(cli, argc, argv, only_json, true, &target);

	if (code)
		return code;
	return target.subtask ? log_one(cli, &target) : log_all(cli, target.task);
}

/* ---- retry ---- */

int cmd_retry(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	        {"json", no_argument, NULL, 'j'}, {"watch", no_argument, NULL, 'w'}, {0}};
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
	struct err err = {0};
	struct target target;
	json_t *answer;
	int code = read_target(cli, argc, argv, options, true, &target);

	if (code)
		return code;
	strbuf_addf(&path, "/api/v2/tasks/instances/%" PRId64, target.task);
	if (target.subtask)
		strbuf_addf(&path, "/subtasks/%" PRId64, target.subtask);
	strbuf_adds(&path, "/retry");
	if (http_call(cli, "POST", path.buf, NULL, &answer, &err) < 0)
		return cli_fail(cli, &err);
	if (cli->json)
		cli_print_json(json_object_get(answer, "data"));
	else if (!target.watch)
		printf("task %" PRId64 " goes on; `obpipe watch %" PRId64 "` shows how\n",
		        target.task, target.task);
	json_decref(answer);
	return target.watch ? (int)watch_tasks(cli, &target.task, 1) : EXIT_OK;
}

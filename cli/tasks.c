/* tasks, task, log, retry: reading and operating tasks over HTTP. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/http_client.h"
#include "cli/task_view.h"
#include "common/json.h"
#include "common/mem.h"

int64_t cli_id(const char *text)
{
	char *end;
	int64_t id = strtoll(text, &end, 10);

	return *text && !*end && id > 0 && id <= JSON_SAFE_INTEGER_MAX ? id : -1;
}

/* Takes --json out of the arguments. */
static void take_json(struct cli *cli, int *argc, char **argv)
{
	int n = 1;

	for (int i = 1; i < *argc; i++) {
		if (!strcmp(argv[i], "--json"))
			cli->json = true;
		else
			argv[n++] = argv[i];
	}
	*argc = n;
}

static void print_json(const json_t *value)
{
	char *text = json_dumps(value, JSON_INDENT(2));

	puts(text);
	free(text);
}

static int get(struct cli *cli, const char *path, json_t **ret)
{
	struct err err = {0};

	return http_call(cli, "GET", path, NULL, ret, &err) < 0 ? cli_fail(cli, &err) : EXIT_OK;
}

static void print_row(const json_t *task)
{
	size_t done = 0, i;
	json_t *s;

	json_array_foreach (json_object_get(task, "subtasks"), i, s)
		done += !strcmp(json_text(s, "status"), "SUCCESSFUL");
	printf("%-12" PRId64 " %-11s %-28s %3zu/%-3zu %-29s %s\n", json_int(task, "id", 0),
	        json_text(task, "status"), json_text(task, "name"), done,
	        json_array_size(json_object_get(task, "subtasks")),
	        json_text(task, "startTime") ? json_text(task, "startTime") : "",
	        json_text(task, "finishTime") ? json_text(task, "finishTime") : "");
}

static int print_list(struct cli *cli, const char *path)
{
	json_t *answer, *data, *page, *task;
	size_t i;
	int code = get(cli, path, &answer);

	if (code)
		return code;
	data = json_object_get(answer, "data");
	page = json_object_get(data, "page");
	if (cli->json) {
		print_json(data);
	} else {
		printf("%-12s %-11s %-28s %-7s %-29s %s\n", "ID", "STATUS", "NAME", "DONE", "START",
		        "FINISH");
		json_array_foreach (json_object_get(data, "contents"), i, task)
			print_row(task);
		printf("page %" PRId64 " of %" PRId64 ", %" PRId64 " tasks\n",
		        json_int(page, "number", 0), json_int(page, "totalPages", 0),
		        json_int(page, "totalElements", 0));
	}
	json_decref(answer);
	return EXIT_OK;
}

int cmd_tasks(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {{"status", required_argument, NULL, 's'},
	        {"name", required_argument, NULL, 'n'}, {"host", required_argument, NULL, 'h'},
	        {"cluster", required_argument, NULL, 'c'}, {"page", required_argument, NULL, 'p'},
	        {"size", required_argument, NULL, 'z'}, {"sort", required_argument, NULL, 'o'},
	        {NULL, 0, NULL, 0}};
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
	int option;

	take_json(cli, &argc, argv);
	strbuf_adds(&path, "/api/v2/tasks/instances?");
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		_cleanup_free_ char *value = optarg ? http_encode(optarg) : NULL;
		const char *name = option == 's'   ? "status"
		                   : option == 'n' ? "name"
		                   : option == 'h' ? "hostId"
		                   : option == 'c' ? "clusterId"
		                   : option == 'p' ? "page"
		                   : option == 'z' ? "size"
		                                   : "sort";

		if (option == '?')
			return EXIT_USAGE;
		strbuf_addf(&path, "%s=%s&", name, value);
	}
	if (optind < argc)
		return cli_usage(cli, "unknown argument \"%s\"", argv[optind]);
	return print_list(cli, path.buf);
}

int cmd_task(struct cli *cli, int argc, char **argv)
{
	_cleanup_free_ char *path = NULL;
	json_t *answer;
	int code;

	take_json(cli, &argc, argv);
	if (argc != 2 || cli_id(argv[1]) < 0)
		return cli_usage(cli, "give one task id");
	path = xasprintf("/api/v2/tasks/instances/%s", argv[1]);
	code = get(cli, path, &answer);
	if (code)
		return code;
	if (cli->json)
		print_json(json_object_get(answer, "data"));
	else
		task_view_print(stdout, json_object_get(answer, "data"), NULL);
	json_decref(answer);
	return EXIT_OK;
}

static int print_log(struct cli *cli, int64_t task, int64_t subtask, const char *title)
{
	_cleanup_free_ char *path = xasprintf(
	        "/api/v2/tasks/instances/%" PRId64 "/subtasks/%" PRId64 "/log", task, subtask);
	json_t *answer;
	int code = get(cli, path, &answer);

	if (code)
		return code;
	if (cli->json) {
		print_json(json_object_get(answer, "data"));
	} else {
		if (title)
			printf("=== %" PRId64 " %s\n", subtask, title);
		fputs(json_text(json_object_get(answer, "data"), "log"), stdout);
	}
	json_decref(answer);
	return EXIT_OK;
}

int cmd_log(struct cli *cli, int argc, char **argv)
{
	_cleanup_free_ char *path = NULL;
	json_t *answer, **order;
	size_t count;
	int code;

	take_json(cli, &argc, argv);
	if ((argc != 2 && argc != 3) || cli_id(argv[1]) < 0 || (argc == 3 && cli_id(argv[2]) < 0))
		return cli_usage(cli, "give a task id, and a subtask id for one log only");
	if (argc == 3)
		return print_log(cli, cli_id(argv[1]), cli_id(argv[2]), NULL);
	path = xasprintf("/api/v2/tasks/instances/%s", argv[1]);
	code = get(cli, path, &answer);
	if (code)
		return code;
	order = task_view_order(json_object_get(answer, "data"), &count);
	for (size_t i = 0; i < count && !code; i++)
		if (json_object_get(order[i], "startTime"))
			code = print_log(cli, cli_id(argv[1]), json_int(order[i], "id", 0),
			        json_text(order[i], "name"));
	free(order);
	json_decref(answer);
	return code;
}

int cmd_retry(struct cli *cli, int argc, char **argv)
{
	_cleanup_free_ char *path = NULL;
	json_t *answer;
	struct err err = {0};

	take_json(cli, &argc, argv);
	if ((argc != 2 && argc != 3) || cli_id(argv[1]) < 0 || (argc == 3 && cli_id(argv[2]) < 0))
		return cli_usage(cli, "give a task id, and a subtask id to retry only that one");
	path = argc == 3
	               ? xasprintf("/api/v2/tasks/instances/%s/subtasks/%s/retry", argv[1], argv[2])
	               : xasprintf("/api/v2/tasks/instances/%s/retry", argv[1]);
	if (http_call(cli, "POST", path, NULL, &answer, &err) < 0)
		return cli_fail(cli, &err);
	if (cli->json)
		print_json(json_object_get(answer, "data"));
	else
		printf("task %s goes on; `obpipe watch %s` shows how\n", argv[1], argv[1]);
	json_decref(answer);
	return EXIT_OK;
}

/* submit: sends requests to the ingress. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/file.h"
#include "cli/http_client.h"
#include "cli/task_view.h"
#include "common/json.h"
#include "common/mem.h"

struct submission {
	int64_t cluster, sql_port, exporter_port, count;
	const char *hosts, *version;
	json_t *context;
	bool watch;
};

/* Prints the tasks; with --watch follows them one after the other. */
static int accepted(struct cli *cli, const struct submission *s, json_t *answer)
{
	const json_t *tasks = json_object_get(json_object_get(answer, "data"), "contents");
	int code = EXIT_OK;
	size_t i;
	json_t *task;

	if (cli->json) {
		char *text = json_dumps(json_object_get(answer, "data"), JSON_INDENT(2));

		puts(text);
		free(text);
	} else {
		json_array_foreach (tasks, i, task)
			printf("task %" PRId64 " accepted: %s\n", json_int(task, "id", 0),
			        json_text(task, "name"));
	}
	json_array_foreach (tasks, i, task)
		if (s->watch && code == EXIT_OK)
			code = watch_task(cli, json_int(task, "id", 0));
	json_decref(answer);
	return code;
}

static int send_body(
        struct cli *cli, const struct submission *s, const char *path, const char *body)
{
	struct err err = {0};
	json_t *answer;

	if (http_call(cli, "POST", path, body, &answer, &err) < 0)
		return cli_fail(cli, &err);
	return accepted(cli, s, answer);
}

static int send_json(struct cli *cli, const struct submission *s, const char *path, json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT);
	int code = send_body(cli, s, path, text);

	free(text);
	json_decref(body);
	return code;
}

static char *batch_add_path(const struct submission *s)
{
	return xasprintf("/api/v2/obproxy/clusters/%" PRId64 "/obproxies/batchAdd", s->cluster);
}

static int submit_batch_add(struct cli *cli, const struct submission *s)
{
	_cleanup_free_ char *path = batch_add_path(s);
	json_t *body = json_object(), *hosts = json_array();

	for (const char *at = s->hosts; at && *at;) {
		_cleanup_free_ char *one = xstrndup(at, strcspn(at, ","));

		if (cli_id(one) < 0) {
			json_decref(body);
			json_decref(hosts);
			return cli_usage(cli, "\"%s\" is no host id", one);
		}
		json_array_append_new(hosts, json_integer(cli_id(one)));
		at += strlen(one) + (at[strlen(one)] == ',');
	}
	json_object_set_new(body, "hostIds", hosts);
	json_object_set_new(body, "sqlPort", json_integer(s->sql_port));
	json_object_set_new(body, "exporterPort", json_integer(s->exporter_port));
	json_object_set_new(body, "version", json_string(s->version ? s->version : ""));
	return send_json(cli, s, path, body);
}

static int submit_file(struct cli *cli, const struct submission *s, const char *file)
{
	_cleanup_free_ char *path = batch_add_path(s);
	_cleanup_free_ char *text = NULL;
	struct err err = {0};

	if (file_read(file, &text, NULL, &err) < 0)
		return cli_fail(cli, &err);
	return send_body(cli, s, path, text);
}

static int submit_template_named(struct cli *cli, const struct submission *s, const char *name)
{
	json_t *body = json_object();

	json_object_set_new(body, "template", json_string(name));
	json_object_set_new(body, "count", json_integer(s->count));
	json_object_set(body, "context", s->context);
	return send_json(cli, s, "/api/v2/obpipe/tasks", body);
}

static bool take_value(struct submission *s, const char *pair)
{
	const char *equals = pair ? strchr(pair, '=') : NULL;
	_cleanup_free_ char *name = equals ? xstrndup(pair, (size_t)(equals - pair)) : NULL;

	if (!equals || equals == pair)
		return false;
	json_object_set_new(s->context, name, json_string(equals + 1));
	return true;
}

static int read_options(struct cli *cli, struct submission *s, int argc, char **argv)
{
	static const struct option options[] = {{"cluster", required_argument, NULL, 'c'},
	        {"hosts", required_argument, NULL, 'h'}, {"sql-port", required_argument, NULL, 'p'},
	        {"exporter-port", required_argument, NULL, 'e'},
	        {"version", required_argument, NULL, 'v'}, {"count", required_argument, NULL, 'n'},
	        {"set", required_argument, NULL, 's'}, {"watch", no_argument, NULL, 'w'},
	        {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		int64_t number = optarg ? cli_id(optarg) : 0;

		if (option == '?')
			return EXIT_USAGE;
		if (strchr("cpen", option) && number < 0)
			return cli_usage(cli, "\"%s\" is no positive number", optarg);
		switch (option) {
		case 'c':
			s->cluster = number;
			break;
		case 'p':
			s->sql_port = number;
			break;
		case 'e':
			s->exporter_port = number;
			break;
		case 'n':
			s->count = number;
			break;
		case 'h':
			s->hosts = optarg;
			break;
		case 'v':
			s->version = optarg;
			break;
		case 'w':
			s->watch = true;
			break;
		case 'j':
			cli->json = true;
			break;
		default:
			if (!take_value(s, optarg))
				return cli_usage(cli, "--set takes name=value, not \"%s\"", optarg);
		}
	}
	return EXIT_OK;
}

int cmd_submit(struct cli *cli, int argc, char **argv)
{
	struct submission s = {.cluster = 1,
	        .sql_port = 2883,
	        .exporter_port = 2884,
	        .count = 1,
	        .context = json_object()};
	int code = read_options(cli, &s, argc, argv);

	if (code == EXIT_OK && optind == argc)
		code = cli_usage(cli, "say batch-add, template NAME, or a request file");
	else if (code == EXIT_OK && !strcmp(argv[optind], "batch-add") && argc == optind + 1)
		code = submit_batch_add(cli, &s);
	else if (code == EXIT_OK && !strcmp(argv[optind], "template") && argc == optind + 2)
		code = submit_template_named(cli, &s, argv[optind + 1]);
	else if (code == EXIT_OK && argc == optind + 1)
		code = submit_file(cli, &s, argv[optind]);
	else if (code == EXIT_OK)
		code = cli_usage(cli, "unknown argument \"%s\"", argv[optind + 1]);
	json_decref(s.context);
	return code;
}

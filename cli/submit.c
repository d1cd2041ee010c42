/* submit: sends requests to the ingress. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/file.h"
#include "cli/http_client.h"
#include "cli/task_view.h"
#include "cli/watch.h"
#include "common/json.h"
#include "common/mem.h"

/* OCP's defaults. */
#define SQL_PORT 2883
#define EXPORTER_PORT 2884

struct submission {
	int64_t cluster, sql_port, exporter_port, count; /* 0: not given */
	const char *hosts, *version;
	json_t *context;
	bool watch;
};

/* ---- sending ---- */

/* Prints the tasks; with --watch follows them. */
static int accepted(struct cli *cli, const struct submission *s, const json_t *answer)
{
	const json_t *tasks = json_object_get(json_object_get(answer, "data"), "contents");
	size_t count = json_array_size(tasks), i;
	int64_t *ids = xcalloc(count + 1, sizeof(*ids));
	int code = EXIT_OK;
	json_t *task;

	if (cli->json)
		cli_print_json(json_object_get(answer, "data"));
	json_array_foreach (tasks, i, task) {
		_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;

		ids[i] = json_int(task, "id", 0);
		task_view_add_name(&name, task);
		if (!cli->json)
			printf("task %" PRId64 " accepted: %s\n", ids[i], name.buf);
	}
	fflush(stdout);
	if (s->watch)
		code = (int)watch_tasks(cli, ids, count);
	free(ids);
	return code;
}

static int send_body(
        struct cli *cli, const struct submission *s, const char *path, const char *body)
{
	struct err err = {0};
	json_t *answer;
	int code;

	if (http_call(cli, "POST", path, body, &answer, &err) < 0)
		return cli_fail(cli, &err);
	code = accepted(cli, s, answer);
	json_decref(answer);
	return code;
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

/* ---- the three forms ---- */

/* "2,3" as an array; NULL when a part is no id (the part is then in *ret_wrong, malloc'd). */
static json_t *host_ids(const char *text, char **ret_wrong)
{
	json_t *hosts = json_array();

	do {
		size_t len = strcspn(text, ",");
		char *one = xstrndup(text, len);

		if (cli_id(one) < 0) {
			*ret_wrong = one;
			json_decref(hosts);
			return NULL;
		}
		json_array_append_new(hosts, json_integer(cli_id(one)));
		free(one);
		text += len;
	} while (*text++ == ',');
	return hosts;
}

static int submit_batch_add(struct cli *cli, const struct submission *s)
{
	_cleanup_free_ char *path = batch_add_path(s);
	_cleanup_free_ char *wrong = NULL;
	json_t *body, *hosts;

	if (!s->cluster || !s->hosts || !s->version)
		return cli_usage(cli,
		        "batch-add needs --cluster ID, --hosts ID,ID and --version FILE "
		        "(`obpipe inventory show` lists them)");
	hosts = host_ids(s->hosts, &wrong);
	if (!hosts)
		return cli_usage(cli, "--hosts: \"%s\" is no host id", wrong);
	body = json_object();
	json_object_set_new(body, "hostIds", hosts);
	json_object_set_new(body, "sqlPort", json_integer(s->sql_port ? s->sql_port : SQL_PORT));
	json_object_set_new(body, "exporterPort",
	        json_integer(s->exporter_port ? s->exporter_port : EXPORTER_PORT));
	json_object_set_new(body, "version", json_string(s->version));
	return send_json(cli, s, path, body);
}

static int submit_file(struct cli *cli, const struct submission *s, const char *file)
{
	_cleanup_free_ char *path = batch_add_path(s);
	_cleanup_free_ char *text = NULL;
	struct err err = {0};
	size_t bytes;

	if (!s->cluster)
		return cli_usage(cli, "which cluster is \"%s\" for? Say --cluster ID", file);
	if (file_read(file, &text, &bytes, &err) < 0)
		return cli_fail(cli, &err);
	if (strlen(text) != bytes)
		return cli_usage(
		        cli, "\"%s\" is no JSON: a NUL stands at byte %zu", file, strlen(text));
	return send_body(cli, s, path, text);
}

static int submit_template_named(struct cli *cli, const struct submission *s, const char *name)
{
	json_t *body = json_object();

	json_object_set_new(body, "template", json_string(name));
	json_object_set_new(body, "count", json_integer(s->count ? s->count : 1));
	json_object_set(body, "context", s->context);
	return send_json(cli, s, "/api/v2/obpipe/tasks", body);
}

/* ---- options ---- */

static const struct option options[] = {{"cluster", required_argument, NULL, 'c'},
        {"hosts", required_argument, NULL, 'h'}, {"sql-port", required_argument, NULL, 'p'},
        {"exporter-port", required_argument, NULL, 'e'}, {"version", required_argument, NULL, 'v'},
        {"count", required_argument, NULL, 'n'}, {"set", required_argument, NULL, 's'},
        {"watch", no_argument, NULL, 'w'}, {"json", no_argument, NULL, 'j'}, {0}};

static bool take_value(struct submission *s, const char *pair)
{
	const char *equals = strchr(pair, '=');
	_cleanup_free_ char *name = equals ? xstrndup(pair, (size_t)(equals - pair)) : NULL;

	return equals && equals != pair &&
	       json_object_set_new(s->context, name, json_string(equals + 1)) == 0;
}

static int take_number(struct cli *cli, const char *text, int64_t *ret)
{
	*ret = cli_id(text);
	return *ret > 0 ? EXIT_OK : cli_usage(cli, "\"%s\" is no number from 1 on", text);
}

static int take_option(struct cli *cli, struct submission *s, int option)
{
	switch (option) {
	case 'c':
		return take_number(cli, optarg, &s->cluster);
	case 'p':
		return take_number(cli, optarg, &s->sql_port);
	case 'e':
		return take_number(cli, optarg, &s->exporter_port);
	case 'n':
		return take_number(cli, optarg, &s->count);
	case 'h':
		s->hosts = optarg;
		return EXIT_OK;
	case 'v':
		s->version = optarg;
		return EXIT_OK;
	case 'w':
		s->watch = true;
		return EXIT_OK;
	case 'j':
		cli->json = true;
		return EXIT_OK;
	case 's':
		if (take_value(s, optarg))
			return EXIT_OK;
		return cli_usage(cli, "--set takes name=value in UTF-8, not \"%s\"", optarg);
	default: /* said already */
		return EXIT_USAGE;
	}
}

/* An option that the form would not look at is a mistake, not a wish. */
static int check_options(struct cli *cli, const struct submission *s, const char *what)
{
	bool template = !strcmp(what, "template"), batch_add = !strcmp(what, "batch-add");
	bool of_template = s->count || json_object_size(s->context);
	bool of_batch_add = s->hosts || s->version || s->sql_port || s->exporter_port;

	if (cli->json && s->watch)
		return cli_usage(cli, "--json and --watch do not go together: take the ids from "
		                      "the JSON and `obpipe watch` them");
	if (template && (of_batch_add || s->cluster))
		return cli_usage(cli, "template takes --count, --set, --watch and --json only");
	if (batch_add && of_template)
		return cli_usage(cli, "--count and --set are for template, not for batch-add");
	if (!template && !batch_add && (of_template || of_batch_add))
		return cli_usage(cli, "a request file takes --cluster, --watch and --json only");
	return EXIT_OK;
}

static int run(struct cli *cli, const struct submission *s, int argc, char **argv)
{
	const char *what = optind < argc ? argv[optind] : NULL;
	int given = argc - optind;

	if (!what)
		return cli_usage(cli, "say batch-add, template NAME, or a request file");
	if (check_options(cli, s, what) != EXIT_OK)
		return EXIT_USAGE;
	if (!strcmp(what, "batch-add") && given == 1)
		return submit_batch_add(cli, s);
	if (!strcmp(what, "template") && given == 2)
		return submit_template_named(cli, s, argv[optind + 1]);
	if (!strcmp(what, "template") && given == 1)
		return cli_usage(cli, "which template? `obpipe submit template NAME`");
	if (given == 1)
		return submit_file(cli, s, what);
	return cli_usage(cli, "unexpected argument \"%s\"", argv[argc - 1]);
}

int cmd_submit(struct cli *cli, int argc, char **argv)
{
	struct submission s = {.context = json_object()};
	int option, code = EXIT_OK;

	for (bool first = true;
	        code == EXIT_OK && (option = cli_option(cli, argc, argv, options, first)) != -1;
	        first = false)
		code = take_option(cli, &s, option);
	if (code == EXIT_OK)
		code = run(cli, &s, argc, argv);
	json_decref(s.context);
	return code;
}

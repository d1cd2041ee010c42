#include "workers/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/exit_code.h"
#include "common/mem.h"
#include "workers/subtask_type.h"

static const char usage[] =
        "Usage: obpipe-worker [--roles LIST] [--types LIST] [--slots N] [--name NAME]\n"
        "\n"
        "Claims subtasks, runs them on hosts and records what came of it. Ends on SIGTERM after\n"
        "draining: what runs may finish, the rest is handed back.\n"
        "\n"
        "  --roles LIST  of intake, executor, maintainer (default: all)\n"
        "  --types LIST  subtask types it runs (default: all); it never touches others\n"
        "  --slots N     subtasks of one type at the same time\n"
        "  --name NAME   what people see (default: the host's name)\n"
        "\n"
        "Examples:\n"
        "  obpipe-worker\n"
        "  obpipe-worker --roles executor --types install-rpm,start-obproxy --slots 32\n"
        "\n"
        "Settings (environment; an option wins):\n";

static int role_of(const char *name, size_t len)
{
	static const struct {
		const char *name;
		int role;
	} roles[] = {{"intake", ROLE_INTAKE}, {"executor", ROLE_EXECUTOR},
	        {"maintainer", ROLE_MAINTAINER}};

	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		if (strlen(roles[i].name) == len && !strncmp(roles[i].name, name, len))
			return roles[i].role;
	return 0;
}

static void read_roles(struct worker *w, struct strbuf *errors)
{
	for (const char *at = w->settings.roles; *at;) {
		size_t len = strcspn(at, ",");
		int role = role_of(at, len);

		if (!role)
			strbuf_addf(errors,
			        "roles: \"%.*s\" is none; there are intake, executor, maintainer\n",
			        (int)len, at);
		w->roles |= role;
		at += len + (at[len] == ',');
	}
}

static void check_types(const struct worker *w, struct strbuf *errors)
{
	if (!strcmp(w->settings.types, "all"))
		return;
	for (const char *at = w->settings.types; *at;) {
		size_t len = strcspn(at, ",");
		_cleanup_free_ char *name = xstrndup(at, len);

		if (!subtask_type_find(name)) {
			strbuf_addf(
			        errors, "types: there is no subtask type \"%s\"; there are:", name);
			for (const char *const *n = subtask_type_names(); *n; n++)
				strbuf_addf(errors, " %s", *n);
			strbuf_addc(errors, '\n');
		}
		at += len + (at[len] == ',');
	}
}

static void default_name(struct worker *w)
{
	char name[65] = "";

	if (*w->settings.worker_name)
		return;
	gethostname(name, sizeof(name) - 1);
	free(w->settings.worker_name);
	w->settings.worker_name = xstrdup(*name ? name : "worker");
}

static int refuse(const struct strbuf *errors)
{
	fputs(errors->buf, stderr);
	fputs("Try `obpipe-worker --help`.\n", stderr);
	return EXIT_USAGE;
}

int options_read(struct worker *w, int argc, char **argv)
{
	static const struct option options[] = {{"roles", required_argument, NULL, 'r'},
	        {"types", required_argument, NULL, 't'}, {"slots", required_argument, NULL, 's'},
	        {"name", required_argument, NULL, 'n'}, {"help", no_argument, NULL, 'h'},
	        {NULL, 0, NULL, 0}};
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	int bad = settings_load(&w->settings, SETTING_WORKER, NULL, NULL, &errors);
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		const char *field = option == 'r'   ? "roles"
		                    : option == 't' ? "types"
		                    : option == 's' ? "slots"
		                                    : "worker_name";

		if (option == 'h') {
			fputs(usage, stdout);
			settings_help(stdout, SETTING_WORKER);
			return EXIT_OK;
		}
		if (option == '?')
			return EXIT_USAGE; /* getopt said what */
		bad |= settings_set(&w->settings, field, optarg, &errors);
	}
	if (optind < argc)
		strbuf_addf(&errors, "\"%s\": obpipe-worker takes options only\n", argv[optind]);
	if (!bad) {
		read_roles(w, &errors);
		check_types(w, &errors);
	}
	if (errors.len)
		return refuse(&errors);
	default_name(w);
	return -1;
}

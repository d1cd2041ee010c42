/* obpipe: the command line. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/http_client.h"
#include "common/log.h"
#include "common/strbuf.h"

#define COMMANDS_MAX 64

static void print_help(void)
{
	printf("Usage: obpipe COMMAND [ARGUMENTS]\n\nCommands:\n");
	for (const struct command *c = commands; c->name; c++)
		printf("  %-10s %s\n", c->name, c->help);
	printf("  %-10s %s\n", "help", "This list; `obpipe help COMMAND` tells more.");
	printf("\nExit codes: 0 done, 1 it did not succeed, 2 wrong arguments or settings (nothing "
	       "was "
	       "changed),\n3 a service cannot be reached. Reading commands take --json.\n"
	       "\nSettings come from the environment; `. .run/env` sets those of `make up`:\n");
	settings_help(stdout, SETTING_CLI);
}

/* One form of the arguments a line. */
static void print_forms(const struct command *c)
{
	const char *form = c->arguments;

	do {
		int len = (int)strcspn(form, "\n");

		printf("%s obpipe %s%s%.*s\n", form == c->arguments ? "Usage:" : "      ", c->name,
		        len ? " " : "", len, form);
		form += len + (form[len] == '\n');
	} while (*form);
}

static void print_command(const struct command *c)
{
	print_forms(c);
	printf("\n%s\n%s%s\nExamples:\n%s", c->help, *c->details ? "\n" : "", c->details,
	        c->examples);
}

static const struct command *find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(name, c->name))
			return c;
	return NULL;
}

static int unknown(const char *name)
{
	const char *names[COMMANDS_MAX] = {"help"}, *nearest;
	size_t n = 1;

	for (const struct command *c = commands; c->name && n + 1 < COMMANDS_MAX; c++)
		names[n++] = c->name;
	nearest = cli_nearest(name, names);
	fprintf(stderr, "obpipe: there is no command \"%s\"", name);
	if (nearest)
		fprintf(stderr, "; did you mean \"%s\"", nearest);
	fprintf(stderr, "? `obpipe help` lists them.\n");
	return EXIT_USAGE;
}

static int help(int argc, char **argv)
{
	const struct command *c;

	if (argc < 3) {
		print_help();
		return EXIT_OK;
	}
	c = find(argv[2]);
	if (!c)
		return unknown(argv[2]);
	print_command(c);
	return EXIT_OK;
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	return false;
}

static int read_settings(struct cli *cli)
{
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	bool loaded = settings_load(&cli->settings, SETTING_CLI, NULL, NULL, &errors) == 0;
	int rc = loaded ? 0 : -1;

	if (loaded && (cli->needs & NEEDS_PG))
		rc |= settings_require(&cli->settings, "pg_dsn", &errors);
	if (loaded && (cli->needs & NEEDS_KAFKA))
		rc |= settings_require(&cli->settings, "kafka_brokers", &errors);
	if (rc == 0)
		return EXIT_OK;
	fputs(errors.buf, stderr);
	fputs("`. .run/env` sets them for the stack of `make up`.\n", stderr);
	return EXIT_USAGE;
}

static int run(const struct command *c, int argc, char **argv)
{
	struct cli cli = {.command = c->name, .needs = c->needs};
	int code = read_settings(&cli);

	if (code == EXIT_OK) {
		log_init("cli", (enum log_level)log_level_parse(cli.settings.log_level));
		code = c->run(&cli, argc, argv);
	}
	http_client_free(cli.http);
	settings_release(&cli.settings);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "obpipe %s: what it prints cannot be written: %m\n", c->name);
		return code == EXIT_OK ? EXIT_FAILED : code;
	}
	return code;
}

int main(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		print_help();
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return help(argc, argv);
	c = find(argv[1]);
	if (!c)
		return unknown(argv[1]);
	if (wants_help(argc - 1, argv + 1)) {
		print_command(c);
		return EXIT_OK;
	}
	return run(c, argc - 1, argv + 1);
}

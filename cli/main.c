/* obpipe: the command line. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/log.h"
#include "common/mem.h"

int cli_fail(const struct cli *cli, const struct err *err)
{
	fprintf(stderr, "obpipe %s: %s%s%s%s\n", cli->command, err->text, err->code[0] ? " (" : "",
	        err->code, err->code[0] ? ")" : "");
	return err_is_retryable(err) ? EXIT_UNAVAILABLE : EXIT_FAILED;
}

int cli_usage(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "obpipe %s: ", cli->command);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nTry `obpipe %s --help`.\n", cli->command);
	return EXIT_USAGE;
}

static void print_help(void)
{
	printf("Usage: obpipe COMMAND [ARGUMENTS]\n\nCommands:\n");
	for (const struct command *c = commands; c->name; c++)
		printf("  %-10s %s\n", c->name, c->help);
	printf("\n`obpipe COMMAND --help` tells more. Settings come from the environment:\n");
	settings_help(stdout, SETTING_CLI);
}

static void print_command(const struct command *c)
{
	printf("Usage: obpipe %s %s\n\n%s\n\nExamples:\n%s", c->name, c->arguments, c->help,
	        c->examples);
}

/* Edit distance, for "did you mean". Names are short. */
static size_t distance(const char *a, const char *b)
{
	size_t row[32], n = strlen(b);

	if (n >= ARRAY_SIZE(row))
		return n;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; *a; i++, a++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = corner + (*a != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

static int unknown(const char *name)
{
	const struct command *nearest = commands;

	for (const struct command *c = commands; c->name; c++)
		if (distance(name, c->name) < distance(name, nearest->name))
			nearest = c;
	fprintf(stderr,
	        "obpipe: there is no command \"%s\"; did you mean \"%s\"? "
	        "`obpipe help` lists them.\n",
	        name, nearest->name);
	return EXIT_USAGE;
}

/* Commands that only talk HTTP do not need to know where PostgreSQL and Kafka are. */
static const char *lookup_http_only(void *arg, const char *env_name)
{
	const char *value = getenv(env_name);

	if (!value &&
	        (!strcmp(env_name, "OBPIPE_PG_DSN") || !strcmp(env_name, "OBPIPE_KAFKA_BROKERS")))
		return !strcmp(env_name, "OBPIPE_PG_DSN") ? "unused" : "127.0.0.1:9092";
	return value;
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	return false;
}

static int run(const struct command *c, int argc, char **argv)
{
	struct cli cli = {.command = c->name};
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	int code;

	if (wants_help(argc, argv)) {
		print_command(c);
		return EXIT_OK;
	}
	if (settings_load(&cli.settings, SETTING_CLI, c->needs_services ? NULL : lookup_http_only,
	            NULL, &errors) < 0) {
		fputs(errors.buf, stderr);
		fputs("`. .run/env` sets them for the stack of `make up`.\n", stderr);
		settings_release(&cli.settings);
		return EXIT_USAGE;
	}
	log_init("cli", (enum log_level)log_level_parse(cli.settings.log_level));
	code = c->run(&cli, argc, argv);
	settings_release(&cli.settings);
	return code;
}

int main(int argc, char **argv)
{
	if (argc < 2 || !strcmp(argv[1], "help") || !strcmp(argv[1], "--help") ||
	        !strcmp(argv[1], "-h")) {
		print_help();
		return argc < 2 ? EXIT_USAGE : EXIT_OK;
	}
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(argv[1], c->name))
			return run(c, argc - 1, argv + 1);
	return unknown(argv[1]);
}

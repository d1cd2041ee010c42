/* config: the effective settings. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/strbuf.h"

static void print_line(void *arg, const char *env, const char *value, const char *help)
{
	printf("%-32s %s\n", env, value);
}

static void print_json(void *arg, const char *env, const char *value, const char *help)
{
	struct strbuf line = STRBUF_INIT;
	int *count = arg;

	strbuf_adds(&line, (*count)++ ? ",\n  " : "{\n  ");
	strbuf_add_json(&line, env, strlen(env));
	strbuf_adds(&line, ": ");
	strbuf_add_json(&line, value, strlen(value));
	fputs(line.buf, stdout);
	strbuf_release(&line);
}

int cmd_config(struct cli *cli, int argc, char **argv)
{
	int count = 0;

	if (argc == 1) {
		settings_each(&cli->settings, print_line, NULL);
	} else if (argc == 2 && !strcmp(argv[1], "--json")) {
		settings_each(&cli->settings, print_json, &count);
		puts("\n}");
	} else if (argc == 2 && !strcmp(argv[1], "--markdown")) {
		settings_markdown(stdout);
	} else {
		return cli_usage(cli, "unknown argument \"%s\"", argv[1]);
	}
	return EXIT_OK;
}

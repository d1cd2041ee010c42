/* config: the effective settings. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/table.h"

static void add_row(void *arg, const char *env, const char *value, const char *help)
{
	table_add(arg, env);
	table_add(arg, value);
	table_add(arg, help);
}

static void add_member(void *arg, const char *env, const char *value, const char *help)
{
	json_object_set_new(arg, env, json_string(value));
}

static void print_table(const struct settings *settings)
{
	struct table *t = table_new((const char *const[]){"SETTING", "VALUE", "MEANING", NULL});

	settings_each(settings, add_row, t);
	table_print(t, stdout);
	table_free(t);
}

static void print_json(const struct settings *settings)
{
	json_t *all = json_object();

	settings_each(settings, add_member, all);
	cli_print_json(all);
	json_decref(all);
}

int cmd_config(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	        {"json", no_argument, NULL, 'j'}, {"markdown", no_argument, NULL, 'm'}, {0}};
	bool markdown = false;
	int option;

	for (bool first = true; (option = cli_option(cli, argc, argv, options, first)) != -1;
	        first = false) {
		if (option == '?')
			return EXIT_USAGE;
		*(option == 'j' ? &cli->json : &markdown) = true;
	}
	if (optind < argc)
		return cli_usage(cli, "unexpected argument \"%s\"", argv[optind]);
	if (markdown)
		settings_markdown(stdout);
	else if (cli->json)
		print_json(&cli->settings);
	else
		print_table(&cli->settings);
	return EXIT_OK;
}

#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"

/* ---- what was wrong ---- */

/* What to do about it, from the kind of failure and what the command talks to. */
static void print_advice(const struct cli *cli, const struct err *err)
{
	if (!strcmp(err->code, "42P01"))
		fprintf(stderr, "The database lacks a table: run `obpipe migrate` first.\n");
	else if (!strncmp(err->text, "PostgreSQL", 10) && !strncmp(err->code, "08", 2))
		fprintf(stderr, "Is it up? `make up` starts the stack; OBPIPE_PG_DSN says where "
		                "PostgreSQL is.\n");
	else if (err_is_retryable(err) && !strncmp(err->text, "Kafka", 5))
		fprintf(stderr,
		        "Is it up? `make up` starts the stack; OBPIPE_KAFKA_BROKERS says where "
		        "Kafka is, now %s.\n",
		        cli->settings.kafka_brokers);
}

int cli_fail(const struct cli *cli, const struct err *err)
{
	fprintf(stderr, "obpipe %s: %s%s%s%s\n", cli->command, err->text, err->code[0] ? " (" : "",
	        err->code, err->code[0] ? ")" : "");
	print_advice(cli, err);
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

/* ---- words ---- */

#define WORD_MAX 64

/* Edit distance (insert, remove, replace one letter). */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX], n = strlen(b);

	if (n >= WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (; *a; a++) {
		size_t corner = row[0];

		row[0]++;
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

const char *cli_nearest(const char *word, const char *const *words)
{
	const char *nearest = NULL;
	size_t best = SIZE_MAX;

	for (; *words; words++) {
		size_t d = distance(word, *words);
		size_t len = strlen(*words);

		/* The beginning of a word is the best hint there is. */
		if (*word && !strncmp(word, *words, strlen(word)))
			d = 0;
		if (d < best && d < (len > 2 ? len : 2)) {
			best = d;
			nearest = *words;
		}
	}
	return nearest;
}

int64_t cli_id(const char *text)
{
	char *end;
	int64_t id;

	if (*text < '0' || *text > '9')
		return -1;
	id = strtoll(text, &end, 10);
	return !*end && id > 0 && id <= JSON_SAFE_INTEGER_MAX ? id : -1;
}

void cli_print_json(const json_t *value)
{
	char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);

	puts(text ? text : "null");
	free(text);
}

/* ---- options ---- */

static int wrong_option(
        const struct cli *cli, const char *word, const struct option *options, bool value)
{
	const char *names[WORD_MAX];
	_cleanup_free_ char *name = xstrdup(word + strspn(word, "-"));
	const char *nearest;
	size_t n = 0;

	if (value) {
		cli_usage(cli, "%s takes no value", word);
		return '?';
	}
	name[strcspn(name, "=")] = '\0';
	for (; options->name && n + 1 < WORD_MAX; options++)
		names[n++] = options->name;
	names[n] = NULL;
	nearest = cli_nearest(name, names);
	if (nearest)
		cli_usage(cli, "there is no option \"%s\"; did you mean \"--%s\"?", word, nearest);
	else
		cli_usage(cli, "there is no option \"%s\"", word);
	return '?';
}

int cli_option(
        const struct cli *cli, int argc, char **argv, const struct option *options, bool first)
{
	int option;

	if (first)
		optind = 0; /* begins anew, whatever was read before */
	opterr = 0;
	option = getopt_long(argc, argv, ":", options, NULL);
	if (option == ':') {
		cli_usage(cli, "%s needs a value", argv[optind - 1]);
		return '?';
	}
	if (option == '?') {
		char letter[3] = {'-', (char)optopt, '\0'};

		/* A known option with a value it does not take, a letter, or a word. */
		for (const struct option *o = options; optopt && o->name; o++)
			if (o->val == optopt && !strncmp(argv[optind - 1], "--", 2))
				return wrong_option(cli, argv[optind - 1], options, true);
		return wrong_option(cli, optopt ? letter : argv[optind - 1], options, false);
	}
	return option;
}

int cli_only_json(struct cli *cli, int argc, char **argv, int *ret_at)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
	int option;

	for (bool first = true; (option = cli_option(cli, argc, argv, options, first)) != -1;
	        first = false) {
		if (option == '?')
			return EXIT_USAGE;
		cli->json = true;
	}
	*ret_at = optind;
	return EXIT_OK;
}

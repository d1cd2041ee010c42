/*
 * cli: what the commands of `obpipe` share. One thread. A command prints what it did on stdout and
 * what was wrong on stderr, and returns an exit code (common/exit_code.h).
 */
#ifndef OBPIPE_CLI_CLI_H
#define OBPIPE_CLI_CLI_H

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/exit_code.h"
#include "common/settings.h"

/* What a command talks to; a missing setting of it is said before the command runs. */
enum cli_needs { NEEDS_PG = 1, NEEDS_KAFKA = 2, NEEDS_HTTP = 4 };

struct http_client;

struct cli {
	struct settings settings;
	const char *command;      /* "user" */
	int needs;                /* enum cli_needs */
	bool json;                /* --json */
	struct http_client *http; /* made by the first http_call() */
};

struct command {
	const char *name;
	int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the command */
	const char *arguments; /* shown behind the name, one form a line */
	const char *help;      /* one sentence */
	const char *details;   /* options and what else there is to know; "" */
	const char *examples;
	int needs; /* enum cli_needs */
};

extern const struct command commands[]; /* the last one has no name */

/* Prints "obpipe COMMAND: text" and what to do about it. Returns the exit code of its kind. */
int cli_fail(const struct cli *cli, const struct err *err);
/* A wrong argument: prints it and where to find help. Returns EXIT_USAGE. */
int cli_usage(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * The next option of argv as getopt_long() gives it (options anywhere, optarg and optind set), -1
 * behind the last one. A wrong one is said together with the nearest there is, and '?' returned.
 * `first` is true on the first call for an argv.
 */
int cli_option(
        const struct cli *cli, int argc, char **argv, const struct option *options, bool first);
/* For commands whose only option is --json: takes it, leaves the rest from argv[*ret_at] on.
 * EXIT_OK, or EXIT_USAGE when something was wrong and said. */
int cli_only_json(struct cli *cli, int argc, char **argv, int *ret_at);

/* A positive id up to 2^53-1, or -1. */
int64_t cli_id(const char *text);
/* The one of `words` (NULL-ended) that is most like `word`; NULL when none is at all like it. */
const char *cli_nearest(const char *word, const char *const *words);
/* Prints a JSON value with a newline. */
void cli_print_json(const json_t *value);

int cmd_config(struct cli *cli, int argc, char **argv);
int cmd_events(struct cli *cli, int argc, char **argv);
int cmd_inventory(struct cli *cli, int argc, char **argv);
int cmd_log(struct cli *cli, int argc, char **argv);
int cmd_migrate(struct cli *cli, int argc, char **argv);
int cmd_retry(struct cli *cli, int argc, char **argv);
int cmd_submit(struct cli *cli, int argc, char **argv);
int cmd_task(struct cli *cli, int argc, char **argv);
int cmd_tasks(struct cli *cli, int argc, char **argv);
int cmd_topics(struct cli *cli, int argc, char **argv);
int cmd_user(struct cli *cli, int argc, char **argv);
int cmd_watch(struct cli *cli, int argc, char **argv);

#endif

/*
 * cli: what the commands of `obpipe` share. One thread. A command prints what it did on stdout and
 * what was wrong on stderr, and returns an exit code.
 */
#ifndef OBPIPE_CLI_CLI_H
#define OBPIPE_CLI_CLI_H

#include <stdbool.h>

#include "common/err.h"
#include "common/exit_code.h"
#include "common/settings.h"

struct cli {
	struct settings settings;
	const char *command; /* "user add" */
	bool json;           /* --json */
};

struct command {
	const char *name;
	int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the command */
	const char *arguments;                              /* shown behind the name */
	const char *help;
	const char *examples;
	bool needs_services; /* PostgreSQL and Kafka settings are required */
};

extern const struct command commands[];

/* Prints "obpipe COMMAND: text" and what to do about it. Returns the exit code of its kind. */
int cli_fail(const struct cli *cli, const struct err *err);
/* A wrong argument: prints it and where to find help. Returns EXIT_USAGE. */
int cli_usage(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

int cmd_migrate(struct cli *cli, int argc, char **argv);
int cmd_topics(struct cli *cli, int argc, char **argv);
int cmd_user(struct cli *cli, int argc, char **argv);
int cmd_config(struct cli *cli, int argc, char **argv);
int cmd_inventory(struct cli *cli, int argc, char **argv);
int cmd_events(struct cli *cli, int argc, char **argv);
int cmd_submit(struct cli *cli, int argc, char **argv);
int cmd_tasks(struct cli *cli, int argc, char **argv);
int cmd_task(struct cli *cli, int argc, char **argv);
int cmd_watch(struct cli *cli, int argc, char **argv);
int cmd_log(struct cli *cli, int argc, char **argv);
/* Follows a task until it ends: 0 successful, 1 failed, 2 unknown (watch.c). */
int watch_task(struct cli *cli, int64_t task_id);

int cmd_retry(struct cli *cli, int argc, char **argv);

#endif

/* watch: follows tasks until they end. One thread. */
#ifndef OBPIPE_CLI_WATCH_H
#define OBPIPE_CLI_WATCH_H

#include "cli/cli.h"

/* Exit codes of `obpipe watch` and of --watch. */
enum watch_code { WATCH_SUCCESSFUL = 0, WATCH_FAILED = 1, WATCH_UNKNOWN = 2 };

/* Follows the tasks until all have ended: a live table on a terminal, else one line a change. An
 * ingress that is away is waited for (30 s). Returns the worst of their codes. */
enum watch_code watch_tasks(struct cli *cli, const int64_t *ids, size_t count);

#endif

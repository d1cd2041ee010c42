/* options: the worker's command line; everything it can say is a setting too. */
#ifndef OBPIPE_WORKERS_OPTIONS_H
#define OBPIPE_WORKERS_OPTIONS_H

#include "workers/worker.h"

/*
 * Fills w->settings and w->roles from the environment and the options (--roles, --types, --slots,
 * --name). Returns -1 to go on, or the exit code to end with (help printed: 0; wrong: EXIT_USAGE,
 * every fault printed).
 */
int options_read(struct worker *w, int argc, char **argv);

#endif

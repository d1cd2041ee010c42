/* open_files: how many client connections the process's limit of open files leaves room for. */
#ifndef OBPIPE_PRODUCER_OPEN_FILES_H
#define OBPIPE_PRODUCER_OPEN_FILES_H

/*
 * Raises the soft limit of open files as far as `connections` need and the hard limit allows.
 * Returns how many connections then fit, at most `connections` and at least 1; says so in the log
 * when it is fewer. The process's table of files has room for them from then on; call
 * it before there are threads.
 */
int open_files_for(int connections);

#endif

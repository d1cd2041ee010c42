/* rpm_file: what an rpm file says of itself, read from its header. Blocking; any thread. */
#ifndef OBPIPE_CLI_RPM_FILE_H
#define OBPIPE_CLI_RPM_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/file.h"
#include "common/err.h"

#define RPM_TEXT_MAX 256

struct rpm_file {
	char name[RPM_TEXT_MAX], version[RPM_TEXT_MAX], release[RPM_TEXT_MAX], arch[RPM_TEXT_MAX];
	int64_t bytes;
	char sha256[SHA256_HEX_BYTES]; /* of the whole file */
};

/* PERMANENT when the file cannot be read or is no binary rpm (a text file of that name is none,
 * although rpm itself would take it for a list of packages). */
int rpm_file_read(const char *path, struct rpm_file *ret, struct err *err)
        __attribute__((warn_unused_result));

#endif

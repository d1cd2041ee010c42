/* file: reading small files whole. */
#ifndef OBPIPE_CLI_FILE_H
#define OBPIPE_CLI_FILE_H

#include <errno.h>
#include <stddef.h>

#include "common/err.h"

#define FILE_BYTES_MAX (16 * 1024 * 1024)

/* Reads a file ("-": stdin) of at most FILE_BYTES_MAX; *ret_text is NUL-terminated and the
 * caller's. ret_bytes may be NULL. */
int file_read(const char *path, char **ret_text, size_t *ret_bytes, struct err *err)
        __attribute__((warn_unused_result));

#endif

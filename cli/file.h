/* file: reading files whole, and their SHA-256. Blocking; any thread. */
#ifndef OBPIPE_CLI_FILE_H
#define OBPIPE_CLI_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define FILE_BYTES_MAX (16 * 1024 * 1024)
#define SHA256_HEX_BYTES 65 /* with the NUL */

/* Reads a file ("-": stdin) of at most FILE_BYTES_MAX; *ret_text is NUL-terminated and the
 * caller's. ret_bytes may be NULL. */
int file_read(const char *path, char **ret_text, size_t *ret_bytes, struct err *err)
        __attribute__((warn_unused_result));

/* Lower-case hex of bytes in memory. */
void sha256_hex(const void *data, size_t bytes, char *hex);
/* Size and SHA-256 of everything that can be read from fd, from its beginning. */
int file_digest(int fd, const char *path, int64_t *ret_bytes, char *hex, struct err *err)
        __attribute__((warn_unused_result));

#endif

/*
 * json: strict reading of foreign JSON by jansson, and small helpers. Any thread.
 */
#ifndef OBPIPE_COMMON_JSON_H
#define OBPIPE_COMMON_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/strbuf.h"

#define JSON_DEPTH_MAX 32

/* Integers beyond +-(2^53-1) are not exact in every JSON reader (RFC 8259 section 6). */
#define JSON_SAFE_INTEGER_MAX INT64_C(9007199254740991)

/*
 * Parses one JSON value that fills the input. Refuses with the byte position: a byte order mark,
 * bytes behind the value, duplicate member names, NUL (raw or \u0000), invalid UTF-8, nesting
 * deeper than JSON_DEPTH_MAX. Returns NULL and fills *err (PERMANENT). Caller owns the value.
 */
json_t *json_parse_strict(const void *data, size_t bytes, struct err *err)
        __attribute__((warn_unused_result));

/* Appends the compact form. */
void json_append(struct strbuf *sb, const json_t *value);
/* Members of an object: NULL or the default when absent or of another type. */
const char *json_text(const json_t *object, const char *name);
int64_t json_int(const json_t *object, const char *name, int64_t fallback);

#endif

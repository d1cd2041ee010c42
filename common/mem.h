/*
 * mem: allocation that cannot fail, and clean-up attributes.
 * Out of memory aborts the process: the rows and Kafka hold the truth, a restart goes on from
 * there.
 */
#ifndef OBPIPE_COMMON_MEM_H
#define OBPIPE_COMMON_MEM_H

#include <stddef.h>
#include <stdlib.h>

void *xmalloc(size_t bytes) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t bytes) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *ptr, size_t bytes) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *text, size_t bytes) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

static inline void free_ptr(void *ptr)
{
	free(*(void **)ptr);
}
/* `_cleanup_free_ char *x = ...;` frees x when it goes out of scope. */
#define _cleanup_free_ __attribute__((cleanup(free_ptr)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif

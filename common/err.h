/*
 * err: what went wrong, in one value.
 *
 * A function that can fail returns 0 or -1 and takes `struct err *err` last. On success *err is
 * untouched; on failure it holds one complete message that a person can act on. Library code never
 * logs; the loops that own the work (HTTP handler, intake, executor, relay, CLI main) log once.
 * Plain data: no clean-up, may be copied, any thread.
 */
#ifndef OBPIPE_COMMON_ERR_H
#define OBPIPE_COMMON_ERR_H

#include <stdarg.h>
#include <stdbool.h>

enum err_kind {
	ERR_NONE = 0,
	ERR_RETRYABLE, /* may succeed later by itself (service away, lock) */
	ERR_PERMANENT, /* will fail again until somebody changes something (bad input, bad data) */
	ERR_UNKNOWN,   /* it may have happened (connection lost in commit) */
	ERR_FATAL,     /* this process cannot go on (settings, broken invariant) */
	ERR_CANCELLED, /* asked to stop */
};

#define ERR_CODE_BYTES 16
#define ERR_TEXT_BYTES 1024

struct err {
	enum err_kind kind;
	char code[ERR_CODE_BYTES]; /* an OCP code ("CMP07005"), an SQLSTATE, or "" */
	char text[ERR_TEXT_BYTES]; /* one sentence; a longer one is cut and ends in "..." */
};

/* Fills *err (when not NULL) and returns -1, so that `return err_set(...)` is one line. */
int err_set(struct err *err, enum err_kind kind, const char *code, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));
int err_vset(struct err *err, enum err_kind kind, const char *code, const char *fmt, va_list ap)
        __attribute__((format(printf, 4, 0)));

/* Puts "what: " before the text that is there. Returns -1. */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts a system error (errno value) behind the message. Returns -1. */
int err_errno(struct err *err, enum err_kind kind, int errnum, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));

static inline bool err_is_retryable(const struct err *err)
{
	return err->kind == ERR_RETRYABLE || err->kind == ERR_UNKNOWN;
}

/* A broken invariant of our own: says where, then aborts. Never for foreign data. */
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
void bug_at(const char *file, int line, const char *fmt, ...)
        __attribute__((format(printf, 3, 4), noreturn));

#endif

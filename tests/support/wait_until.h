/*
 * wait_until: how a test waits: for a condition, with a deadline, never for a time.
 */
#ifndef OBPIPE_TESTS_SUPPORT_WAIT_UNTIL_H
#define OBPIPE_TESTS_SUPPORT_WAIT_UNTIL_H

#include <stdbool.h>

/*
 * Calls cond(arg) every 5 ms until it is true, at most deadline_ms long. Returns whether it became
 * true; when it did not, says on stderr which condition was waited for, where and how long.
 * bool wait_until(bool (*cond)(void *), void *arg, int deadline_ms)
 */
#define wait_until(cond, arg, deadline_ms)                                                         \
	wait_until_at(__FILE__, __LINE__, #cond, cond, arg, deadline_ms)
bool wait_until_at(const char *file, int line, const char *what, bool (*cond)(void *), void *arg,
        int deadline_ms);

#endif

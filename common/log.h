/*
 * log: one JSON object a line on stderr: ts, level, role, msg, then the pairs given.
 * Any thread. Values of settings marked secret, passwords and tokens must never be passed.
 */
#ifndef OBPIPE_COMMON_LOG_H
#define OBPIPE_COMMON_LOG_H

#include <stdint.h>

#include "common/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_NOTICE, LOG_INFO, LOG_DEBUG, LOG_LEVEL_MAX };

/* Sets the threshold and the role ("producer", "worker"); call once before threads start. */
void log_init(const char *role, enum log_level level);
/* Looks a level up by name ("info"); -1 when there is none. */
int log_level_parse(const char *name);

/*
 * log_event(LOG_WARN, "kafka away", "broker", "s", addr, "tries", "i", (int64_t)n, NULL)
 * Pairs are name, type letter, value: "s" const char * (NULL prints null), "i" int64_t,
 * "e" const struct err * (prints its text and code). Ends with NULL.
 */
void log_event(enum log_level level, const char *msg, ...) __attribute__((sentinel));

#define log_error(...) log_event(LOG_ERROR, __VA_ARGS__, NULL)
#define log_warn(...) log_event(LOG_WARN, __VA_ARGS__, NULL)
#define log_notice(...) log_event(LOG_NOTICE, __VA_ARGS__, NULL)
#define log_info(...) log_event(LOG_INFO, __VA_ARGS__, NULL)
#define log_debug(...) log_event(LOG_DEBUG, __VA_ARGS__, NULL)

#endif

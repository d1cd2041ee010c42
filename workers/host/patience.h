/*
 * patience: how long a call may wait, and who may end it. Plain data.
 */
#ifndef OBPIPE_WORKERS_HOST_PATIENCE_H
#define OBPIPE_WORKERS_HOST_PATIENCE_H

#include <stdint.h>

#include "common/err.h"

struct subtask_ctx;

/* Nobody waits longer than this without looking whether it is to end. */
#define PATIENCE_SLICE_MS 50

struct patience {
	struct subtask_ctx *ctx; /* cancel and deadline; NULL: nobody cancels */
	int64_t until_ms;        /* monotonic; 0: no end of its own */
};

enum patience_end { PATIENCE_LEFT, PATIENCE_CANCELLED, PATIENCE_DEADLINE, PATIENCE_OVER };

/* `timeout_ms` from now; 0: no end. */
struct patience patience_new(struct subtask_ctx *ctx, int64_t timeout_ms);
enum patience_end patience_look(const struct patience *p);
/* ms that one wait may take: a slice, or less when the time is nearly over. */
int patience_slice_ms(const struct patience *p);
/*
 * 0 while there is patience left. Else -1: "label: cancelled while doing" (CANCELLED), or "... took
 * too long" (RETRYABLE, TSK10012) for the call's own time.
 */
int patience_check(const struct patience *p, const char *label, const char *doing, struct err *err);
/* The same for an end already known (not PATIENCE_LEFT). Returns -1. */
int patience_err(enum patience_end end, const char *label, const char *doing, struct err *err);
/* Waits for events (poll.h) on fd, one slice at the most. Returns what poll() found. */
int patience_poll(const struct patience *p, int fd, short events);

#endif

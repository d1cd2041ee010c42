#include "workers/host/patience.h"

#include <poll.h>

#include "common/clock.h"
#include "workers/subtask_type.h"

struct patience patience_new(struct subtask_ctx *ctx, int64_t timeout_ms)
{
	return (struct patience){ctx, timeout_ms ? clock_mono_ms() + timeout_ms : 0};
}

enum patience_end patience_look(const struct patience *p)
{
	int64_t now = clock_mono_ms();

	/* The deadline is looked at first: the executor cancels for it too, and the reason counts.
	 */
	if (p->ctx && p->ctx->deadline_ms && now >= p->ctx->deadline_ms)
		return PATIENCE_DEADLINE;
	if (p->ctx && subtask_cancelled(p->ctx))
		return PATIENCE_CANCELLED;
	if (p->until_ms && now >= p->until_ms)
		return PATIENCE_OVER;
	return PATIENCE_LEFT;
}

int patience_slice_ms(const struct patience *p)
{
	int64_t ms = PATIENCE_SLICE_MS;

	if (p->until_ms) {
		int64_t left = p->until_ms - clock_mono_ms();

		if (left < ms)
			ms = left > 0 ? left : 0;
	}
	return (int)ms;
}

int patience_err(enum patience_end end, const char *label, const char *doing, struct err *err)
{
	switch (end) {
	case PATIENCE_LEFT:
		BUG("there is patience left");
	case PATIENCE_CANCELLED:
		return err_set(
		        err, ERR_CANCELLED, "TSK10014", "%s: cancelled while: %s", label, doing);
	case PATIENCE_DEADLINE:
		return err_set(err, ERR_CANCELLED, "TSK10012",
		        "%s: the subtask's time was over while: %s", label, doing);
	case PATIENCE_OVER:
		return err_set(err, ERR_RETRYABLE, "TSK10012",
		        "%s: this took longer than it may: %s", label, doing);
	}
	return -1;
}

int patience_check(const struct patience *p, const char *label, const char *doing, struct err *err)
{
	enum patience_end end = patience_look(p);

	return end == PATIENCE_LEFT ? 0 : patience_err(end, label, doing, err);
}

int patience_poll(const struct patience *p, int fd, short events)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	return poll(&pfd, 1, patience_slice_ms(p)) > 0 ? pfd.revents : 0;
}

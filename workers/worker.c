#include "workers/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"

const char *worker_who(const struct worker *w, const char *role)
{
	static _Thread_local char who[48];

	snprintf(who, sizeof(who), "%s/%lld", role, (long long)atomic_load(&w->worker_id));
	return who;
}

bool worker_may_start(const struct worker *w)
{
	/* Well before the verdict, so that what we start is never started twice. */
	return atomic_load(&w->worker_id) != 0 &&
	       clock_mono_ms() - atomic_load(&w->renewed_ms) < w->settings.verdict_ms * 3 / 5;
}

void worker_committed(struct worker *w)
{
	static const uint64_t one = 1;
	ssize_t n;

	if (!atomic_load(&w->leader) || atomic_exchange(&w->committed, true))
		return;
	n = write(w->commit_fd, &one, sizeof(one));
	(void)n; /* full counter: readable anyway */
}

void worker_await_commit(struct worker *w, int64_t ms)
{
	struct pollfd fd = {.fd = w->commit_fd, .events = POLLIN};
	uint64_t count;
	ssize_t n;

	if (poll(&fd, 1, ms > 0 ? (int)ms : 0) <= 0)
		return;
	n = read(w->commit_fd, &count, sizeof(count));
	(void)n;
	/* Whoever finds it still set committed before the read that follows. */
	atomic_store(&w->committed, false);
}

void worker_open(struct worker *w)
{
	w->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->stop_fd < 0)
		BUG("eventfd: %s", strerror(errno));
}

void worker_stop(struct worker *w)
{
	static const uint64_t one = 1;
	ssize_t n;

	atomic_store(&w->stopping, true);
	n = write(w->stop_fd, &one, sizeof(one));
	(void)n; /* cannot be full */
}

void worker_pause(struct worker *w, int64_t ms)
{
	/* Nobody reads it: all who wait wake. */
	struct pollfd fd = {.fd = w->stop_fd, .events = POLLIN};

	if (!atomic_load(&w->stopping) && ms > 0)
		(void)poll(&fd, 1, ms > INT32_MAX ? INT32_MAX : (int)ms);
}

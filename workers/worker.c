#include "workers/worker.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"

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

void worker_pause(struct worker *w, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;

	while (!atomic_load(&w->stopping)) {
		int64_t left = until - clock_mono_ms();
		int64_t nap = left < 50 ? left : 50;

		if (left <= 0)
			return;
		clock_sleep_ms(nap);
	}
}

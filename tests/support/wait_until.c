#include "tests/support/wait_until.h"

#include <stdio.h>
#include <time.h>

#include "common/clock.h"

#define POLL_MS 5

bool wait_until_at(const char *file, int line, const char *what, bool (*cond)(void *), void *arg,
        int deadline_ms)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	int64_t deadline = clock_mono_ms() + deadline_ms;
	for (;;) {
		/* The clock is read first: what became true during the last pause still counts. */
		bool late = clock_mono_ms() >= deadline;
		if (cond(arg))
			return true;
		if (late)
			break;
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "%s:%d: %s did not become true within %d ms\n", file, line, what,
	        deadline_ms);
	return false;
}

#include "common/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#define EVENTS_A_TURN 64

struct watch {
	loop_fd_fn fn;
	void *arg;
	uint32_t generation; /* tells a reused fd from the one an old event was about */
};

struct loop_timer {
	struct loop *loop;
	loop_fn fn;
	void *arg;
	int64_t due_us; /* 0: not armed */
	struct loop_timer *next;
};

struct loop {
	int epoll_fd;
	int wake_fd;
	struct watch *watches; /* by fd */
	int watch_alloc;
	uint32_t generation;
	struct loop_timer *timers; /* a few per program: a list is enough */
	loop_fn after;
	void *after_arg;
	volatile int stopped;
};

static void must(int rc, const char *what)
{
	if (rc < 0)
		BUG("%s: %s", what, strerror(errno));
}

struct loop *loop_new(void)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));
	struct epoll_event ev = {.events = EPOLLIN};

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	must(loop->epoll_fd, "epoll_create1");
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	must(loop->wake_fd, "eventfd");
	ev.data.u64 = (uint64_t)loop->wake_fd;
	must(epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &ev), "epoll_ctl wake");
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->timers)
		BUG("loop freed with timers left");
	close(loop->epoll_fd);
	close(loop->wake_fd);
	free(loop->watches);
	free(loop);
}

static uint64_t event_tag(int fd, uint32_t generation)
{
	return (uint64_t)generation << 32 | (uint32_t)fd;
}

void loop_add(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *arg)
{
	struct epoll_event ev = {.events = events};

	if (fd >= loop->watch_alloc) {
		int alloc = fd + 64;

		loop->watches = xrealloc(loop->watches, (size_t)alloc * sizeof(*loop->watches));
		memset(loop->watches + loop->watch_alloc, 0,
		        (size_t)(alloc - loop->watch_alloc) * sizeof(*loop->watches));
		loop->watch_alloc = alloc;
	}
	loop->watches[fd] = (struct watch){.fn = fn, .arg = arg, .generation = ++loop->generation};
	ev.data.u64 = event_tag(fd, loop->generation);
	must(epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev), "epoll_ctl add");
}

static bool is_watched(const struct loop *loop, int fd)
{
	return fd >= 0 && fd < loop->watch_alloc && loop->watches[fd].fn;
}

void loop_mod(struct loop *loop, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events};

	if (!is_watched(loop, fd))
		BUG("loop_mod of fd %d that is not watched", fd);
	ev.data.u64 = event_tag(fd, loop->watches[fd].generation);
	must(epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &ev), "epoll_ctl mod");
}

void loop_del(struct loop *loop, int fd)
{
	if (!is_watched(loop, fd))
		return;
	loop->watches[fd].fn = NULL;
	/* The owner may have closed it already (libpq does on failure): nothing left to remove. */
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn fn, void *arg)
{
	struct loop_timer *timer = xcalloc(1, sizeof(*timer));

	timer->loop = loop;
	timer->fn = fn;
	timer->arg = arg;
	timer->next = loop->timers;
	loop->timers = timer;
	return timer;
}

void loop_timer_arm(struct loop_timer *timer, int64_t delay_ms)
{
	timer->due_us = clock_mono_us() + delay_ms * 1000;
}

void loop_timer_disarm(struct loop_timer *timer)
{
	timer->due_us = 0;
}

void loop_timer_free(struct loop_timer *timer)
{
	struct loop_timer **at;

	if (!timer)
		return;
	for (at = &timer->loop->timers; *at != timer; at = &(*at)->next)
		;
	*at = timer->next;
	free(timer);
}

void loop_set_after(struct loop *loop, loop_fn fn, void *arg)
{
	loop->after = fn;
	loop->after_arg = arg;
}

void loop_wake(struct loop *loop)
{
	uint64_t one = 1;
	ssize_t n = write(loop->wake_fd, &one, sizeof(one));

	(void)n; /* full counter: a wake-up is under way anyway */
}

/* How long epoll may sleep: until the next timer, at most timeout_ms (-1: no limit). */
static int sleep_ms(const struct loop *loop, int timeout_ms)
{
	int64_t now = 0;

	for (const struct loop_timer *t = loop->timers; t; t = t->next) {
		int64_t left;

		if (!t->due_us)
			continue;
		if (!now)
			now = clock_mono_us();
		/* Rounded up, or the loop would spin through the last fraction of a ms. */
		left = t->due_us <= now ? 0 : (t->due_us - now + 999) / 1000;
		if (timeout_ms < 0 || left < timeout_ms)
			timeout_ms = (int)left;
	}
	return timeout_ms;
}

static void run_timers(struct loop *loop)
{
	int64_t now = clock_mono_us();
	struct loop_timer *timer = loop->timers;

	while (timer) {
		if (timer->due_us && timer->due_us <= now) {
			timer->due_us = 0;
			timer->fn(timer->arg);
			/* The list may have changed: start again; what ran is not due any more. */
			timer = loop->timers;
			continue;
		}
		timer = timer->next;
	}
}

static void dispatch(struct loop *loop, const struct epoll_event *ev)
{
	int fd = (int)(uint32_t)ev->data.u64;
	uint32_t generation = (uint32_t)(ev->data.u64 >> 32);

	if (fd == loop->wake_fd) {
		uint64_t count;
		ssize_t n = read(loop->wake_fd, &count, sizeof(count));

		(void)n;
		return;
	}
	if (is_watched(loop, fd) && loop->watches[fd].generation == generation)
		loop->watches[fd].fn(loop->watches[fd].arg, ev->events);
}

void loop_turn(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS_A_TURN];
	int n = epoll_wait(loop->epoll_fd, events, EVENTS_A_TURN, sleep_ms(loop, timeout_ms));

	if (n < 0 && errno != EINTR)
		BUG("epoll_wait: %s", strerror(errno));
	for (int i = 0; i < n; i++)
		dispatch(loop, &events[i]);
	run_timers(loop);
	if (loop->after)
		loop->after(loop->after_arg);
}

void loop_run(struct loop *loop)
{
	while (!loop->stopped)
		loop_turn(loop, -1);
}

void loop_stop(struct loop *loop)
{
	loop->stopped = 1;
	loop_wake(loop);
}

bool loop_stopped(const struct loop *loop)
{
	return loop->stopped;
}

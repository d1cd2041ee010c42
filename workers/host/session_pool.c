#include "workers/host/session_pool.h"

#include <errno.h>
#include <time.h>

#include "common/clock.h"
#include "workers/host/host.h"

/* One connect in progress, on the stack of who connects. */
struct connecting {
	int64_t host_id;
	int64_t begun_ms;
	struct connecting *next;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a connect is over */
	struct session *idle;   /* the one used last comes first */
	struct connecting *connects;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void free_list(struct session *list)
{
	while (list) {
		struct session *next = list->next;

		session_free(list);
		list = next;
	}
}

/* Takes what is too old or too much out of the list; closing is done without the lock. */
static struct session *take_surplus(void)
{
	int64_t oldest = clock_mono_ms() - POOL_IDLE_MS;
	struct session **at = &pool.idle, *surplus;

	for (int count = 0; *at && count < POOL_IDLE_MAX && (*at)->idle_since_ms >= oldest; count++)
		at = &(*at)->next;
	surplus = *at;
	*at = NULL;
	return surplus;
}

static struct session *take_idle(const struct target *target)
{
	struct session *surplus, *found = NULL;

	pthread_mutex_lock(&pool.lock);
	surplus = take_surplus();
	for (struct session **at = &pool.idle; *at; at = &(*at)->next) {
		if (!target_equal(&(*at)->target, target))
			continue;
		found = *at;
		*at = found->next;
		found->next = NULL;
		break;
	}
	pthread_mutex_unlock(&pool.lock);
	free_list(surplus);
	return found;
}

void pool_put(struct session *s)
{
	struct session *surplus;

	s->idle_since_ms = clock_mono_ms();
	pthread_mutex_lock(&pool.lock);
	s->next = pool.idle;
	pool.idle = s;
	surplus = take_surplus();
	pthread_mutex_unlock(&pool.lock);
	free_list(surplus);
}

void pool_forget(int64_t host_id)
{
	struct session *gone = NULL;

	pthread_mutex_lock(&pool.lock);
	for (struct session **at = &pool.idle; *at;) {
		struct session *s = *at;

		if (s->target.host_id != host_id) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		s->next = gone;
		gone = s;
	}
	pthread_mutex_unlock(&pool.lock);
	free_list(gone);
}

void host_sessions_close(void)
{
	struct session *all;

	pthread_mutex_lock(&pool.lock);
	all = pool.idle;
	pool.idle = NULL;
	pthread_mutex_unlock(&pool.lock);
	free_list(all);
}

static bool may_connect(int64_t host_id)
{
	int64_t busy_since = clock_mono_ms() - POOL_CONNECT_BUSY_MS;
	int same = 0, busy = 0;

	for (const struct connecting *c = pool.connects; c; c = c->next) {
		same += c->host_id == host_id;
		busy += c->begun_ms > busy_since;
	}
	return same < POOL_CONNECTS_PER_HOST && busy < POOL_CONNECTS_MAX;
}

static void wait_changed(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += PATIENCE_SLICE_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_cond_timedwait(&pool.changed, &pool.lock, &until);
}

static int begin_connect(struct connecting *c, const struct patience *p, struct err *err)
{
	enum patience_end end = PATIENCE_LEFT;

	pthread_mutex_lock(&pool.lock);
	while (!may_connect(c->host_id) && (end = patience_look(p)) == PATIENCE_LEFT)
		wait_changed();
	if (end == PATIENCE_LEFT) {
		c->next = pool.connects;
		c->begun_ms = clock_mono_ms();
		pool.connects = c;
	}
	pthread_mutex_unlock(&pool.lock);
	if (end == PATIENCE_LEFT)
		return 0;
	return patience_err(end, "hosts", "wait for other connections being made", err);
}

static void end_connect(struct connecting *c)
{
	struct connecting **at = &pool.connects;

	pthread_mutex_lock(&pool.lock);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	pthread_cond_broadcast(&pool.changed);
	pthread_mutex_unlock(&pool.lock);
}

int pool_get(struct target *target, const struct patience *p, struct session **ret, bool *ret_used,
        struct err *err)
{
	struct connecting c = {.host_id = target->host_id};
	struct session *s = take_idle(target);
	int rc;

	*ret_used = s != NULL;
	if (s) {
		target_release(target);
		*ret = s;
		return 0;
	}
	rc = begin_connect(&c, p, err);
	if (rc < 0) {
		target_release(target);
		return -1;
	}
	rc = session_connect(target, p, ret, err);
	end_connect(&c);
	return rc;
}

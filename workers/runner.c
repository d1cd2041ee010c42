/* runner: runs attempts on slot threads, or here when their type never blocks. */
#include <stdlib.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "workers/executor_internal.h"

#define STACK_BYTES (512 * 1024)

static void *slot_thread(void *arg)
{
	struct executor *ex = arg;
	struct runner *r = &ex->runner;

	pthread_mutex_lock(&r->lock);
	while (true) {
		struct attempt *a;

		while (!r->queue && !r->stop) {
			r->idle++;
			pthread_cond_wait(&r->work, &r->lock);
			r->idle--;
		}
		if (!r->queue)
			break;
		a = r->queue;
		r->queue = a->next;
		if (!r->queue)
			r->queue_tail = NULL;
		pthread_mutex_unlock(&r->lock);
		attempt_run(a);
		pthread_mutex_lock(&r->lock);
		a->next = r->finished;
		r->finished = a;
		loop_wake(ex->loop);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static void add_thread(struct executor *ex)
{
	struct runner *r = &ex->runner;
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (pthread_create(&r->ids[r->threads], &attr, slot_thread, ex) == 0)
		r->threads++;
	else if (r->threads == 0)
		BUG("cannot start a slot thread");
	pthread_attr_destroy(&attr);
}

static void to_slot(struct executor *ex, struct attempt *a)
{
	struct runner *r = &ex->runner;

	a->on_slot = true;
	a->log_flushed_ms = clock_mono_ms();
	pthread_mutex_lock(&r->lock);
	a->next = NULL;
	if (r->queue_tail)
		r->queue_tail->next = a;
	else
		r->queue = a;
	r->queue_tail = a;
	if (r->idle == 0 && r->threads < r->threads_max)
		add_thread(ex);
	pthread_cond_signal(&r->work);
	pthread_mutex_unlock(&r->lock);
}

/* The earliest LATER attempt sets the timer. */
static void arm_later(struct executor *ex)
{
	int64_t first = 0, now = clock_mono_ms();
	struct attempt *a, *tmp;

	HASH_ITER(hh, ex->running, a, tmp)
	if (a->due_ms && (!first || a->due_ms < first))
		first = a->due_ms;
	if (first)
		loop_timer_arm(ex->later_timer, first > now ? first - now : 0);
}

static void result(struct executor *ex, struct attempt *a)
{
	metric_observe_us(METRIC_RUN_SECONDS, clock_mono_us() - a->started_us);
	if (atomic_load(&a->stop) == STOP_ABANDON && a->outcome != SUBTASK_DONE) {
		executor_forget(ex, a);
		return;
	}
	attempt_decide(a);
	completer_add(ex, a);
}

void runner_start(struct executor *ex, struct attempt *a)
{
	metric_add(METRIC_SLOTS_USED, 1);
	if (!a->type->type->never_blocks) {
		to_slot(ex, a);
		return;
	}
	attempt_run(a);
	if (a->outcome == SUBTASK_LATER) {
		a->due_ms = clock_mono_ms() + a->wait_ms;
		arm_later(ex);
		return;
	}
	result(ex, a);
}

static void end_later(struct executor *ex, struct attempt *a, enum subtask_outcome outcome)
{
	a->due_ms = 0;
	a->outcome = outcome;
	result(ex, a);
}

static void on_later(void *arg)
{
	struct executor *ex = arg;
	int64_t now = clock_mono_ms();
	struct attempt *a, *tmp;

	HASH_ITER(hh, ex->running, a, tmp)
	if (a->due_ms && a->due_ms <= now)
		end_later(ex, a, SUBTASK_DONE);
	arm_later(ex);
	completer_push(ex);
}

void runner_collect(struct executor *ex)
{
	struct runner *r = &ex->runner;
	struct attempt *a;

	pthread_mutex_lock(&r->lock);
	a = r->finished;
	r->finished = NULL;
	pthread_mutex_unlock(&r->lock);
	while (a) {
		struct attempt *next = a->next;

		a->on_slot = false;
		a->next = NULL;
		result(ex, a);
		a = next;
	}
}

static void stop_attempt(struct executor *ex, struct attempt *a, enum stop_reason reason)
{
	int none = STOP_NONE;

	if (!atomic_compare_exchange_strong(&a->stop, &none, reason) && reason != STOP_ABANDON)
		return;
	atomic_store(&a->stop, reason);
	if (!a->due_ms)
		return; /* its thread sees it */
	if (reason == STOP_DEADLINE)
		err_set(&a->err, ERR_PERMANENT, "TSK10012", "not done within its timeout of %d s",
		        a->node->timeout_s);
	end_later(ex, a, reason == STOP_DEADLINE ? SUBTASK_FAIL : SUBTASK_LATER);
}

void runner_stop_all(struct executor *ex, enum stop_reason reason)
{
	struct attempt *a, *tmp;

	HASH_ITER(hh, ex->running, a, tmp)
	if (a->on_slot || a->due_ms)
		stop_attempt(ex, a, reason);
}

void runner_tick(struct executor *ex)
{
	int64_t now = clock_mono_ms();
	struct attempt *a, *tmp;

	HASH_ITER(hh, ex->running, a, tmp)
	if ((a->on_slot || a->due_ms) && a->ctx.deadline_ms && a->ctx.deadline_ms <= now)
		stop_attempt(ex, a, STOP_DEADLINE);
}

void runner_open(struct executor *ex)
{
	struct runner *r = &ex->runner;

	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->work, NULL);
	for (int i = 0; i < ex->lane_count; i++)
		if (!ex->lanes[i].type->type->never_blocks)
			r->threads_max += ex->lanes[i].limit;
	r->ids = xcalloc((size_t)r->threads_max + 1, sizeof(*r->ids));
	ex->later_timer = loop_timer_new(ex->loop, on_later, ex);
}

void runner_close(struct executor *ex)
{
	struct runner *r = &ex->runner;

	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->work);
	pthread_mutex_unlock(&r->lock);
	for (int i = 0; i < r->threads; i++)
		pthread_join(r->ids[i], NULL);
	free(r->ids);
	pthread_cond_destroy(&r->work);
	pthread_mutex_destroy(&r->lock);
	loop_timer_free(ex->later_timer);
}

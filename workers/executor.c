#include "workers/executor.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "workers/executor_internal.h"
#include "workers/handoff_box.h"

#define TICK_MS 100
#define TICKS_A_SECOND (1000 / TICK_MS)
/* After the drain time is over: for steps to notice and for the last commit. */
#define FORCED_MS 15000
#define FLUSH_MS 1000

/* Declared dead: what ran under the old number ends, its results count for nothing. */
static void check_identity(struct executor *ex)
{
	int64_t id = atomic_load(&ex->worker->worker_id);

	if (id == ex->seen_worker_id)
		return;
	if (ex->seen_worker_id)
		runner_stop_all(ex, STOP_ABANDON);
	ex->seen_worker_id = id;
	ex->readopted = false; /* the new number has nothing; asked all the same */
}

static void check_drain(struct executor *ex)
{
	int64_t now = clock_mono_ms();

	if (!ex->draining)
		return;
	if (!ex->claiming && !ex->running && !ex->done && !completer_busy(ex)) {
		loop_stop(ex->loop);
		return;
	}
	if (now < ex->drain_until_ms)
		return;
	if (!ex->drain_forced) {
		ex->drain_forced = true;
		ex->drain_until_ms = now + FORCED_MS;
		log_notice("drain time is over, handing back what still runs");
		runner_stop_all(ex, STOP_DRAIN);
		completer_push(ex);
		return;
	}
	log_error("subtasks left behind; they go on elsewhere after the verdict on this worker",
	        "subtasks", "i", (int64_t)HASH_COUNT(ex->running));
	loop_stop(ex->loop);
}

static void start_drain(struct executor *ex)
{
	ex->draining = true;
	ex->drain_until_ms = clock_mono_ms() + ex->settings->drain_timeout_ms;
	log_notice("draining", "subtasks", "i", (int64_t)HASH_COUNT(ex->running));
	hint_queue_close(ex);
}

static void on_tick(void *arg)
{
	struct executor *ex = arg;
	static _Thread_local int ticks;

	loop_timer_arm(ex->tick, TICK_MS);
	if (atomic_load(&ex->worker->stopping) && !ex->draining)
		start_drain(ex);
	check_identity(ex);
	runner_tick(ex);
	claimer_tick(ex);
	completer_push(ex);
	if (++ticks % TICKS_A_SECOND == 0) {
		hint_queue_tick(ex);
		hint_sender_poll(ex->worker->hints);
		dead_letters_poll(&ex->dead_letters);
	}
}

/* Every turn: results that came in are sent, slots that came free are filled. */
static void after_turn(void *arg)
{
	struct executor *ex = arg;

	runner_collect(ex);
	completer_push(ex);
	handoff_take_roots(ex);
	claimer_push(ex);
	check_drain(ex);
}

static void on_hints_event(void *arg, uint32_t events)
{
	struct executor *ex = arg;

	hint_sender_poll(ex->worker->hints);
}

static void *run(void *arg)
{
	struct executor *ex = arg;

	loop_run(ex->loop);
	return NULL;
}

struct executor *executor_start(struct worker *w, struct err *err)
{
	struct executor *ex = xcalloc(1, sizeof(*ex));

	ex->worker = w;
	ex->settings = &w->settings;
	ex->loop = loop_new();
	if (hint_queue_open(ex, err) < 0)
		return NULL; /* start-up ends the process */
	loop_add(ex->loop, hint_sender_fd(w->hints), EPOLLIN, on_hints_event, ex);
	runner_open(ex);
	claimer_open(ex);
	completer_open(ex);
	ex->tick = loop_timer_new(ex->loop, on_tick, ex);
	loop_timer_arm(ex->tick, TICK_MS);
	loop_set_after(ex->loop, after_turn, ex);
	if (ex->worker->box)
		handoff_box_open(ex->worker->box, ex->loop);
	if (pthread_create(&ex->thread, NULL, run, ex) != 0)
		BUG("cannot start the executor thread");
	return ex;
}

void executor_stop(struct executor *ex)
{
	struct attempt *a, *tmp;

	if (!ex)
		return;
	if (ex->worker->box)
		handoff_box_open(ex->worker->box, NULL);
	loop_wake(ex->loop);
	pthread_join(ex->thread, NULL);
	claimer_close(ex);
	completer_close(ex);
	runner_close(ex);
	HASH_ITER(hh, ex->running, a, tmp)
	executor_forget(ex, a);
	loop_timer_free(ex->tick);
	dead_letters_release(&ex->dead_letters, FLUSH_MS);
	for (int i = 0; i < ex->lane_count; i++)
		free(ex->lanes[i].ring);
	free(ex->partitions);
	loop_free(ex->loop);
	free(ex);
}

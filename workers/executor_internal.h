/*
 * executor_internal: the parts of one executor, all on its loop thread unless said otherwise.
 *
 *   hint_queue  Kafka -> a queue of hints a type; pauses, resumes, commits
 *   claimer     hints (and stolen rows) -> claim batches -> attempts; re-adoption
 *   stealer     READY rows whose hint did not come -> the same queues
 *   runner      attempts -> slot threads (or run here, for types that never block) -> results
 *   completer   results -> complete batches -> hints for the downstreams; completer_moves has their
 *               statements
 *   handoff     complete batches that also claim the downstreams; roots without a message
 *               (OBPIPE_HANDOFF)
 *
 * Claims use one connection and completions two, each with one batch in flight: what gathers
 * meanwhile is the next batch. No timers on that path.
 */
#ifndef OBPIPE_WORKERS_EXECUTOR_INTERNAL_H
#define OBPIPE_WORKERS_EXECUTOR_INTERNAL_H

#include <pthread.h>

#include "common/db_async.h"
#include "common/kafka.h"
#include "common/loop.h"
#include "workers/attempt.h"
#include "workers/dead_letter.h"
#include "workers/hint_sender.h"
#include "workers/id_scan.h"
#include "workers/worker.h"

#define TYPES_SERVED_MAX 512
/* With one, a single server process of PostgreSQL would be what limits handoff. */
#define COMPLETIONS 2

/* A hint waiting for a slot. partition -1: found in PostgreSQL, not read from Kafka. */
struct queued_hint {
	int64_t task_id, subtask_id;
	int64_t offset;
	int32_t partition;
};

/* One subtask type this worker serves. */
struct lane {
	const struct catalog_type *type;
	struct queued_hint *ring;
	size_t head, count, alloc; /* alloc is a power of two */
	int used;                  /* slots taken: claimed and not completed */
	int handing[COMPLETIONS];  /* of these, held for what each complete batch may claim */
	int limit;
	bool paused;
};

struct partition_state {
	struct lane *lane;
	int32_t partition;
	int64_t next;      /* next offset to read */
	int64_t committed; /* last offset committed */
};

/* A subtask a complete batch makes READY; published once it is committed. */
struct ready_row {
	int64_t task_id, subtask_id;
	int16_t type_id;
};

/* A connection for complete batches, and the one in flight on it. */
struct completion {
	struct executor *ex;
	struct db_async *db;
	struct attempt *list;     /* of the batch in flight; NULL: none is */
	struct attempt **by_task; /* the same in order of task id */
	size_t count;
	struct ready_row *ready;
	size_t ready_count, ready_alloc;
	int answer;             /* index of the statement whose rows say what was done */
	bool apart;             /* that statement is subtask_succeed */
	bool handing;           /* the batch may claim downstreams (handoff) */
	struct attempt *handed; /* attempts its answer made */
};

struct runner {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct attempt *queue, *queue_tail; /* to run */
	struct attempt *finished;           /* ran */
	int threads, idle, threads_max;
	bool stop;
	pthread_t *ids;
};

/* Looks for READY rows without a hint, in two walks that take turns. */
struct stealer {
	struct loop_timer *timer;
	struct id_scan front; /* from the lowest running task on */
	struct id_scan back;  /* below that: what came late or runs again */
	int64_t back_rest_ms; /* the next back walk is not to begin before */
	bool looking;
	bool is_back; /* the look in flight */
	bool found;   /* the latest look found something */
	int64_t sent_ms;
	struct id_slice slice;
};

struct executor {
	struct worker *worker;
	const struct settings *settings;
	struct loop *loop;
	/* hint_queue */
	struct kafka_consumer *consumer;
	struct lane lanes[TYPES_SERVED_MAX];
	int lane_count;
	struct partition_state *partitions;
	size_t partition_count;
	int64_t queued; /* hints in all lanes */
	struct dead_letters dead_letters;
	/* claimer */
	struct db_async *claim_db;
	bool claiming;  /* a claim batch is in flight */
	bool readopted; /* since the claim connection came up */
	bool readopting;
	int readopt_rows;
	int first_lane;                    /* whose turn it is to fill the next batch first */
	int64_t readopt_last;              /* task id the next page starts behind */
	struct queued_hint *claimed_hints; /* of the batch in flight */
	int16_t *claimed_types;
	size_t claimed_count;
	struct attempt *claimed; /* attempts its answer made */
	size_t claimed_rows;
	struct stealer stealer;
	/* runner */
	struct runner runner;
	struct attempt *running; /* hash of all attempts alive, by key */
	struct loop_timer *later_timer;
	/* completer */
	struct attempt *done, *done_tail; /* results to commit */
	size_t done_count;
	size_t complete_max; /* halved when a batch holds bad data */
	bool not_apart;      /* the next batch is for subtask_complete, whatever it holds */
	struct completion completions[COMPLETIONS];
	/* life */
	pthread_t thread;
	struct loop_timer *tick;
	int64_t seen_worker_id;
	bool draining;
	int64_t drain_until_ms;
	bool drain_forced;
};

/* ---- hint_queue.c ---- */
int hint_queue_open(struct executor *ex, struct err *err) __attribute__((warn_unused_result));
void hint_queue_close(struct executor *ex);
/* Takes hint i off a lane's front. */
struct queued_hint lane_pop(struct lane *lane);
void lane_push(struct executor *ex, struct lane *lane, const struct queued_hint *hint);
/* Free slots. */
int lane_room(const struct lane *lane);
struct lane *executor_lane(struct executor *ex, int16_t type_id);
/* Resumes lanes that ran low; commits offsets whose hints were claimed or dropped. */
void hint_queue_tick(struct executor *ex);
void hint_queue_resume(struct executor *ex, struct lane *lane);

/* ---- claimer.c ---- */
void claimer_open(struct executor *ex);
void claimer_close(struct executor *ex);
/* Sends the next claim batch if there is something to claim and nothing in flight. */
void claimer_push(struct executor *ex);
void claimer_tick(struct executor *ex);
/* Starts a list of attempts whose claims are committed. */
void claimer_start(struct executor *ex, struct attempt *list);

/* ---- stealer.c ---- */
void stealer_open(struct executor *ex);
void stealer_close(struct executor *ex);

/* ---- runner.c ---- */
void runner_open(struct executor *ex);
void runner_close(struct executor *ex);
/* Starts an attempt; its result comes to completer_add(). */
void runner_start(struct executor *ex, struct attempt *a);
/* Takes results of slot threads, ends those that are due or past their deadline. */
void runner_collect(struct executor *ex);
void runner_tick(struct executor *ex);
/* Asks every attempt to end for this reason. */
void runner_stop_all(struct executor *ex, enum stop_reason reason);

/* ---- completer.c ---- */
void completer_open(struct executor *ex);
void completer_close(struct executor *ex);
void completer_add(struct executor *ex, struct attempt *a);
/* Sends the next complete batches on the connections that are free. */
void completer_push(struct executor *ex);
/* Is a complete batch in flight? And one that may claim downstreams? */
bool completer_busy(const struct executor *ex);
bool completer_handing(const struct executor *ex);
/* An attempt of that task in the batch in flight; NULL: none. */
struct attempt *completer_of_task(const struct completion *c, int64_t task_id);

/* ---- completer_moves.c ---- */
/* Adds the statement that moves the attempts of c->list, with its locks. c->by_task and c->count
 * are set. Sets c->answer and c->apart; takes ex->not_apart back. */
void completer_add_moves(struct completion *c, struct db_batch *batch);

/* ---- handoff.c ---- */
/* May a complete batch sent now claim what becomes READY? */
bool handoff_allowed(const struct executor *ex);
/* Does it claim downstream `place` of a's node? Then a slot is held until handoff_end(). */
bool handoff_hold(struct completion *c, const struct attempt *a, int place);
/* Takes row `row` of its answer: a subtask that was claimed. */
void handoff_take(struct completion *c, const PGresult *res, int row);
/* Gives the held slots back and returns what is to be started; err NULL: committed. */
struct attempt *handoff_end(struct completion *c, const struct err *err);
/* Queues the roots that intake of this process offered, as far as slots are free. */
void handoff_take_roots(struct executor *ex);

/* Frees an attempt and its slot. */
void executor_forget(struct executor *ex, struct attempt *a);

#endif

/*
 * worker: what the threads of one worker process share. Each role is one thread with connections
 * and clients of its own; they share the catalog (read-only rows), the sender of hints and the
 * atomics here.
 */
#ifndef OBPIPE_WORKERS_WORKER_H
#define OBPIPE_WORKERS_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/settings.h"

struct catalog;
struct db_pool;
struct handoff_box;
struct hint_sender;

enum worker_role { ROLE_INTAKE = 1, ROLE_EXECUTOR = 2, ROLE_MAINTAINER = 4 };

struct worker {
	struct settings settings;
	int roles; /* enum worker_role */
	struct catalog *catalog;
	struct db_pool *pool;
	struct hint_sender *hints;
	struct handoff_box *box;      /* intake to executor; NULL: without handoff */
	_Atomic int64_t worker_id;    /* 0: not registered, or declared dead a moment ago */
	_Atomic int64_t renewed_ms;   /* monotonic time of the last heartbeat that was taken */
	_Atomic bool stopping;        /* SIGTERM came: worker_stop() */
	int stop_fd;                  /* eventfd: readable from then on */
	_Atomic bool pg_up, kafka_up; /* for /readyz */
	_Atomic bool too_new;         /* a message or template is newer than this program */
	_Atomic bool leader;
	_Atomic bool committed; /* event rows since the relay last woke */
	int commit_fd;          /* eventfd the relay of this process waits on; set before leader */
};

/* "worker/17": who made a move. Valid until the next call in this thread. */
const char *worker_who(const struct worker *w, const char *role);

/* True while nobody can have declared us dead: a worker that cannot renew starts nothing new. */
bool worker_may_start(const struct worker *w);

/* Event rows were committed: wakes the relay if it runs here. Cheap; any thread. */
void worker_committed(struct worker *w);
/* Waits for that, at most ms. The relay's thread only. */
void worker_await_commit(struct worker *w, int64_t ms);

/* Before the first thread; the pauses end at worker_stop(). Never closed. */
void worker_open(struct worker *w);
void worker_stop(struct worker *w);
/* Sleeps up to ms, shorter when the process is asked to stop. */
void worker_pause(struct worker *w, int64_t ms);

#endif

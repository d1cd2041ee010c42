/* maintainer_internal: the relay thread and the sweeper thread, and what they share. */
#ifndef OBPIPE_WORKERS_MAINTAINER_INTERNAL_H
#define OBPIPE_WORKERS_MAINTAINER_INTERNAL_H

#include <pthread.h>

#include "common/db.h"
#include "common/kafka.h"
#include "workers/worker.h"

struct relay;
struct sweeper;

/* The relay's thread owns the elected session: it relays while it is the leader. */
struct relay *relay_start(struct worker *w, struct err *err);
void relay_stop(struct relay *r);

struct sweeper *sweeper_start(struct worker *w, struct err *err);
void sweeper_stop(struct sweeper *s);

#endif

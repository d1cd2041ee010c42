/*
 * identity: the thread that draws this process its worker number and raises the heartbeat counter.
 * When the number was declared dead it draws a new one; the executor sees the change and ends what
 * ran under the old one.
 */
#ifndef OBPIPE_WORKERS_IDENTITY_H
#define OBPIPE_WORKERS_IDENTITY_H

#include "workers/worker.h"

struct identity;

/* Starts the thread. It waits for PostgreSQL by itself. */
struct identity *identity_start(struct worker *w);
/* Says goodbye (the number left, nobody need wait for its verdict) and ends the thread. */
void identity_stop(struct identity *id);

#endif

/*
 * maintainer: the relay and the sweeper. Every maintainer watches the heartbeats; one, elected by
 * a PostgreSQL session lock, relays events and declares workers dead. A leader whose process stands
 * still keeps its session: the others end that session when its heartbeat has stood still.
 */
#ifndef OBPIPE_WORKERS_MAINTAINER_H
#define OBPIPE_WORKERS_MAINTAINER_H

#include "common/err.h"
#include "workers/worker.h"

struct maintainer;

struct maintainer *maintainer_start(struct worker *w, struct err *err);
void maintainer_stop(struct maintainer *m);

#endif

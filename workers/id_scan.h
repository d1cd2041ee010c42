/*
 * id_scan: walks the running tasks by id, a slice a look, so that no look is felt.
 *
 * The index on running tasks holds an entry of every task that ended since the oldest transaction
 * that is still open anywhere, and each walk over it visits them all. So a walk begins at the
 * lowest task that the one before found running, and a slice is as many ids wide as take a few
 * milliseconds: all of them in a clean index. One thread.
 */
#ifndef OBPIPE_WORKERS_ID_SCAN_H
#define OBPIPE_WORKERS_ID_SCAN_H

#include <stdbool.h>
#include <stdint.h>

struct id_scan {
	int64_t first;  /* where this walk began */
	int64_t next;   /* where the next slice begins */
	int64_t width;  /* ids of a slice */
	int64_t lowest; /* running task of this walk; 0: none yet */
};

/* What one slice found. */
struct id_slice {
	int64_t lowest, last; /* running tasks; 0: none */
	bool full;            /* stopped by its row limit at `last` */
	int64_t max_id;       /* of all tasks */
	int64_t took_us;      /* of the server */
};

void id_scan_init(struct id_scan *s);
/* The slice is next to id_scan_end() - 1. */
int64_t id_scan_end(const struct id_scan *s);
/* Moves on. True: it came past max_id, the walk is over; s->next is past it. */
bool id_scan_advance(struct id_scan *s, const struct id_slice *slice);
/* The next walk begins at the lowest running task of this one. */
void id_scan_from_lowest(struct id_scan *s);
/* The next walk begins at this id. */
void id_scan_from(struct id_scan *s, int64_t id);

#endif

/*
 * event_list: the entries of rows of table event_batch (migration 0005), as events to be sent.
 *
 * One thread. What is in the list stays valid until event_list_clear().
 */
#ifndef OBPIPE_WORKERS_EVENT_LIST_H
#define OBPIPE_WORKERS_EVENT_LIST_H

#include "common/message.h"

struct event_list {
	struct event_row *rows;
	size_t count, alloc;
	struct text_block *blocks; /* what the rows point into */
};

#define EVENT_LIST_INIT                                                                            \
	{                                                                                          \
		0                                                                                  \
	}

/*
 * Adds the entries of one row ("task first moves" or "task 1 @template/version@traceparent moves",
 * a line each); both texts are copied. -1 (PERMANENT) when a line is something else: the lines
 * before and behind it are in the list all the same.
 */
int event_list_add(struct event_list *list, int64_t at_us, const char *who, const char *entries,
        struct err *err) __attribute__((warn_unused_result));
/* Each task's events in order of their numbers. */
void event_list_sort(struct event_list *list);
/* Empties it; memory for rows is kept. */
void event_list_clear(struct event_list *list);
void event_list_release(struct event_list *list);

#endif

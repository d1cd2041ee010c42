#include "workers/handoff_box.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

struct handoff_box {
	pthread_mutex_t lock;
	struct loop *loop;
	struct offer offers[HANDOFF_BOX_SIZE];
	size_t count;
};

struct handoff_box *handoff_box_new(void)
{
	struct handoff_box *box = xcalloc(1, sizeof(*box));

	pthread_mutex_init(&box->lock, NULL);
	return box;
}

void handoff_box_free(struct handoff_box *box)
{
	if (!box)
		return;
	for (size_t i = 0; i < box->count; i++)
		free(box->offers[i].traceparent);
	pthread_mutex_destroy(&box->lock);
	free(box);
}

void handoff_box_open(struct handoff_box *box, struct loop *loop)
{
	pthread_mutex_lock(&box->lock);
	box->loop = loop;
	pthread_mutex_unlock(&box->lock);
}

bool handoff_box_put(struct handoff_box *box, int64_t task_id, int64_t subtask_id, int16_t type_id,
        const char *traceparent)
{
	bool put;

	if (!box)
		return false;
	pthread_mutex_lock(&box->lock);
	put = box->loop && box->count < HANDOFF_BOX_SIZE;
	if (put) {
		box->offers[box->count++] = (struct offer){.task_id = task_id,
		        .subtask_id = subtask_id,
		        .type_id = type_id,
		        .traceparent = traceparent ? xstrdup(traceparent) : NULL};
		if (box->count == 1)
			loop_wake(box->loop);
	}
	pthread_mutex_unlock(&box->lock);
	return put;
}

size_t handoff_box_take(struct handoff_box *box, struct offer *offers)
{
	size_t count;

	pthread_mutex_lock(&box->lock);
	count = box->count;
	memcpy(offers, box->offers, count * sizeof(*offers));
	box->count = 0;
	pthread_mutex_unlock(&box->lock);
	return count;
}

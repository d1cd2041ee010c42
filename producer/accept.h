/*
 * accept: from a valid body to a published request: ids, the message, the publish. What batchAdd
 * and the submission of any other template share. Loop thread.
 */
#ifndef OBPIPE_PRODUCER_ACCEPT_H
#define OBPIPE_PRODUCER_ACCEPT_H

#include <jansson.h>

#include "producer/call.h"
#include "producer/render.h"

/* Parses the body into an object, or answers 400 and returns NULL. Caller owns it. */
json_t *accept_object(struct call *c);

/* What is to be accepted. */
struct acceptance {
	const struct task_form *form;
	/*
	 * The members of the body that the API knows, as JSON. Never the body as it came: what else
	 * stands in it is not ours to pass on, and nested as deep as the door allows it would be
	 * too deep inside a message. Borrowed until accept_publish() returns.
	 */
	const struct strbuf *body;
	json_t *values; /* taken over; NULL: plain_count of c->values */
	size_t plain_count;
	size_t count;           /* tasks, 1 to REQUEST_TASKS_MAX */
	int64_t cluster_id;     /* 0: none */
	const json_t *host_ids; /* NULL: tasks without hosts; else `count` of them */
};

/* Draws the ids, marks the hosts as taken and publishes; the call is answered now or later. */
void accept_publish(struct call *c, struct acceptance *a);

/* Adds a number to values, as text. */
void accept_set_number(json_t *values, const char *name, int64_t value);

#endif

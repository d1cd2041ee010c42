/* event_view: events of the topic as lines for people. Pure. */
#ifndef OBPIPE_CLI_EVENT_VIEW_H
#define OBPIPE_CLI_EVENT_VIEW_H

#include <jansson.h>

#include "common/strbuf.h"

/*
 * Appends one line a move of a CloudEvent of ours (schema/messages/event.schema.json):
 * "TIME  task 7 #3  subtask 9  READY -> RUNNING  claimed by a worker  [worker/17]". Foreign data:
 * what is absent or of another type is left out or "?". A CloudEvent without moves is one line.
 */
void event_view_add(struct strbuf *sb, const json_t *event);

#endif

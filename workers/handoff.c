/*
 * handoff (OBPIPE_HANDOFF): a chain needs one commit and no message a subtask. Completions claim
 * their downstreams in the same transaction; roots come straight from the intake of this process.
 * Each claim is an ordinary one: fencing token, event move, worker row locked against the verdict.
 * What is not claimed here (no slot free, a type that is not served, held) becomes READY and gets
 * its hint as without handoff.
 */
#include <stdlib.h>

#include "common/metrics.h"
#include "workers/handoff_box.h"
#include "workers/executor_internal.h"

/*
 * Not while it is being found out what this worker runs: a claim whose answer is on its way would
 * be taken for one whose answer was lost.
 */
bool handoff_allowed(const struct executor *ex)
{
	return ex->settings->handoff && ex->readopted && !ex->draining &&
	       worker_may_start(ex->worker);
}

/*
 * The first downstream of the same type takes over the slot of its upstream. Any other needs one
 * that is free and that no hint waits for: work that came earlier goes first.
 */
bool handoff_hold(struct completion *c, const struct attempt *a, int place)
{
	struct executor *ex = c->ex;
	const struct template_node *nodes = a->template->nodes;
	int16_t type = nodes[a->node->downstreams[place]].type_id;
	struct lane *lane = executor_lane(ex, type);
	bool takes_over = type == a->node->type_id;

	for (int i = 0; i < place; i++)
		takes_over = takes_over && nodes[a->node->downstreams[i]].type_id != type;
	if (!lane || (!takes_over && (lane->count > 0 || lane->used >= lane->limit)))
		return false;
	lane->used++;
	lane->handing[c - ex->completions]++;
	return true;
}

void handoff_take(struct completion *c, const PGresult *res, int row)
{
	const struct attempt *upstream = completer_of_task(c, db_get_int8(res, row, 1));
	struct attempt *a;

	if (!upstream)
		BUG("a subtask of a task that is not in the batch was handed on");
	a = attempt_handed_on(c->ex->worker, upstream, res, row);
	a->next = c->handed;
	c->handed = a;
}

struct attempt *handoff_end(struct completion *c, const struct err *err)
{
	struct executor *ex = c->ex;
	struct attempt *list = c->handed, *next;

	for (int i = 0; i < ex->lane_count; i++) {
		int *held = &ex->lanes[i].handing[c - ex->completions];

		ex->lanes[i].used -= *held;
		*held = 0;
	}
	c->handed = NULL;
	/* Claims may be committed that nobody here knows of: look before anything else is claimed.
	 */
	if (c->handing && err && err->kind == ERR_UNKNOWN)
		ex->readopted = false;
	c->handing = false;
	if (!err) {
		for (next = list; next; next = next->next)
			metric_add(METRIC_HANDOFFS, 1);
		return list;
	}
	for (; list; list = next) {
		next = list->next;
		attempt_free(list);
	}
	return NULL;
}

void handoff_take_roots(struct executor *ex)
{
	struct offer offers[HANDOFF_BOX_SIZE];
	size_t count = ex->worker->box ? handoff_box_take(ex->worker->box, offers) : 0;

	for (size_t i = 0; i < count; i++) {
		const struct offer *o = &offers[i];
		struct lane *lane = executor_lane(ex, o->type_id);

		if (lane && !ex->draining &&
		        (size_t)lane->used + lane->count < (size_t)lane->limit) {
			lane_push(ex, lane,
			        &(struct queued_hint){.task_id = o->task_id,
			                .subtask_id = o->subtask_id,
			                .partition = -1});
			metric_add(METRIC_HANDOFFS, 1);
		} else {
			hint_send(ex->worker->hints, o->task_id, o->subtask_id, o->type_id,
			        o->traceparent);
		}
		free(o->traceparent);
	}
}

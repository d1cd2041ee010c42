/* completer_moves: the statement of a complete batch, and its parameters. */
#include <stdlib.h>

#include "common/mem.h"
#include "workers/executor_internal.h"

static int to_state(enum rule rule)
{
	const struct state_rule *row = state_rule_find(rule);

	if (!row || row->object != RULE_OF_SUBTASK)
		BUG("rule %d is none of a subtask", rule);
	return row->to;
}

/* Parameters of subtask_complete. */
struct move_rows {
	int64_t *tasks, *subtasks, *claims, *downs;
	int16_t *rules, *states, *takes, *nodes, *types, *waiting;
	int32_t *delays, *down_first, *down_last;
	size_t count, down_count, down_alloc;
};

static void add_downstreams(struct completion *c, struct move_rows *m, const struct attempt *a)
{
	size_t n = a->rule == RULE_SUCCEEDED ? (size_t)a->node->downstream_count : 0;

	if (m->down_count + n > m->down_alloc) {
		m->down_alloc = (m->down_count + n) * 2;
		m->downs = xrealloc(m->downs, m->down_alloc * sizeof(*m->downs));
		m->takes = xrealloc(m->takes, m->down_alloc * sizeof(*m->takes));
		m->nodes = xrealloc(m->nodes, m->down_alloc * sizeof(*m->nodes));
		m->types = xrealloc(m->types, m->down_alloc * sizeof(*m->types));
		m->waiting = xrealloc(m->waiting, m->down_alloc * sizeof(*m->waiting));
	}
	m->down_first[m->count] = (int32_t)m->down_count + 1; /* SQL counts from 1 */
	for (size_t i = 0; i < n; i++) {
		int16_t node = a->node->downstreams[i];

		m->takes[m->down_count] = c->handing && handoff_hold(c, a, (int)i);
		m->nodes[m->down_count] = node;
		m->types[m->down_count] = a->template->nodes[node].type_id;
		m->waiting[m->down_count] = a->template->nodes[node].upstream_count;
		m->downs[m->down_count++] = a->first_subtask_id + node;
	}
	m->down_last[m->count] = (int32_t)m->down_count;
}

static void add_row(struct completion *c, struct move_rows *m, const struct attempt *a)
{
	size_t n = m->count;

	m->tasks[n] = a->key.task_id;
	m->subtasks[n] = a->key.subtask_id;
	m->claims[n] = a->key.claim;
	m->rules[n] = (int16_t)a->rule;
	m->states[n] = (int16_t)to_state(a->rule);
	m->delays[n] = a->delay_ms;
	add_downstreams(c, m, a);
	m->count++;
}

static void add_worker_share(struct completion *c, struct db_batch *batch, int64_t worker_id)
{
	struct db_params p = DB_PARAMS_INIT;

	if (!c->handing)
		return;
	db_add_int8(&p, worker_id);
	db_batch_add(batch, QUERY_WORKER_SHARE, &p);
	db_params_release(&p);
	c->answer++;
}

static void add_any(struct completion *c, struct db_batch *batch)
{
	struct executor *ex = c->ex;
	int64_t worker_id = c->handing ? atomic_load(&ex->worker->worker_id) : 0;
	size_t count = c->count;
	struct move_rows m = {
	        .tasks = xmalloc(count * sizeof(*m.tasks)),
	        .subtasks = xmalloc(count * sizeof(*m.subtasks)),
	        .claims = xmalloc(count * sizeof(*m.claims)),
	        .rules = xmalloc(count * sizeof(*m.rules)),
	        .states = xmalloc(count * sizeof(*m.states)),
	        .delays = xmalloc(count * sizeof(*m.delays)),
	        .down_first = xmalloc(count * sizeof(*m.down_first)),
	        .down_last = xmalloc(count * sizeof(*m.down_last)),
	};
	struct db_params p = DB_PARAMS_INIT;

	for (const struct attempt *a = c->list; a; a = a->next)
		add_row(c, &m, a);
	db_add_int8_array(&p, m.tasks, count);
	db_add_int8_array(&p, m.subtasks, count);
	db_add_int8_array(&p, m.claims, count);
	db_add_int2_array(&p, m.rules, count);
	db_add_int2_array(&p, m.states, count);
	db_add_int4_array(&p, m.delays, count);
	db_add_int4_array(&p, m.down_first, count);
	db_add_int4_array(&p, m.down_last, count);
	db_add_int8_array(&p, m.downs, m.down_count);
	db_add_text(&p, worker_who(ex->worker, "worker"));
	db_add_int2_array(&p, m.takes, c->handing ? m.down_count : 0);
	db_add_int8(&p, worker_id);
	db_add_int2_array(&p, m.nodes, m.down_count);
	db_add_int2_array(&p, m.types, m.down_count);
	db_add_int2_array(&p, m.waiting, m.down_count);
	add_worker_share(c, batch, worker_id);
	db_batch_add_prefix(batch, QUERY_TASK_LOCK, &p, 1);
	c->answer++;
	db_batch_add(batch, QUERY_SUBTASK_COMPLETE, &p);
	db_params_release(&p);
	free(m.tasks), free(m.subtasks), free(m.claims), free(m.downs), free(m.rules);
	free(m.states), free(m.takes), free(m.delays), free(m.down_first), free(m.down_last);
	free(m.nodes), free(m.types), free(m.waiting);
}

/* May subtask_succeed do it? Then no row of the batch is about what another one changes. */
static bool are_apart(const struct completion *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct attempt *a = c->by_task[i];

		if (a->rule != RULE_SUCCEEDED || a->node->downstream_count > 1 ||
		        (i > 0 && a->key.task_id == c->by_task[i - 1]->key.task_id))
			return false;
		if (a->node->downstream_count == 1 &&
		        a->template->nodes[a->node->downstreams[0]].upstream_count > 1)
			return false;
	}
	return true;
}

static void add_apart(struct completion *c, struct db_batch *batch)
{
	size_t n = c->count;
	int64_t *tasks = xmalloc(n * sizeof(*tasks)), *subtasks = xmalloc(n * sizeof(*subtasks));
	int64_t *claims = xmalloc(n * sizeof(*claims)), *downs = xcalloc(n, sizeof(*downs));
	int16_t *nodes = xcalloc(n, sizeof(*nodes)), *types = xcalloc(n, sizeof(*types));
	int16_t *takes = xcalloc(n, sizeof(*takes));
	struct db_params p = DB_PARAMS_INIT;

	for (size_t i = 0; i < n; i++) {
		const struct attempt *a = c->by_task[i];

		tasks[i] = a->key.task_id;
		subtasks[i] = a->key.subtask_id;
		claims[i] = a->key.claim;
		if (a->node->downstream_count == 0)
			continue;
		nodes[i] = a->node->downstreams[0];
		downs[i] = a->first_subtask_id + nodes[i];
		types[i] = a->template->nodes[nodes[i]].type_id;
		takes[i] = c->handing && handoff_hold(c, a, 0);
	}
	db_add_int8_array(&p, tasks, n);
	db_add_int8_array(&p, subtasks, n);
	db_add_int8_array(&p, claims, n);
	db_add_int8_array(&p, downs, n);
	db_add_int2_array(&p, nodes, n);
	db_add_int2_array(&p, types, n);
	db_add_int2_array(&p, takes, n);
	db_add_int8(&p, c->handing ? atomic_load(&c->ex->worker->worker_id) : 0);
	db_add_text(&p, worker_who(c->ex->worker, "worker"));
	db_batch_add(batch, QUERY_SUBTASK_SUCCEED, &p);
	db_params_release(&p);
	free(tasks), free(subtasks), free(claims), free(downs);
	free(nodes), free(types), free(takes);
}

void completer_add_moves(struct completion *c, struct db_batch *batch)
{
	c->answer = 0;
	c->apart = !c->ex->not_apart && are_apart(c);
	c->ex->not_apart = false;
	if (c->apart)
		add_apart(c, batch);
	else
		add_any(c, batch);
}

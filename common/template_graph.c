#include "common/template_graph.h"

#include <string.h>

#include "common/mem.h"
#include "common/strbuf.h"

static void fill_downstreams(struct template *t)
{
	for (int i = 0; i < t->node_count; i++) {
		for (int k = 0; k < t->nodes[i].upstream_count; k++)
			t->nodes[t->nodes[i].upstreams[k]].downstream_count++;
	}
	for (int i = 0; i < t->node_count; i++) {
		struct template_node *node = &t->nodes[i];
		node->downstreams = xcalloc(
		        (size_t)node->downstream_count, sizeof(*node->downstreams));
		node->downstream_count = 0;
	}
	for (int i = 0; i < t->node_count; i++) {
		for (int k = 0; k < t->nodes[i].upstream_count; k++) {
			struct template_node *up = &t->nodes[t->nodes[i].upstreams[k]];
			up->downstreams[up->downstream_count++] = (int16_t)i;
		}
	}
}

/* Fills `order` with node indexes, each behind its upstreams; returns how many there are: fewer
 * than node_count when there is a cycle. `waiting` holds the upstreams left of each node. */
static int topological_order(const struct template *t, int16_t *order, int16_t *waiting)
{
	int ready = 0;
	for (int i = 0; i < t->node_count; i++) {
		waiting[i] = t->nodes[i].upstream_count;
		if (waiting[i] == 0)
			order[ready++] = (int16_t)i;
	}
	for (int done = 0; done < ready; done++) {
		const struct template_node *node = &t->nodes[order[done]];
		for (int k = 0; k < node->downstream_count; k++) {
			if (--waiting[node->downstreams[k]] == 0)
				order[ready++] = node->downstreams[k];
		}
	}
	return ready;
}

/* A node that waits has an upstream that waits; following those ends in a cycle. */
static int waiting_upstream(const struct template *t, const int16_t *waiting, int node)
{
	for (int k = 0; k < t->nodes[node].upstream_count; k++) {
		if (waiting[t->nodes[node].upstreams[k]] > 0)
			return t->nodes[node].upstreams[k];
	}
	return node;
}

static int report_cycle(const struct template *t, const int16_t *waiting, struct err *err)
{
	int node = 0;
	while (waiting[node] == 0)
		node++;
	/* After as many steps as there are nodes we stand on the cycle for certain. */
	for (int i = 0; i < t->node_count; i++)
		node = waiting_upstream(t, waiting, node);
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
	int at = node;
	do {
		strbuf_addf(&names, "\"%s\" waits for ", t->nodes[at].key);
		at = waiting_upstream(t, waiting, at);
	} while (at != node);
	strbuf_addf(&names, "\"%s\"", t->nodes[node].key);
	return err_set(
	        err, ERR_PERMANENT, "", "the nodes wait for each other in a circle: %s", names.buf);
}

/* reach[i * count + j]: node j comes before node i */
static bool *ancestors_of_all(const struct template *t, const int16_t *order)
{
	size_t count = (size_t)t->node_count;
	bool *reach = xcalloc(count * count, sizeof(*reach));
	for (size_t n = 0; n < count; n++) {
		size_t node = (size_t)order[n];
		for (int k = 0; k < t->nodes[node].upstream_count; k++) {
			size_t up = (size_t)t->nodes[node].upstreams[k];
			reach[node * count + up] = true;
			for (size_t j = 0; j < count; j++)
				reach[node * count + j] |= reach[up * count + j];
		}
	}
	return reach;
}

/* Two attempts must never act on one host at a time. */
static int check_hosts(const struct template *t, const int16_t *order, struct err *err)
{
	size_t count = (size_t)t->node_count;
	_cleanup_free_ bool *reach = ancestors_of_all(t, order);
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (!t->nodes[i].on_host || !t->nodes[j].on_host)
				continue;
			if (reach[i * count + j] || reach[j * count + i])
				continue;
			return err_set(err, ERR_PERMANENT, "",
			        "node %zu (\"%s\") and node %zu (\"%s\") both act on the host "
			        "(onHost) "
			        "and could run at the same time; make one come after the other",
			        j + 1, t->nodes[j].key, i + 1, t->nodes[i].key);
		}
	}
	return 0;
}

int template_graph_check(struct template *t, struct err *err)
{
	size_t count = (size_t)t->node_count;
	_cleanup_free_ int16_t *order = xcalloc(count, sizeof(*order));
	_cleanup_free_ int16_t *waiting = xcalloc(count, sizeof(*waiting));
	fill_downstreams(t);
	if (topological_order(t, order, waiting) < t->node_count)
		return report_cycle(t, waiting, err);
	return check_hosts(t, order, err);
}

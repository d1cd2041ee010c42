/* Any template file: refused, or a graph whose edges name nodes and whose context can be built. */
#include <stdint.h>
#include <stdlib.h>

#include "common/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_edges(const struct template *t)
{
	for (int n = 0; n < t->node_count; n++) {
		const struct template_node *node = &t->nodes[n];

		for (int i = 0; i < node->upstream_count; i++)
			if (node->upstreams[i] < 0 || node->upstreams[i] >= t->node_count)
				abort();
		for (int i = 0; i < node->downstream_count; i++)
			if (node->downstreams[i] < 0 || node->downstreams[i] >= t->node_count)
				abort();
		if (template_node_find(t, node->key) != n)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct template *t = NULL;
	struct err err = {0};
	json_t *values, *context = NULL;

	if (template_parse((const char *)data, bytes, NULL, &t, &err) != 0)
		return 0;
	check_edges(t);
	values = json_pack("{s:s,s:s}", "host_id", "2", "+added", "x");
	if (template_context(t, values, &context, &err) == 0)
		json_decref(context);
	json_decref(values);
	template_free(t);
	return 0;
}

/*
 * template_graph: what the edges of a template must fulfil. Private to template.c.
 */
#ifndef OBPIPE_COMMON_TEMPLATE_GRAPH_H
#define OBPIPE_COMMON_TEMPLATE_GRAPH_H

#include "common/template.h"

/*
 * Fills the downstreams from the upstreams, then checks that there is no cycle (its nodes are
 * named) and that of any two on_host nodes one comes after the other. -1: *err (PERMANENT).
 */
int template_graph_check(struct template *t, struct err *err) __attribute__((warn_unused_result));

#endif

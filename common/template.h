/*
 * template: a task template: nodes, edges and context of one kind of task.
 *
 * One JSON file in schema/templates/ each; `obpipe migrate` stores it as an immutable row keyed
 * (name, version, sha256) and fills id and type ids. Loaded templates are read-only and may be
 * shared by threads.
 */
#ifndef OBPIPE_COMMON_TEMPLATE_H
#define OBPIPE_COMMON_TEMPLATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define TEMPLATE_NODES_MAX 1000
/* Newest file format this program reads; a newer one fails with the code MESSAGE_TOO_NEW. */
#define TEMPLATE_SCHEMA 1

struct context_text;

struct template_node {
	char *key;       /* unique within the template, [a-z0-9-]; what people write in edges */
	char *type;      /* subtask type name */
	int16_t type_id; /* row of subtask_type; 0 until loaded from the database */
	char *name;      /* shown to people */
	char *description;
	char *class_name;
	int32_t timeout_s; /* 0: no limit */
	int32_t series_id; /* OCP's number; unique within the template, not an order */
	bool prohibit_rollback;
	bool on_host;       /* acts on the task's host: two such nodes are never parallel */
	int16_t tries;      /* runs an automatic retry policy allows in all, >= 1 */
	int32_t backoff_ms; /* wait before the second run, doubled each time */
	int16_t *upstreams, *downstreams; /* node indexes */
	int16_t upstream_count, downstream_count;
};

struct template
{
	int32_t id; /* row of template; 0 until loaded from the database */
	char *name;
	int32_t version;
	char sha256[65]; /* of the file's bytes, lower-case hex */
	char *task_name; /* "Install obproxy" */
	char *task_type; /* "MANUAL" */
	bool per_host;   /* one task a host; else `count` tasks */
	int16_t node_count;
	struct template_node *nodes;       /* node i has subtask id first_subtask_id + i */
	int16_t *listing;                  /* node indexes in the order answers list them */
	json_t *context;                   /* {stringMap, listMap}; strings may hold ${name} */
	struct context_text *context_text; /* the same, cut for context_text_append() */
};

/*
 * Parses and checks one file: known members only, keys unique, edges name nodes, no cycle, two
 * on_host nodes never parallel, type names [a-z0-9-]. `types` is the NULL-ended list of subtask
 * type names there are (NULL: not checked). On failure *err names the place.
 */
int template_parse(const char *text, size_t bytes, const char *const *types,
        struct template **ret_template, struct err *err) __attribute__((warn_unused_result));
void template_free(struct template *t);

/* Node index by key; -1 when there is none. */
int template_node_find(const struct template *t, const char *key);

/*
 * Builds a task's context object (caller owns): the template's stringMap and listMap with every
 * ${name} replaced by the string values[name], plus `parallel` false and `parallelIdx` -1. Values
 * whose name starts with "+" are added: a string to stringMap, an array of strings to listMap.
 * A ${name} without a value, or a "+name" that the template sets itself, is an error (PERMANENT).
 */
int template_context(const struct template *t, json_t *values, json_t **ret_context,
        struct err *err) __attribute__((warn_unused_result));

#endif

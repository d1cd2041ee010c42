/* task_view: a task as people see it: its subtasks in the order they run. */
#ifndef OBPIPE_CLI_TASK_VIEW_H
#define OBPIPE_CLI_TASK_VIEW_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* The subtasks of a task answer in topological order; borrowed objects, the array is the caller's.
 */
json_t **task_view_order(const json_t *task, size_t *ret_count);
/* Prints a table. last_log (by place in task_view_order) may be NULL. Returns the lines printed. */
int task_view_print(FILE *out, const json_t *task, char *const *last_log);
/* A positive id, or -1. */
int64_t cli_id(const char *text);

#endif

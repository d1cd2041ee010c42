/* task_view: a task as people see it: its subtasks in the order they run, its times as durations.
 * Objects are answers of the ingress; what they lack reads as "" or 0. Pure. */
#ifndef OBPIPE_CLI_TASK_VIEW_H
#define OBPIPE_CLI_TASK_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/strbuf.h"

/* All subtasks of a task answer, upstreams before downstreams; borrowed objects, the array is the
 * caller's. */
json_t **task_view_order(const json_t *task, size_t *ret_count);
/* Member of an object as text; "" when absent. */
const char *task_view_text(const json_t *object, const char *name);
/* Subtasks in that state. */
size_t task_view_count(const json_t *task, const char *state);
bool task_view_ended(const json_t *task);
/* "Install obproxy on host 2" */
void task_view_add_name(struct strbuf *sb, const json_t *task);
/* " by admin"; nothing when the answer names nobody. A creation names its creator by a text, a
 * reading by an object {name}. */
void task_view_add_creator(struct strbuf *sb, const json_t *task);
/* "3/12 done, 1 running, 4.2 s"; now_us is the ingress's clock, see task_view_now(). */
void task_view_add_progress(struct strbuf *sb, const json_t *task, int64_t now_us);
/* How long a task or subtask took, or has been at it by now; nothing when it has not begun. */
void task_view_add_elapsed(struct strbuf *sb, const json_t *object, int64_t now_us);
/* The ingress's clock when it gave this answer, Unix microseconds. */
int64_t task_view_now(const json_t *answer);
/* The last line of a log answer that is not about states, without its time; malloc'd, NULL: none.
 */
char *task_view_last_line(const json_t *answer);

#endif

#include "cli/task_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

/* ---- order ---- */

struct node {
	json_int_t id;
	json_t *subtask;
	size_t waiting; /* upstreams not placed yet */
	bool placed;
};

static int by_id(const void *a, const void *b)
{
	json_int_t x = ((const struct node *)a)->id, y = ((const struct node *)b)->id;

	return x < y ? -1 : x > y;
}

static struct node *find(struct node *nodes, size_t count, json_int_t id)
{
	struct node key = {.id = id};

	return bsearch(&key, nodes, count, sizeof(*nodes), by_id);
}

static struct node *read_nodes(const json_t *all, size_t total)
{
	struct node *nodes = xcalloc(total + 1, sizeof(*nodes));
	size_t i, n;
	json_t *s, *up;

	json_array_foreach (all, i, s)
		nodes[i] = (struct node){.id = json_int(s, "id", 0), .subtask = s};
	qsort(nodes, total, sizeof(*nodes), by_id);
	for (i = 0; i < total; i++)
		json_array_foreach (json_object_get(nodes[i].subtask, "upstreams"), n, up)
			nodes[i].waiting += find(nodes, total, json_integer_value(up)) != NULL;
	return nodes;
}

static void place(struct node *node, json_t **order, size_t *count)
{
	if (!node->placed)
		order[(*count)++] = node->subtask;
	node->placed = true;
}

json_t **task_view_order(const json_t *task, size_t *ret_count)
{
	const json_t *all = json_object_get(task, "subtasks");
	size_t total = json_array_size(all), count = 0, i;
	json_t **order = xcalloc(total + 1, sizeof(*order));
	struct node *nodes = read_nodes(all, total);
	json_t *down;

	for (i = 0; i < total; i++)
		if (!nodes[i].waiting)
			place(&nodes[i], order, &count);
	for (size_t at = 0; at < count; at++)
		json_array_foreach (json_object_get(order[at], "downstreams"), i, down) {
			struct node *n = find(nodes, total, json_integer_value(down));

			if (n && n->waiting && --n->waiting == 0)
				place(n, order, &count);
		}
	for (i = 0; i < total; i++)
		place(&nodes[i], order, &count);
	free(nodes);
	*ret_count = count;
	return order;
}

/* ---- words ---- */

const char *task_view_text(const json_t *object, const char *name)
{
	const char *text = json_text(object, name);

	return text ? text : "";
}

size_t task_view_count(const json_t *task, const char *state)
{
	size_t count = 0, i;
	json_t *s;

	json_array_foreach (json_object_get(task, "subtasks"), i, s)
		count += !strcmp(task_view_text(s, "status"), state);
	return count;
}

bool task_view_ended(const json_t *task)
{
	return strcmp(task_view_text(task, "status"), "RUNNING") != 0;
}

void task_view_add_name(struct strbuf *sb, const json_t *task)
{
	text_add_lines(sb, task_view_text(task, "name"));
	if (json_int(task, "hostId", 0))
		strbuf_addf(sb, " on host %" PRId64, json_int(task, "hostId", 0));
}

void task_view_add_creator(struct strbuf *sb, const json_t *task)
{
	const json_t *creator = json_object_get(task, "creator");
	const char *name = json_is_object(creator) ? json_text(creator, "name")
	                                           : json_string_value(creator);

	if (!name || !*name)
		return;
	strbuf_adds(sb, " by ");
	text_add_lines(sb, name);
}

void task_view_add_progress(struct strbuf *sb, const json_t *task, int64_t now_us)
{
	size_t running = task_view_count(task, "RUNNING"), failed = task_view_count(task, "FAILED");

	strbuf_addf(sb, "%zu/%zu done", task_view_count(task, "SUCCESSFUL"),
	        json_array_size(json_object_get(task, "subtasks")));
	if (running)
		strbuf_addf(sb, ", %zu running", running);
	if (failed)
		strbuf_addf(sb, ", %zu failed", failed);
	strbuf_adds(sb, ", ");
	task_view_add_elapsed(sb, task, now_us);
}

/* ---- times ---- */

void task_view_add_elapsed(struct strbuf *sb, const json_t *object, int64_t now_us)
{
	int64_t start = text_parse_time(json_text(object, "startTime"));
	int64_t finish = text_parse_time(json_text(object, "finishTime"));
	const char *status = task_view_text(object, "status");

	if (start < 0)
		return;
	/* What waits for its next run has a first start, but is not at it. */
	if (finish < 0 && (!strcmp(status, "READY") || !strcmp(status, "PENDING")))
		return;
	text_add_duration(sb, (finish < 0 ? now_us : finish) - start);
}

int64_t task_view_now(const json_t *answer)
{
	int64_t us = text_parse_time(json_text(answer, "timestamp"));

	return us < 0 ? clock_unix_us() : us;
}

/* ---- log ---- */

/* Lines of the ingress's own: separators of attempts, and the state at the end. */
static bool is_news(const char *line, size_t len)
{
	return len && *line != '#' && strncmp(line, "state: ", 7) != 0;
}

char *task_view_last_line(const json_t *answer)
{
	const char *log = json_text(json_object_get(answer, "data"), "log");
	const char *found = NULL, *blank;
	size_t found_len = 0;

	while (log && *log) {
		size_t len = strcspn(log, "\n");

		if (is_news(log, len)) {
			found = log;
			found_len = len;
		}
		log += len + (log[len] == '\n');
	}
	if (!found)
		return NULL;
	/* "2026-11-23T21:25:08.602+00:00 text" */
	blank = memchr(found, ' ', found_len);
	if (blank && found_len > 10 && found[4] == '-' && found[10] == 'T') {
		found_len -= (size_t)(blank + 1 - found);
		found = blank + 1;
	}
	return xstrndup(found, found_len);
}

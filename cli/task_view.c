#include "cli/task_view.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"

static bool is_placed(json_t *const *order, size_t count, json_int_t id)
{
	for (size_t i = 0; i < count; i++)
		if (json_int(order[i], "id", 0) == id)
			return true;
	return false;
}

static bool is_next(const json_t *subtask, json_t *const *order, size_t count)
{
	size_t i;
	json_t *up;

	if (is_placed(order, count, json_int(subtask, "id", 0)))
		return false;
	json_array_foreach (json_object_get(subtask, "upstreams"), i, up)
		if (!is_placed(order, count, json_integer_value(up)))
			return false;
	return true;
}

json_t **task_view_order(const json_t *task, size_t *ret_count)
{
	const json_t *all = json_object_get(task, "subtasks");
	size_t total = json_array_size(all), count = 0, before, i;
	json_t **order = xcalloc(total + 1, sizeof(*order));
	json_t *s;

	do {
		before = count;
		json_array_foreach (all, i, s)
			if (is_next(s, order, count))
				order[count++] = s;
	} while (count > before);
	*ret_count = count;
	return order;
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* "16:25:08.004" of an ISO time. */
static const char *clock_part(const char *iso)
{
	static char part[2][16];
	static int turn;
	const char *t = iso ? strchr(iso, 'T') : NULL;

	turn = !turn;
	part[turn][0] = '\0';
	if (t)
		snprintf(part[turn], sizeof(part[turn]), "%.*s", (int)strcspn(t + 1, "+-Z"), t + 1);
	return part[turn];
}

int task_view_print(FILE *out, const json_t *task, char *const *last_log)
{
	size_t count, done = 0;
	json_t **order = task_view_order(task, &count);
	int lines = 2;

	for (size_t i = 0; i < count; i++)
		done += !strcmp(json_text(order[i], "status"), "SUCCESSFUL");
	fprintf(out, "task %" PRId64 "  %s  %s  %zu/%zu", json_int(task, "id", 0),
	        json_text(task, "name"), json_text(task, "status"), done, count);
	if (json_object_get(task, "hostId"))
		fprintf(out, "  host %" PRId64, json_int(task, "hostId", 0));
	fprintf(out, "\033[K\n  %-10s %-42s %-10s %-13s %-13s %-4s %s\033[K\n", "ID", "SUBTASK",
	        "STATUS", "START", "FINISH", "RUN", last_log ? "LAST LOG LINE" : "WORKER");
	for (size_t i = 0; i < count; i++, lines++)
		fprintf(out,
		        "  %-10" PRId64 " %-42.42s %-10s %-13s %-13s %-4" PRId64 " %.60s\033[K\n",
		        json_int(order[i], "id", 0), json_text(order[i], "name"),
		        json_text(order[i], "status"), clock_part(json_text(order[i], "startTime")),
		        clock_part(json_text(order[i], "finishTime")),
		        json_int(order[i], "runTime", 0),
		        last_log ? or_empty(last_log[i])
		                 : or_empty(json_text(order[i], "executor")));
	free(order);
	return lines;
}

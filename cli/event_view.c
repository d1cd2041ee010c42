#include "cli/event_view.h"

#include <inttypes.h>

#include "cli/text.h"
#include "common/json.h"

static void add_text(struct strbuf *sb, const json_t *object, const char *name)
{
	const char *text = json_text(object, name);

	text_add_lines(sb, text ? text : "?");
}

static void add_move(struct strbuf *sb, const json_t *event, const json_t *move)
{
	const json_t *data = json_object_get(event, "data");

	add_text(sb, event, "time");
	strbuf_addf(sb, "  task %" PRId64 " #%" PRId64 "  ", json_int(data, "task_id", 0),
	        json_int(move, "number", 0));
	if (json_object_get(move, "subtask_id"))
		strbuf_addf(sb, "subtask %" PRId64 "  ", json_int(move, "subtask_id", 0));
	else
		strbuf_adds(sb, "task  ");
	text_add_lines(sb, json_text(move, "from") ? json_text(move, "from") : "new");
	strbuf_adds(sb, " -> ");
	add_text(sb, move, "to");
	strbuf_adds(sb, "  ");
	add_text(sb, move, "reason");
	strbuf_adds(sb, "  [");
	add_text(sb, data, "who");
	strbuf_adds(sb, "]\n");
}

void event_view_add(struct strbuf *sb, const json_t *event)
{
	const json_t *moves = json_object_get(json_object_get(event, "data"), "moves");
	size_t i;
	json_t *move;

	json_array_foreach (moves, i, move)
		add_move(sb, event, move);
	if (json_array_size(moves))
		return;
	add_text(sb, event, "time");
	strbuf_adds(sb, "  event ");
	add_text(sb, event, "id");
	strbuf_adds(sb, "  ");
	add_text(sb, event, "type");
	strbuf_addc(sb, '\n');
}

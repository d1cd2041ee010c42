#include "common/context_text.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"

/* A stretch of the text, and the value that follows it. */
struct piece {
	char *text;
	size_t bytes;
	enum { PIECE_END, PIECE_VALUE, PIECE_HOST, PIECE_SERVER, PIECE_TASK } kind;
	char *name; /* of a PIECE_VALUE */
};

struct context_text {
	struct piece *pieces;
	size_t count; /* 0: it is made the long way */
};

/* A value is marked by these in a string; in JSON text they stand as escapes. */
#define MARK_OPEN "\001"
#define MARK_CLOSE "\002"
#define MARK_OPEN_JSON "\\u0001"
#define MARK_CLOSE_JSON "\\u0002"
#define MARK_JSON_BYTES 6

/* Gives every ${name} in the strings of `value` a marked value. */
static void mark_names(const json_t *value, json_t *values)
{
	const char *key, *at;
	json_t *item;
	size_t i;

	json_object_foreach ((json_t *)value, key, item)
		mark_names(item, values);
	json_array_foreach (value, i, item)
		mark_names(item, values);
	for (at = json_string_value(value); at && (at = strstr(at, "${")); at += 2) {
		_cleanup_free_ char *name = xstrndup(at + 2, strcspn(at + 2, "}"));
		_cleanup_free_ char *marked = xasprintf(MARK_OPEN "%s" MARK_CLOSE, name);

		json_object_set_new(values, name, json_string(marked));
	}
}

/* Takes the name; NULL: the end. */
static void add_piece(struct context_text *c, const char *text, size_t bytes, char *name)
{
	struct piece *piece;

	c->pieces = xrealloc(c->pieces, (c->count + 1) * sizeof(*c->pieces));
	piece = &c->pieces[c->count++];
	*piece = (struct piece){.text = xstrndup(text, bytes), .bytes = bytes, .name = name};
	if (!name)
		piece->kind = PIECE_END;
	else if (!strcmp(name, "host_id"))
		piece->kind = PIECE_HOST;
	else if (!strcmp(name, "obproxy_server_id"))
		piece->kind = PIECE_SERVER;
	else if (!strcmp(name, "task_id"))
		piece->kind = PIECE_TASK;
	else
		piece->kind = PIECE_VALUE;
}

static bool has_marks(const json_t *context)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	json_append(&text, context);
	return strstr(text.buf, MARK_OPEN_JSON) || strstr(text.buf, MARK_CLOSE_JSON);
}

/* Cuts the text of a context with marked values into pieces. */
static void cut(struct context_text *c, const char *text)
{
	const char *at = text, *mark;

	while ((mark = strstr(at, MARK_OPEN_JSON))) {
		const char *name = mark + MARK_JSON_BYTES;
		const char *end = strstr(name, MARK_CLOSE_JSON);

		add_piece(c, at, (size_t)(mark - at), xstrndup(name, (size_t)(end - name)));
		at = end + MARK_JSON_BYTES;
	}
	add_piece(c, at, strlen(at), NULL);
}

struct context_text *context_text_new(const struct template *t)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct context_text *c = xcalloc(1, sizeof(*c));
	json_t *values = json_object(), *context = NULL;
	struct err err = {0};

	mark_names(t->context, values);
	if (!has_marks(t->context) && template_context(t, values, &context, &err) == 0) {
		json_append(&text, context);
		cut(c, text.buf);
	}
	json_decref(context);
	json_decref(values);
	return c;
}

void context_text_free(struct context_text *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++)
		free(c->pieces[i].text), free(c->pieces[i].name);
	free(c->pieces);
	free(c);
}

static bool has_extras(const json_t *values)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)values, name, value)
		if (name[0] == '+')
			return true;
	return false;
}

/* The long way: with values beyond the template's, or to say what is missing. */
static int append_any(struct strbuf *sb, const struct template *t, const struct request *r,
        const struct request_task *task, struct err *err)
{
	json_t *values = request_task_values(r, task), *context = NULL;
	int rc = template_context(t, values, &context, err);

	if (rc == 0)
		json_append(sb, context);
	json_decref(context);
	json_decref(values);
	return rc;
}

static const struct request_value *plain_value(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->plain_count; i++)
		if (!strcmp(r->plain[i].name, name))
			return &r->plain[i];
	return NULL;
}

/* A value inside a string that has its quotes already; false: the request has none. */
static bool add_value(struct strbuf *sb, const struct request *r, const char *name)
{
	const struct request_value *plain;
	const json_t *value;

	if (r->plain) {
		plain = plain_value(r, name);
		if (plain)
			strbuf_add(sb, plain->text, plain->bytes);
		return plain;
	}
	value = json_object_get(r->values, name);
	if (!json_is_string(value))
		return false;
	strbuf_add_json_bare(sb, json_string_value(value), json_string_length(value));
	return true;
}

bool context_text_sure(const struct template *t, const struct request *r)
{
	const struct context_text *c = t->context_text;

	if (!r->plain)
		return false;
	for (size_t i = 0; i < c->count; i++)
		if (c->pieces[i].kind == PIECE_VALUE && !plain_value(r, c->pieces[i].name))
			return false;
	return c->count > 0;
}

int context_text_append(struct strbuf *sb, const struct template *t, const struct request *r,
        const struct request_task *task, struct err *err)
{
	const struct context_text *c = t->context_text;
	size_t start = sb->len;

	if (!c->count || (!r->plain && has_extras(r->values)))
		return append_any(sb, t, r, task, err);
	for (size_t i = 0; i < c->count; i++) {
		const struct piece *piece = &c->pieces[i];

		strbuf_add(sb, piece->text, piece->bytes);
		switch (piece->kind) {
		case PIECE_END:
			break;
		case PIECE_HOST:
			strbuf_add_i64(sb, task->host_id);
			break;
		case PIECE_SERVER:
			strbuf_add_i64(sb, task->obproxy_server_id);
			break;
		case PIECE_TASK:
			strbuf_add_i64(sb, task->task_id);
			break;
		case PIECE_VALUE:
			if (add_value(sb, r, piece->name))
				break;
			sb->len = start;
			sb->buf[start] = '\0';
			return append_any(sb, t, r, task, err);
		}
	}
	return 0;
}

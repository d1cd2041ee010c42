#include "common/json.h"

#include <string.h>

/* What jansson does not check, or checks without saying where: returns what is wrong and its
 * position, NULL when nothing is. */
static const char *prescan(const unsigned char *in, size_t bytes, size_t *ret_at)
{
	int depth = 0;
	bool text = false;
	*ret_at = 0;
	if (bytes >= 3 && memcmp(in, "\xEF\xBB\xBF", 3) == 0)
		return "a byte order mark stands before the JSON text";
	for (size_t i = 0; i < bytes; i++) {
		unsigned char c = in[i];
		*ret_at = i;
		if (c == '\0')
			return "a NUL byte is not allowed";
		if (text) {
			/* An escaped quote does not end the text; an escaped NUL is refused next.
			 */
			if (c == '\\' && i + 1 < bytes && in[i + 1] != '\0')
				i++;
			else if (c == '"')
				text = false;
			continue;
		}
		if (c == '"')
			text = true;
		else if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		if (depth > JSON_DEPTH_MAX)
			return "nested deeper than 32 objects and arrays";
	}
	return NULL;
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/*
 * The offset of what is wrong. jansson's position counts the bytes it has read, the token it does
 * not like included; a short token is quoted behind " near ". The quote is cut off, since it may be
 * a secret.
 */
static size_t error_place(json_error_t *error)
{
	size_t at = error->position > 0 ? (size_t)error->position : 0;
	size_t token = 1;
	char *near = strstr(error->text, " near '");
	if (near) {
		token = strlen(near) - strlen(" near ''");
		*near = '\0';
	}
	/* These bytes are looked at and not read. */
	if (starts_with(error->text, "unable to decode") ||
	        starts_with(error->text, "control character") || strstr(error->text, "near end"))
		return at;
	return at >= token ? at - token : 0;
}

json_t *json_parse_strict(const void *data, size_t bytes, struct err *err)
{
	size_t at = 0;
	const char *wrong = bytes ? prescan(data, bytes, &at) : "empty, not a JSON value";
	if (wrong) {
		err_set(err, ERR_PERMANENT, "", "not valid JSON at byte %zu: %s", at, wrong);
		return NULL;
	}
	json_error_t error;
	json_t *value = json_loadb(data, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (value)
		return value;
	at = error_place(&error);
	err_set(err, ERR_PERMANENT, "", "not valid JSON at byte %zu (line %d): %s%s", at,
	        error.line, starts_with(error.text, "unable to decode") ? "not UTF-8: " : "",
	        error.text);
	return NULL;
}

static void append_at(struct strbuf *sb, const json_t *value, int depth);

static void append_object(struct strbuf *sb, const json_t *value, int depth)
{
	json_t *object =
	        (json_t *)value; /* jansson's iterators take no const; nothing is changed */
	char before = '{';
	if (json_object_size(object) == 0)
		strbuf_addc(sb, before);
	for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
		strbuf_addc(sb, before);
		before = ',';
		strbuf_add_json(sb, json_object_iter_key(at), json_object_iter_key_len(at));
		strbuf_addc(sb, ':');
		append_at(sb, json_object_iter_value(at), depth);
	}
	strbuf_addc(sb, '}');
}

static void append_array(struct strbuf *sb, const json_t *value, int depth)
{
	size_t count = json_array_size(value);
	strbuf_addc(sb, '[');
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			strbuf_addc(sb, ',');
		append_at(sb, json_array_get(value, i), depth);
	}
	strbuf_addc(sb, ']');
}

/* Reals are rare: jansson knows how to print one so that it reads back the same. */
static void append_real(struct strbuf *sb, const json_t *value)
{
	char text[64];
	size_t len = json_dumpb(value, text, sizeof(text), JSON_ENCODE_ANY);
	if (len == 0 || len > sizeof(text))
		BUG("a JSON real needs %zu bytes", len);
	strbuf_add(sb, text, len);
}

static void append_at(struct strbuf *sb, const json_t *value, int depth)
{
	/* Foreign values were checked by json_parse_strict(); our own are not deeper. */
	if (depth > 2 * JSON_DEPTH_MAX)
		BUG("a JSON value holds itself or is nested too deep");
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		append_object(sb, value, depth + 1);
		return;
	case JSON_ARRAY:
		append_array(sb, value, depth + 1);
		return;
	case JSON_STRING:
		strbuf_add_json(sb, json_string_value(value), json_string_length(value));
		return;
	case JSON_INTEGER:
		strbuf_add_i64(sb, json_integer_value(value));
		return;
	case JSON_REAL:
		append_real(sb, value);
		return;
	case JSON_TRUE:
		strbuf_add(sb, "true", 4);
		return;
	case JSON_FALSE:
		strbuf_add(sb, "false", 5);
		return;
	case JSON_NULL:
		strbuf_add(sb, "null", 4);
		return;
	}
}

void json_append(struct strbuf *sb, const json_t *value)
{
	append_at(sb, value, 0);
}

const char *json_text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

int64_t json_int(const json_t *object, const char *name, int64_t fallback)
{
	const json_t *value = json_object_get(object, name);
	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

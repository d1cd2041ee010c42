/* A task's context: the template's, with its ${names} filled in. */
#include "common/template.h"

#include <string.h>

#include "common/strbuf.h"

/* One string with every ${name} replaced; a "$" before anything but "{" stands for itself. */
static int expand(const char *text, json_t *values, struct strbuf *out, struct err *err)
{
	strbuf_reset(out);
	for (const char *at = text;;) {
		const char *mark = strstr(at, "${");
		if (!mark)
			break;
		const char *end = strchr(mark, '}');
		if (!end)
			return err_set(err, ERR_PERMANENT, "", "\"%s\" has a ${ without }", text);
		strbuf_add(out, at, (size_t)(mark - at));
		const char *name = mark + 2;
		const json_t *value = json_object_getn(values, name, (size_t)(end - name));
		if (!json_is_string(value))
			return err_set(err, ERR_PERMANENT, "", "there is no value for ${%.*s}",
			        (int)(end - name), name);
		strbuf_add(out, json_string_value(value), json_string_length(value));
		at = end + 1;
		text = at;
	}
	strbuf_adds(out, text);
	return 0;
}

/* A new string value from a string of the template; strings without ${} are shared, not copied. */
static json_t *expand_value(json_t *from, json_t *values, struct strbuf *out, struct err *err)
{
	const char *text = json_string_value(from);
	if (!strstr(text, "${"))
		return json_incref(from);
	if (expand(text, values, out, err) != 0)
		return NULL;
	return json_stringn_nocheck(out->buf, out->len);
}

static json_t *expand_list(json_t *from, json_t *values, struct strbuf *out, struct err *err)
{
	json_t *list = json_array();
	for (size_t i = 0; i < json_array_size(from); i++) {
		json_t *value = expand_value(json_array_get(from, i), values, out, err);
		if (!value) {
			json_decref(list);
			return NULL;
		}
		json_array_append_new(list, value);
	}
	return list;
}

/* Adds every member of `from` to `to`, expanded. */
static int expand_map(json_t *to, json_t *from, json_t *values, const char *map_name,
        struct strbuf *out, struct err *err)
{
	const char *name;
	json_t *value;
	json_object_foreach (from, name, value) {
		json_t *expanded = json_is_array(value) ? expand_list(value, values, out, err)
		                                        : expand_value(value, values, out, err);
		if (!expanded)
			return err_prefix(err, "context: %s: \"%s\"", map_name, name);
		json_object_set_new_nocheck(to, name, expanded);
	}
	return 0;
}

static bool is_list_of_strings(const json_t *value)
{
	if (!json_is_array(value))
		return false;
	for (size_t i = 0; i < json_array_size(value); i++) {
		if (!json_is_string(json_array_get(value, i)))
			return false;
	}
	return true;
}

/* The values a caller adds to the context: "+name". */
static int add_extras(json_t *strings, json_t *lists, json_t *values, struct err *err)
{
	const char *name;
	json_t *value;
	json_object_foreach (values, name, value) {
		if (name[0] != '+')
			continue;
		/* The template's own values (host_id, ...) are not for a caller to change. */
		if (json_object_get(strings, name + 1) || json_object_get(lists, name + 1))
			return err_set(err, ERR_PERMANENT, "",
			        "context: \"%s\" is set by the template", name + 1);
		if (json_is_string(value))
			json_object_set_nocheck(strings, name + 1, value);
		else if (is_list_of_strings(value))
			json_object_set_nocheck(lists, name + 1, value);
		else
			return err_set(err, ERR_PERMANENT, "",
			        "context: \"%s\" must be a string or an array of strings",
			        name + 1);
	}
	return 0;
}

int template_context(
        const struct template *t, json_t *values, json_t **ret_context, struct err *err)
{
	struct strbuf out = STRBUF_INIT;
	json_t *context = json_object();
	json_t *strings = json_object();
	json_t *lists = json_object();
	json_object_set_new_nocheck(context, "listMap", lists);
	json_object_set_new_nocheck(context, "parallel", json_false());
	json_object_set_new_nocheck(context, "parallelIdx", json_integer(-1));
	json_object_set_new_nocheck(context, "stringMap", strings);
	int rc = expand_map(
	        strings, json_object_get(t->context, "stringMap"), values, "stringMap", &out, err);
	if (rc == 0)
		rc = expand_map(lists, json_object_get(t->context, "listMap"), values, "listMap",
		        &out, err);
	if (rc == 0)
		rc = add_extras(strings, lists, values, err);
	strbuf_release(&out);
	if (rc == 0)
		*ret_context = context;
	else
		json_decref(context);
	return rc;
}

/*
 * Reading a template file: members first (this file), then the graph (template_graph.c).
 * Every fault is reported with its place; the first one found ends the reading.
 */
#include "common/template.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/context_text.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/message.h"
#include "common/template_graph.h"

#define SECONDS_MAX 31536000 /* a year */
#define BACKOFF_MS_MAX 86400000
#define TRIES_MAX 1000
#define NAME_BYTES_MAX 64

/* ---- members ---- */

enum member_kind { KIND_TEXT, KIND_INT, KIND_BOOL, KIND_OBJECT, KIND_ARRAY };

struct member {
	const char *name;
	enum member_kind kind;
	bool optional;
	int64_t min, max; /* of an INT; of a TEXT's bytes */
};

static const char *kind_name(enum member_kind kind)
{
	static const char *const names[] = {
	        [KIND_TEXT] = "a string",
	        [KIND_INT] = "an integer",
	        [KIND_BOOL] = "true or false",
	        [KIND_OBJECT] = "an object",
	        [KIND_ARRAY] = "an array",
	};
	return names[kind];
}

static bool is_kind(const json_t *value, enum member_kind kind)
{
	switch (kind) {
	case KIND_TEXT:
		return json_is_string(value);
	case KIND_INT:
		return json_is_integer(value);
	case KIND_BOOL:
		return json_is_boolean(value);
	case KIND_OBJECT:
		return json_is_object(value);
	case KIND_ARRAY:
		return json_is_array(value);
	}
	return false;
}

static int check_member(
        const json_t *object, const struct member *member, const char *place, struct err *err)
{
	const json_t *value = json_object_get(object, member->name);
	if (!value) {
		if (member->optional)
			return 0;
		return err_set(
		        err, ERR_PERMANENT, "", "%smember \"%s\" is missing", place, member->name);
	}
	if (!is_kind(value, member->kind))
		return err_set(err, ERR_PERMANENT, "", "%s\"%s\" must be %s", place, member->name,
		        kind_name(member->kind));
	int64_t size = 0;
	if (member->kind == KIND_INT)
		size = json_integer_value(value);
	else if (member->kind == KIND_TEXT)
		size = (int64_t)json_string_length(value);
	else
		return 0;
	if (size >= member->min && size <= member->max)
		return 0;
	return err_set(err, ERR_PERMANENT, "",
	        "%s\"%s\" must be %s%" PRId64 " to %" PRId64 "%s, it is %" PRId64, place,
	        member->name, member->kind == KIND_INT ? "" : "a string of ", member->min,
	        member->max, member->kind == KIND_INT ? "" : " bytes", size);
}

/* All there, all of their kind, none that is not known. `place` ends in ": " or is empty. */
static int check_members(const json_t *object, const struct member *members, size_t count,
        const char *place, struct err *err)
{
	const char *name;
	json_t *value;
	json_object_foreach ((json_t *)object, name, value) {
		bool known = false;
		for (size_t i = 0; i < count && !known; i++)
			known = strcmp(members[i].name, name) == 0;
		if (!known)
			return err_set(
			        err, ERR_PERMANENT, "", "%sthere is no member \"%s\"", place, name);
	}
	for (size_t i = 0; i < count; i++) {
		if (check_member(object, &members[i], place, err) != 0)
			return -1;
	}
	return 0;
}

static bool is_name(const char *text)
{
	return text[0] && !text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")];
}

static int check_name(const json_t *object, const char *member, const char *place, struct err *err)
{
	const char *text = json_text(object, member);
	if (is_name(text))
		return 0;
	return err_set(err, ERR_PERMANENT, "",
	        "%s\"%s\" must consist of a-z, 0-9 and hyphen, it is \"%s\"", place, member, text);
}

static char *copy_text(const json_t *object, const char *name, const char *fallback)
{
	const char *text = json_text(object, name);
	return xstrdup(text ? text : fallback);
}

static bool get_bool(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

/* ---- context ---- */

static int check_context(const json_t *context, struct err *err)
{
	static const struct member members[] = {
	        {"stringMap", KIND_OBJECT, false, 0, 0},
	        {"listMap", KIND_OBJECT, false, 0, 0},
	};
	if (check_members(context, members, ARRAY_SIZE(members), "context: ", err) != 0)
		return -1;
	const char *name;
	json_t *value;
	json_object_foreach (json_object_get(context, "stringMap"), name, value) {
		if (!json_is_string(value))
			return err_set(err, ERR_PERMANENT, "",
			        "context: stringMap: \"%s\" must be a string", name);
	}
	json_object_foreach (json_object_get(context, "listMap"), name, value) {
		bool right = json_is_array(value);
		for (size_t i = 0; right && i < json_array_size(value); i++)
			right = json_is_string(json_array_get(value, i));
		if (!right)
			return err_set(err, ERR_PERMANENT, "",
			        "context: listMap: \"%s\" must be an array of strings", name);
	}
	return 0;
}

/* ---- nodes ---- */

static int parse_retry(
        const json_t *retry, const char *place, struct template_node *node, struct err *err)
{
	static const struct member members[] = {
	        {"tries", KIND_INT, false, 1, TRIES_MAX},
	        {"backoffMs", KIND_INT, false, 0, BACKOFF_MS_MAX},
	};
	node->tries = 1;
	if (!retry)
		return 0;
	_cleanup_free_ char *inner = xasprintf("%sretry: ", place);
	if (check_members(retry, members, ARRAY_SIZE(members), inner, err) != 0)
		return -1;
	node->tries = (int16_t)json_int(retry, "tries", 1);
	node->backoff_ms = (int32_t)json_int(retry, "backoffMs", 0);
	return 0;
}

static bool is_listed(const char *const *list, const char *text)
{
	for (; *list; list++) {
		if (strcmp(*list, text) == 0)
			return true;
	}
	return false;
}

static int parse_node_members(const json_t *object, const char *place, const char *const *types,
        struct template_node *node, struct err *err)
{
	static const struct member members[] = {
	        {"key", KIND_TEXT, false, 1, NAME_BYTES_MAX},
	        {"type", KIND_TEXT, false, 1, NAME_BYTES_MAX},
	        {"name", KIND_TEXT, false, 1, 256},
	        {"description", KIND_TEXT, true, 1, 1024},
	        {"className", KIND_TEXT, false, 1, 256},
	        {"timeout", KIND_INT, false, 0, SECONDS_MAX},
	        {"seriesId", KIND_INT, false, 0, INT32_MAX},
	        {"onHost", KIND_BOOL, true, 0, 0},
	        {"prohibitRollback", KIND_BOOL, true, 0, 0},
	        {"retry", KIND_OBJECT, true, 0, 0},
	        {"upstreams", KIND_ARRAY, false, 0, 0},
	};
	if (check_members(object, members, ARRAY_SIZE(members), place, err) != 0)
		return -1;
	if (check_name(object, "key", place, err) != 0 ||
	        check_name(object, "type", place, err) != 0)
		return -1;
	const char *type = json_text(object, "type");
	if (types && !is_listed(types, type))
		return err_set(
		        err, ERR_PERMANENT, "", "%sthere is no subtask type \"%s\"", place, type);
	node->key = copy_text(object, "key", NULL);
	node->type = copy_text(object, "type", NULL);
	node->name = copy_text(object, "name", NULL);
	node->description = copy_text(object, "description", node->name);
	node->class_name = copy_text(object, "className", NULL);
	node->timeout_s = (int32_t)json_int(object, "timeout", 0);
	node->series_id = (int32_t)json_int(object, "seriesId", 0);
	node->on_host = get_bool(object, "onHost");
	node->prohibit_rollback = get_bool(object, "prohibitRollback");
	return parse_retry(json_object_get(object, "retry"), place, node, err);
}

/* "node 3 ("left"): ", or "node 3: " when it has no key that could be shown */
static char *node_place(const json_t *object, size_t index)
{
	const char *key = json_is_object(object) ? json_text(object, "key") : NULL;
	if (key && is_name(key))
		return xasprintf("node %zu (\"%s\"): ", index + 1, key);
	return xasprintf("node %zu: ", index + 1);
}

static int check_unique(const struct template *t, int index, const char *place, struct err *err)
{
	const struct template_node *node = &t->nodes[index];
	for (int other = 0; other < index; other++) {
		if (strcmp(t->nodes[other].key, node->key) == 0)
			return err_set(err, ERR_PERMANENT, "", "%snode %d has the same key", place,
			        other + 1);
		if (t->nodes[other].series_id == node->series_id)
			return err_set(err, ERR_PERMANENT, "", "%snode %d has the same seriesId %d",
			        place, other + 1, (int)node->series_id);
	}
	return 0;
}

static int parse_upstreams(const struct template *t, const json_t *list, const char *place,
        struct template_node *node, struct err *err)
{
	size_t count = json_array_size(list);
	if (count >= TEMPLATE_NODES_MAX)
		return err_set(err, ERR_PERMANENT, "", "%stoo many upstreams", place);
	node->upstreams = xcalloc(count, sizeof(*node->upstreams));
	for (size_t i = 0; i < count; i++) {
		const char *key = json_string_value(json_array_get(list, i));
		if (!key)
			return err_set(err, ERR_PERMANENT, "", "%supstream %zu must be a string",
			        place, i + 1);
		int up = template_node_find(t, key);
		if (up < 0)
			return err_set(err, ERR_PERMANENT, "",
			        "%supstream \"%s\" is not a node of this template", place, key);
		for (int before = 0; before < node->upstream_count; before++) {
			if (node->upstreams[before] == up)
				return err_set(err, ERR_PERMANENT, "",
				        "%supstream \"%s\" is named twice", place, key);
		}
		node->upstreams[node->upstream_count++] = (int16_t)up;
	}
	return 0;
}

static int parse_nodes(
        struct template *t, const json_t *list, const char *const *types, struct err *err)
{
	size_t count = json_array_size(list);
	if (count < 1 || count > TEMPLATE_NODES_MAX)
		return err_set(err, ERR_PERMANENT, "",
		        "\"nodes\" must have 1 to %d nodes, it has %zu", TEMPLATE_NODES_MAX, count);
	t->nodes = xcalloc(count, sizeof(*t->nodes));
	for (size_t i = 0; i < count; i++) {
		const json_t *object = json_array_get(list, i);
		_cleanup_free_ char *place = node_place(object, i);
		if (!json_is_object(object))
			return err_set(err, ERR_PERMANENT, "", "%smust be an object", place);
		/* Counted first, so that template_free() sees a node read in part. */
		t->node_count++;
		if (parse_node_members(object, place, types, &t->nodes[i], err) != 0 ||
		        check_unique(t, (int)i, place, err) != 0)
			return -1;
	}
	/* Edges may name a node that stands further down. */
	for (size_t i = 0; i < count; i++) {
		const json_t *object = json_array_get(list, i);
		_cleanup_free_ char *place = node_place(object, i);
		if (parse_upstreams(
		            t, json_object_get(object, "upstreams"), place, &t->nodes[i], err) != 0)
			return -1;
	}
	return 0;
}

/* ---- listing ---- */

static int parse_listing(struct template *t, const json_t *list, struct err *err)
{
	t->listing = xcalloc((size_t)t->node_count, sizeof(*t->listing));
	if (!list) {
		for (int16_t i = 0; i < t->node_count; i++)
			t->listing[i] = i;
		return 0;
	}
	if (json_array_size(list) != (size_t)t->node_count)
		return err_set(err, ERR_PERMANENT, "",
		        "\"listing\" must name each of the %d nodes once, it has %zu entries",
		        (int)t->node_count, json_array_size(list));
	for (int i = 0; i < t->node_count; i++) {
		const char *key = json_string_value(json_array_get(list, (size_t)i));
		int node = key ? template_node_find(t, key) : -1;
		if (node < 0)
			return err_set(err, ERR_PERMANENT, "",
			        "listing entry %d (\"%s\") is not a node of this template", i + 1,
			        key ? key : "not a string");
		for (int before = 0; before < i; before++) {
			if (t->listing[before] == node)
				return err_set(err, ERR_PERMANENT, "",
				        "listing names node \"%s\" twice", key);
		}
		t->listing[i] = (int16_t)node;
	}
	return 0;
}

/* ---- the file ---- */

static void sha256_hex(const void *data, size_t bytes, char *hex)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	if (EVP_Digest(data, bytes, digest, &len, EVP_sha256(), NULL) != 1 || len != 32)
		BUG("libcrypto cannot compute SHA-256");
	for (size_t i = 0; i < len; i++) {
		hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	hex[(size_t)2 * len] = '\0';
}

static int check_schema(const json_t *root, struct err *err)
{
	int64_t schema = json_int(root, "schema", 0);
	if (schema > TEMPLATE_SCHEMA)
		return err_set(err, ERR_PERMANENT, MESSAGE_TOO_NEW,
		        "template schema %" PRId64 " is newer than this program, which knows %d",
		        schema, TEMPLATE_SCHEMA);
	return 0;
}

static int parse_root(
        struct template *t, const json_t *root, const char *const *types, struct err *err)
{
	static const struct member members[] = {
	        {"schema", KIND_INT, false, 1, TEMPLATE_SCHEMA},
	        {"name", KIND_TEXT, false, 1, NAME_BYTES_MAX},
	        {"version", KIND_INT, false, 1, INT32_MAX},
	        {"taskName", KIND_TEXT, false, 1, 256},
	        {"taskType", KIND_TEXT, false, 1, NAME_BYTES_MAX},
	        {"perHost", KIND_BOOL, false, 0, 0},
	        {"context", KIND_OBJECT, false, 0, 0},
	        {"listing", KIND_ARRAY, true, 0, 0},
	        {"nodes", KIND_ARRAY, false, 0, 0},
	};
	if (!json_is_object(root))
		return err_set(err, ERR_PERMANENT, "", "a template must be an object");
	/* A newer schema may have other members: say that first. */
	if (check_schema(root, err) != 0 ||
	        check_members(root, members, ARRAY_SIZE(members), "", err) != 0 ||
	        check_name(root, "name", "", err) != 0 ||
	        check_context(json_object_get(root, "context"), err) != 0)
		return -1;
	t->name = copy_text(root, "name", NULL);
	t->version = (int32_t)json_int(root, "version", 0);
	t->task_name = copy_text(root, "taskName", NULL);
	t->task_type = copy_text(root, "taskType", NULL);
	t->per_host = get_bool(root, "perHost");
	t->context = json_incref(json_object_get(root, "context"));
	if (parse_nodes(t, json_object_get(root, "nodes"), types, err) != 0 ||
	        parse_listing(t, json_object_get(root, "listing"), err) != 0)
		return -1;
	return template_graph_check(t, err);
}

int template_parse(const char *text, size_t bytes, const char *const *types,
        struct template **ret_template, struct err *err)
{
	json_t *root = json_parse_strict(text, bytes, err);
	if (!root)
		return -1;
	struct template *t = xcalloc(1, sizeof(*t));
	sha256_hex(text, bytes, t->sha256);
	int rc = parse_root(t, root, types, err);
	json_decref(root);
	if (rc != 0) {
		template_free(t);
		return -1;
	}
	t->context_text = context_text_new(t);
	*ret_template = t;
	return 0;
}

void template_free(struct template *t)
{
	if (!t)
		return;
	for (int i = 0; i < t->node_count; i++) {
		struct template_node *node = &t->nodes[i];
		free(node->key);
		free(node->type);
		free(node->name);
		free(node->description);
		free(node->class_name);
		free(node->upstreams);
		free(node->downstreams);
	}
	free(t->nodes);
	free(t->listing);
	free(t->name);
	free(t->task_name);
	free(t->task_type);
	json_decref(t->context);
	context_text_free(t->context_text);
	free(t);
}

int template_node_find(const struct template *t, const char *key)
{
	for (int i = 0; i < t->node_count; i++) {
		if (t->nodes[i].key && strcmp(t->nodes[i].key, key) == 0)
			return i;
	}
	return -1;
}

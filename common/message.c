/* Requests and hints; events are in message_event.c. */
#include "common/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"

/* ---- reading members ---- */

static int wrong(struct err *err, const char *name, const char *must)
{
	return err_set(err, ERR_PERMANENT, "", "\"%s\" must be %s", name, must);
}

/* An integer from min to max. */
static int get_int(const json_t *object, const char *name, int64_t min, int64_t max,
        int64_t *ret_value, struct err *err)
{
	const json_t *value = json_object_get(object, name);
	if (json_is_integer(value) && json_integer_value(value) >= min &&
	        json_integer_value(value) <= max) {
		*ret_value = json_integer_value(value);
		return 0;
	}
	return err_set(err, ERR_PERMANENT, "",
	        "\"%s\" must be an integer from %" PRId64 " to %" PRId64, name, min, max);
}

static int get_id(const json_t *object, const char *name, int64_t *ret_id, struct err *err)
{
	return get_int(object, name, 1, JSON_SAFE_INTEGER_MAX, ret_id, err);
}

/* A string of 1 to bytes_max bytes; a copy the caller frees. */
static int get_text(
        const json_t *object, const char *name, size_t bytes_max, char **ret_text, struct err *err)
{
	const json_t *value = json_object_get(object, name);
	if (json_is_string(value) && json_string_length(value) > 0 &&
	        json_string_length(value) <= bytes_max) {
		*ret_text = xstrdup(json_string_value(value));
		return 0;
	}
	return err_set(err, ERR_PERMANENT, "", "\"%s\" must be a string of 1 to %zu bytes", name,
	        bytes_max);
}

/* Exactly `digits` lower-case hex digits. */
static int get_hex(
        const json_t *object, const char *name, size_t digits, char **ret_text, struct err *err)
{
	const char *text = json_text(object, name);
	if (text && strlen(text) == digits && strspn(text, "0123456789abcdef") == digits) {
		*ret_text = xstrdup(text);
		return 0;
	}
	return err_set(
	        err, ERR_PERMANENT, "", "\"%s\" must be %zu lower-case hex digits", name, digits);
}

static bool is_template_name(const char *text)
{
	return text[0] && !text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")];
}

/* Parses a message and looks at its version before anything else in it. */
static json_t *parse_message(const void *data, size_t bytes, struct err *err)
{
	json_t *root = json_parse_strict(data, bytes, err);
	if (!root)
		return NULL;
	int64_t schema = 0;
	if (!json_is_object(root))
		err_set(err, ERR_PERMANENT, "", "a message must be an object");
	else if (get_int(root, "schema", 1, INT64_MAX, &schema, err) == 0 &&
	         schema > MESSAGE_SCHEMA)
		err_set(err, ERR_PERMANENT, MESSAGE_TOO_NEW,
		        "message schema %" PRId64 " is newer than this program, which knows %d",
		        schema, MESSAGE_SCHEMA);
	if (schema >= 1 && schema <= MESSAGE_SCHEMA)
		return root;
	json_decref(root);
	return NULL;
}

/* ---- request ---- */

void request_release(struct request *r)
{
	if (!r->borrowed) {
		free(r->request_id);
		free(r->user);
		free(r->client);
		free(r->executor);
		free(r->trace_id);
		free(r->template);
		free(r->sha256);
	}
	json_decref(r->body);
	json_decref(r->values);
	free(r->tasks);
	memset(r, 0, sizeof(*r));
}

static void add_text(struct strbuf *sb, const char *name, const char *text)
{
	strbuf_adds(sb, name);
	strbuf_add_json(sb, text, strlen(text));
}

static void add_int(struct strbuf *sb, const char *name, int64_t value)
{
	strbuf_adds(sb, name);
	strbuf_add_i64(sb, value);
}

static void add_values(const struct request *r, struct strbuf *sb)
{
	if (!r->plain) {
		json_append(sb, r->values);
		return;
	}
	strbuf_addc(sb, '{');
	for (size_t i = 0; i < r->plain_count; i++) {
		strbuf_adds(sb, i ? "\",\"" : "\"");
		strbuf_adds(sb, r->plain[i].name);
		strbuf_adds(sb, "\":\"");
		strbuf_add(sb, r->plain[i].text, r->plain[i].bytes);
	}
	strbuf_adds(sb, r->plain_count ? "\"}" : "}");
}

void request_encode(const struct request *r, struct strbuf *sb)
{
	strbuf_grow(sb, 512 + r->body_text_bytes + r->task_count * 128);
	add_int(sb, "{\"schema\":", MESSAGE_SCHEMA);
	add_text(sb, ",\"request_id\":", r->request_id);
	add_text(sb, ",\"user\":", r->user);
	add_text(sb, ",\"client\":", r->client);
	add_text(sb, ",\"executor\":", r->executor);
	add_text(sb, ",\"trace_id\":", r->trace_id);
	add_int(sb, ",\"accepted_at_us\":", r->accepted_at_us);
	add_text(sb, ",\"template\":", r->template);
	add_int(sb, ",\"version\":", r->version);
	add_text(sb, ",\"sha256\":", r->sha256);
	add_int(sb, ",\"cluster_id\":", r->cluster_id);
	strbuf_adds(sb, ",\"body\":");
	if (r->body_text)
		strbuf_add(sb, r->body_text, r->body_text_bytes);
	else
		json_append(sb, r->body);
	strbuf_adds(sb, ",\"values\":");
	add_values(r, sb);
	const char *before = ",\"tasks\":[{\"task_id\":";
	for (size_t i = 0; i < r->task_count; i++) {
		add_int(sb, before, r->tasks[i].task_id);
		add_int(sb, ",\"first_subtask_id\":", r->tasks[i].first_subtask_id);
		add_int(sb, ",\"host_id\":", r->tasks[i].host_id);
		add_int(sb, ",\"obproxy_server_id\":", r->tasks[i].obproxy_server_id);
		before = "},{\"task_id\":";
	}
	strbuf_adds(sb, r->task_count ? "}]}" : ",\"tasks\":[]}");
}

/* Strings and arrays of strings only. */
static bool values_are_right(const json_t *values)
{
	const char *name;
	json_t *value;
	json_object_foreach ((json_t *)values, name, value) {
		if (json_is_string(value))
			continue;
		if (!json_is_array(value))
			return false;
		for (size_t i = 0; i < json_array_size(value); i++) {
			if (!json_is_string(json_array_get(value, i)))
				return false;
		}
	}
	return true;
}

static bool task_ids_differ(const struct request *r)
{
	bool rising = true; /* the ingress draws them so; then there is nothing to compare */
	for (size_t i = 1; i < r->task_count && rising; i++)
		rising = r->tasks[i - 1].task_id < r->tasks[i].task_id;
	for (size_t i = 1; i < r->task_count && !rising; i++) {
		for (size_t other = 0; other < i; other++) {
			if (r->tasks[other].task_id == r->tasks[i].task_id)
				return false;
		}
	}
	return true;
}

static int decode_tasks(const json_t *list, struct request *r, struct err *err)
{
	size_t count = json_array_size(list);
	if (!json_is_array(list) || count < 1 || count > REQUEST_TASKS_MAX)
		return wrong(err, "tasks", "an array of 1 to 1000 tasks");
	r->tasks = xcalloc(count, sizeof(*r->tasks));
	r->task_count = count;
	for (size_t i = 0; i < count; i++) {
		const json_t *from = json_array_get(list, i);
		struct request_task *task = &r->tasks[i];
		if (!json_is_object(from)) {
			wrong(err, "tasks", "an array of objects");
			return err_prefix(err, "task %zu", i + 1);
		}
		if (get_id(from, "task_id", &task->task_id, err) != 0 ||
		        get_id(from, "first_subtask_id", &task->first_subtask_id, err) != 0 ||
		        get_int(from, "host_id", 0, JSON_SAFE_INTEGER_MAX, &task->host_id, err) !=
		                0 ||
		        get_int(from, "obproxy_server_id", 0, JSON_SAFE_INTEGER_MAX,
		                &task->obproxy_server_id, err) != 0)
			return err_prefix(err, "task %zu", i + 1);
	}
	if (!task_ids_differ(r))
		return err_set(err, ERR_PERMANENT, "", "two tasks have the same \"task_id\"");
	return 0;
}

static int decode_origin(const json_t *root, struct request *r, struct err *err)
{
	int64_t accepted_at_us = 0;
	if (get_hex(root, "request_id", 32, &r->request_id, err) != 0 ||
	        get_text(root, "user", 64, &r->user, err) != 0 ||
	        get_text(root, "client", 256, &r->client, err) != 0 ||
	        get_text(root, "executor", 256, &r->executor, err) != 0 ||
	        get_hex(root, "trace_id", 16, &r->trace_id, err) != 0 ||
	        get_int(root, "accepted_at_us", 1, JSON_SAFE_INTEGER_MAX, &accepted_at_us, err) !=
	                0)
		return -1;
	r->accepted_at_us = accepted_at_us;
	return 0;
}

static int decode_template(const json_t *root, struct request *r, struct err *err)
{
	int64_t version = 0;
	if (get_text(root, "template", 64, &r->template, err) != 0)
		return -1;
	if (!is_template_name(r->template))
		return wrong(err, "template", "a name of a-z, 0-9 and hyphen");
	if (get_int(root, "version", 1, INT32_MAX, &version, err) != 0 ||
	        get_hex(root, "sha256", 64, &r->sha256, err) != 0 ||
	        get_int(root, "cluster_id", 0, JSON_SAFE_INTEGER_MAX, &r->cluster_id, err) != 0)
		return -1;
	r->version = (int32_t)version;
	return 0;
}

static int decode_contents(const json_t *root, struct request *r, struct err *err)
{
	json_t *body = json_object_get(root, "body");
	json_t *values = json_object_get(root, "values");
	if (!json_is_object(body))
		return wrong(err, "body", "an object");
	if (!json_is_object(values) || !values_are_right(values))
		return wrong(err, "values", "an object of strings and arrays of strings");
	r->body = json_incref(body);
	r->values = json_incref(values);
	return decode_tasks(json_object_get(root, "tasks"), r, err);
}

int request_decode(const void *data, size_t bytes, struct request *r, struct err *err)
{
	memset(r, 0, sizeof(*r));
	json_t *root = parse_message(data, bytes, err);
	if (!root)
		return -1;
	int rc = decode_origin(root, r, err);
	if (rc == 0)
		rc = decode_template(root, r, err);
	if (rc == 0)
		rc = decode_contents(root, r, err);
	json_decref(root);
	if (rc != 0)
		request_release(r);
	return rc;
}

static void set_id(json_t *values, const char *name, int64_t id)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRId64, id);
	json_object_set_new_nocheck(values, name, json_string_nocheck(text));
}

/* The long way round, for what is rare: an object of the plain values. */
static json_t *plain_values(const struct request *r)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	add_values(r, &text);
	json_t *values = json_loadb(text.buf, text.len, 0, NULL);
	if (!values)
		BUG("values that are no JSON: %s", text.buf);
	return values;
}

json_t *request_task_values(const struct request *r, const struct request_task *task)
{
	json_t *values = r->plain ? plain_values(r) : json_copy(r->values);
	set_id(values, "host_id", task->host_id);
	set_id(values, "obproxy_server_id", task->obproxy_server_id);
	set_id(values, "task_id", task->task_id);
	return values;
}

/* ---- hint ---- */

size_t hint_encode(const struct hint *h, char *buf)
{
	int len = snprintf(buf, HINT_BYTES_MAX,
	        "{\"schema\":%d,\"task_id\":%" PRId64 ",\"subtask_id\":%" PRId64 "}",
	        MESSAGE_SCHEMA, h->task_id, h->subtask_id);
	if (len < 0 || len >= HINT_BYTES_MAX)
		BUG("a hint of %d bytes", len);
	return (size_t)len;
}

int hint_decode(const void *data, size_t bytes, struct hint *h, struct err *err)
{
	json_t *root = parse_message(data, bytes, err);
	if (!root)
		return -1;
	int rc = get_id(root, "task_id", &h->task_id, err);
	if (rc == 0)
		rc = get_id(root, "subtask_id", &h->subtask_id, err);
	json_decref(root);
	return rc;
}

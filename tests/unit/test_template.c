#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "common/message.h"
#include "common/template.h"

static const char *const types[] = {
#define SUBTASK_TYPE(symbol, name) name,
#include "workers/subtasks/registry.def"
#undef SUBTASK_TYPE
        NULL,
};

static struct template *parse_file(const char *path)
{
	size_t bytes;
	_cleanup_free_ char *text = test_read_file(path, &bytes);
	struct template *t = NULL;
	struct err err = {0};
	if (template_parse(text, bytes, types, &t, &err) != 0)
		fail_msg("%s: %s", path, err.text);
	return t;
}

static json_t *load_json(const char *path)
{
	size_t bytes;
	_cleanup_free_ char *text = test_read_file(path, &bytes);
	struct err err = {0};
	json_t *value = json_parse_strict(text, bytes, &err);
	if (!value)
		fail_msg("%s: %s", path, err.text);
	return value;
}

/* ---- the templates there are ---- */

static json_t *seed_task(json_t *response)
{
	json_t *contents = json_object_get(json_object_get(response, "data"), "contents");
	return json_array_get(contents, 0);
}

/* The one number of an array of one, or 0. */
static int64_t only_id(const json_t *list)
{
	return json_array_size(list) == 1 ? json_integer_value(json_array_get(list, 0)) : 0;
}

#define SEED_FIRST_SUBTASK 34796

/* Subtask ids of the seed are contiguous; its listing order and every member are the template's. */
static void add_obproxy_is_the_seed(void **state)
{
	struct template *t = parse_file("schema/templates/add-obproxy.json");
	json_t *response = load_json("tests/fixtures/seed/response.json");
	const json_t *task = seed_task(response);
	const json_t *subtasks = json_object_get(task, "subtasks");
	assert_string_equal(t->task_name, json_text(task, "name"));
	assert_string_equal(t->task_type, json_text(task, "type"));
	assert_true(t->per_host);
	assert_int_equal(t->node_count, json_array_size(subtasks));
	for (int i = 0; i < t->node_count; i++) {
		const json_t *subtask = json_array_get(subtasks, (size_t)i);
		int node = t->listing[i];
		const struct template_node *n = &t->nodes[node];
		assert_int_equal(json_int(subtask, "id", 0), SEED_FIRST_SUBTASK + node);
		assert_string_equal(n->name, json_text(subtask, "name"));
		assert_string_equal(n->description, json_text(subtask, "description"));
		assert_string_equal(n->class_name, json_text(subtask, "className"));
		assert_int_equal(n->timeout_s, json_int(subtask, "timeout", -1));
		assert_int_equal(n->series_id, json_int(subtask, "seriesId", -1));
		assert_false(n->prohibit_rollback);
		int64_t up = only_id(json_object_get(subtask, "upstreams"));
		int64_t down = only_id(json_object_get(subtask, "downstreams"));
		assert_int_equal(n->upstream_count, up != 0);
		assert_int_equal(n->downstream_count, down != 0);
		if (up)
			assert_int_equal(SEED_FIRST_SUBTASK + n->upstreams[0], up);
		if (down)
			assert_int_equal(SEED_FIRST_SUBTASK + n->downstreams[0], down);
	}
	json_decref(response);
	template_free(t);
}

static void add_obproxy_context_is_the_seeds(void **state)
{
	struct template *t = parse_file("schema/templates/add-obproxy.json");
	json_t *response = load_json("tests/fixtures/seed/response.json");
	json_t *values = json_pack("{ss ss ss ss ss ss ss}", "package_version", "1.9.1.1-1919579",
	        "cluster_name", "test", "package_name", "obproxy", "obproxy_server_id", "2",
	        "parameter_version", "1", "host_id", "2", "cluster_id", "1");
	json_t *context = NULL;
	struct err err = {0};
	assert_int_equal(template_context(t, values, &context, &err), 0);
	assert_true(json_equal(context, json_object_get(seed_task(response), "context")));
	/* Building it left the template as it was. */
	json_t *again = NULL;
	json_object_set_new(values, "host_id", json_string("7"));
	assert_int_equal(template_context(t, values, &again, &err), 0);
	assert_string_equal(json_text(json_object_get(again, "stringMap"), "host_id"), "7");
	json_decref(context);
	json_decref(again);
	json_decref(values);
	json_decref(response);
	template_free(t);
}

static void noop_templates_have_their_shape(void **state)
{
	struct template *t = parse_file("schema/templates/noop-chain.json");
	assert_int_equal(t->node_count, 12);
	for (int i = 0; i < 12; i++) {
		assert_int_equal(t->nodes[i].upstream_count, i > 0);
		assert_int_equal(t->listing[i], i);
		assert_int_equal(t->nodes[i].tries, 1);
	}
	template_free(t);
	t = parse_file("schema/templates/noop-diamond.json");
	assert_int_equal(t->nodes[template_node_find(t, "fork")].downstream_count, 2);
	assert_int_equal(t->nodes[template_node_find(t, "join")].upstream_count, 2);
	assert_int_equal(template_node_find(t, "nobody"), -1);
	assert_int_equal(strlen(t->sha256), 64);
	template_free(t);
}

/* ---- what is refused ---- */

#define HEAD                                                                                       \
	"{\"schema\":1,\"name\":\"t\",\"version\":1,\"taskName\":\"T\",\"taskType\":\"MANUAL\","   \
	"\"perHost\":false,\"context\":{\"stringMap\":{},\"listMap\":{}},\"nodes\":"
#define NODE(key, more)                                                                            \
	"{\"key\":\"" key                                                                          \
	"\",\"type\":\"noop\",\"name\":\"N\",\"className\":\"C\",\"timeout\":1," more "}"

struct refusal {
	const char *text;
	const char *says;
};

static const struct refusal refusals[] = {
        {"[]", "a template must be an object"},
        {"{\"schema\":1", "not valid JSON at byte"},
        {"{\"schema\":1}", "member \"name\" is missing"},
        {"{\"schema\":1,\"colour\":1}", "there is no member \"colour\""},
        {HEAD "[]}", "\"nodes\" must have 1 to 1000 nodes"},
        {HEAD "[5]}", "node 1: must be an object"},
        {HEAD "[{\"key\":\"a\"}]}", "node 1 (\"a\"): member \"type\" is missing"},
        {HEAD "[" NODE("A", "\"seriesId\":0,\"upstreams\":[]") "]}",
                "node 1: \"key\" must consist of a-z"},
        {HEAD "[" NODE("a", "\"seriesId\":0,\"upstreams\":[],\"retries\":1") "]}",
                "node 1 (\"a\"): there is no member \"retries\""},
        {HEAD "[" NODE("a", "\"seriesId\":-1,\"upstreams\":[]") "]}",
                "node 1 (\"a\"): \"seriesId\" must be 0 to 2147483647, it is -1"},
        {HEAD "[" NODE("a", "\"seriesId\":0,\"upstreams\":\"b\"") "]}",
                "node 1 (\"a\"): \"upstreams\" must be an array"},
        {HEAD "[" NODE("a", "\"seriesId\":0,\"upstreams\":[1]") "]}",
                "node 1 (\"a\"): upstream 1 must be a string"},
        {HEAD "[" NODE("a", "\"seriesId\":0,\"upstreams\":[]") "," NODE(
                 "left", "\"seriesId\":1,\"upstreams\":[\"frok\"]") "]}",
                "node 2 (\"left\"): upstream \"frok\" is not a node of this template"},
        {HEAD "[" NODE("a", "\"seriesId\":0,\"upstreams\":[]") "," NODE(
                 "b", "\"seriesId\":1,\"upstreams\":[\"a\",\"a\"]") "]}",
                "node 2 (\"b\"): upstream \"a\" is named twice"},
        {HEAD "[" NODE("a", "\"seriesId\":0,\"upstreams\":[]") "," NODE(
                 "a", "\"seriesId\":1,\"upstreams\":[]") "]}",
                "node 2 (\"a\"): node 1 has the same key"},
        {HEAD "[" NODE("a", "\"seriesId\":4,\"upstreams\":[]") "," NODE(
                 "b", "\"seriesId\":4,\"upstreams\":[]") "]}",
                "node 2 (\"b\"): node 1 has the same seriesId 4"},
        {HEAD "[" NODE("a", "\"seriesId\":0,\"upstreams\":[\"a\"]") "]}",
                "in a circle: \"a\" waits for \"a\""},
        {HEAD "[" NODE("a", "\"seriesId\":0,\"upstreams\":[]") "," NODE(
                 "b", "\"seriesId\":1,\"upstreams\":[\"a\",\"d\"]") "," NODE("c",
                 "\"seriesId\":2,\"upstreams\":[\"b\"]") "," NODE("d",
                 "\"seriesId\":3,\"upstreams\":[\"c\"]") "," NODE("e",
                 "\"seriesId\":4,\"upstreams\":[\"d\"]") "]}",
                "\" waits for \""},
        {HEAD "[" NODE("a", "\"seriesId\":0,\"upstreams\":[]") "," NODE(
                 "l", "\"seriesId\":1,\"onHost\":true,\"upstreams\":[\"a\"]") "," NODE("r",
                 "\"seriesId\":2,\"onHost\":true,\"upstreams\":[\"a\"]") "]}",
                "node 2 (\"l\") and node 3 (\"r\") both act on the host"},
        {HEAD "[" NODE("a",
                 "\"seriesId\":0,\"upstreams\":[],\"retry\":{\"tries\":0,\"backoffMs\":1}") "]}",
                "node 1 (\"a\"): retry: \"tries\" must be 1 to 1000"},
        {HEAD "[" NODE("a", "\"seriesId\":0,\"upstreams\":[]") "],\"listing\":[]}",
                "\"listing\" must name each of the 1 nodes once, it has 0 entries"},
        {HEAD "[" NODE("a", "\"seriesId\":0,\"upstreams\":[]") "],\"listing\":[\"b\"]}",
                "listing entry 1 (\"b\") is not a node"},
        {HEAD "[" NODE("a", "\"seriesId\":0,\"upstreams\":[]") "," NODE(
                 "b", "\"seriesId\":1,\"upstreams\":[]") "],\"listing\":[\"a\",\"a\"]}",
                "listing names node \"a\" twice"},
};

static void refused_with_the_place(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct template *t = NULL;
		struct err err = {0};
		int rc = template_parse(
		        refusals[i].text, strlen(refusals[i].text), types, &t, &err);
		assert_int_equal(rc, -1);
		assert_null(t);
		assert_int_equal(err.kind, ERR_PERMANENT);
		assert_contains(err.text, refusals[i].says);
	}
}

/* The cycle is a -> ... b, c, d; neither a, which leads to it, nor e, which hangs on it, is named.
 */
static void a_cycle_names_its_nodes_alone(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		if (strcmp(refusals[i].says, "\" waits for \"") != 0)
			continue;
		struct template *t;
		struct err err = {0};
		assert_int_equal(
		        template_parse(refusals[i].text, strlen(refusals[i].text), NULL, &t, &err),
		        -1);
		assert_contains(err.text, "\"b\" waits for \"d\"");
		assert_contains(err.text, "\"d\" waits for \"c\"");
		assert_contains(err.text, "\"c\" waits for \"b\"");
		assert_null(strstr(err.text, "\"a\""));
		assert_null(strstr(err.text, "\"e\""));
		return;
	}
	fail();
}

/* One member of a right template is changed at a time. */
static void refused_after_one_change(void **state)
{
	static const struct {
		const char *from, *to, *says;
	} changes[] = {
	        {"\"schema\": 1", "\"schema\": 0", "\"schema\" must be 1 to 1"},
	        {"\"schema\": 1", "\"schema\": \"1\"", "\"schema\" must be an integer"},
	        {"\"name\": \"noop-diamond\"", "\"name\": \"Noop\"",
	                "\"name\" must consist of a-z"},
	        {"\"version\": 1", "\"version\": 0", "\"version\" must be 1 to 2147483647"},
	        {"\"version\": 1", "\"version\": 1.0", "\"version\" must be an integer"},
	        {"\"perHost\": false", "\"perHost\": 0", "\"perHost\" must be true or false"},
	        {"\"taskName\": \"No-op diamond\"", "\"taskName\": \"\"",
	                "\"taskName\" must be a string of"},
	        {"\"type\": \"noop\"", "\"type\": \"nope\"", "there is no subtask type \"nope\""},
	        {"\"timeout\": 60", "\"timeout\": -1", "\"timeout\" must be 0 to"},
	        {"\"stringMap\": {}", "\"stringMap\": {\"a\": 1}",
	                "stringMap: \"a\" must be a string"},
	        {"\"stringMap\": {}", "\"stringMap\": []",
	                "context: \"stringMap\" must be an object"},
	        {"\"listMap\": {}", "\"listMap\": {\"a\": [\"x\", 1]}",
	                "listMap: \"a\" must be an array of strings"},
	        {"\"listMap\": {}", "\"maps\": {}", "context: there is no member \"maps\""},
	};
	size_t bytes;
	_cleanup_free_ char *text = test_read_file("schema/templates/noop-diamond.json", &bytes);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		const char *at = strstr(text, changes[i].from);
		assert_non_null(at);
		_cleanup_free_ char *changed = xasprintf("%.*s%s%s", (int)(at - text), text,
		        changes[i].to, at + strlen(changes[i].from));
		struct template *t;
		struct err err = {0};
		assert_int_equal(template_parse(changed, strlen(changed), types, &t, &err), -1);
		assert_contains(err.text, changes[i].says);
	}
}

static void a_newer_schema_is_told_apart(void **state)
{
	static const char text[] = "{\"schema\":2,\"whatever\":[]}";
	struct template *t;
	struct err err = {0};
	assert_int_equal(template_parse(text, strlen(text), NULL, &t, &err), -1);
	assert_string_equal(err.code, MESSAGE_TOO_NEW);
}

static void hash_is_that_of_the_bytes(void **state)
{
	/* printf '%s' TEXT | sha256sum */
	static const char text[] = HEAD
	        "[" NODE("a", "\"seriesId\":0,\"upstreams\":[],\"description\":\"D\"") "]}";
	struct template *t;
	struct err err = {0};
	assert_int_equal(template_parse(text, strlen(text), types, &t, &err), 0);
	_cleanup_free_ char *command = xasprintf("printf '%%s' '%s' | sha256sum", text);
	FILE *pipe = popen(command, "re");
	char expected[65];
	assert_non_null(fgets(expected, sizeof(expected), pipe));
	pclose(pipe);
	assert_string_equal(t->sha256, expected);
	assert_string_equal(t->nodes[0].description, "D");
	assert_string_equal(t->nodes[0].name, "N");
	template_free(t);
}

static void retry_is_read(void **state)
{
	static const char text[] = HEAD "[" NODE("a",
	        "\"seriesId\":0,\"upstreams\":[],\"prohibitRollback\":true,\"retry\":{\"tries\":3,"
	        "\"backoffMs\":500}") "]}";
	struct template *t;
	struct err err = {0};
	assert_int_equal(template_parse(text, strlen(text), types, &t, &err), 0);
	assert_int_equal(t->nodes[0].tries, 3);
	assert_int_equal(t->nodes[0].backoff_ms, 500);
	assert_true(t->nodes[0].prohibit_rollback);
	template_free(t);
}

/* ---- context ---- */

static struct template *with_context(const char *strings, const char *lists)
{
	_cleanup_free_ char *text = xasprintf(
	        "{\"schema\":1,\"name\":\"t\",\"version\":1,\"taskName\":\"T\",\"taskType\":\"M\","
	        "\"perHost\":false,\"context\":{\"stringMap\":%s,\"listMap\":%s},\"nodes\":[%s]}",
	        strings, lists, NODE("a", "\"seriesId\":0,\"upstreams\":[]"));
	struct template *t = NULL;
	struct err err = {0};
	if (template_parse(text, strlen(text), NULL, &t, &err) != 0)
		fail_msg("%s", err.text);
	return t;
}

struct context_case {
	const char *strings, *lists, *values;
	const char *result; /* compact JSON, or what the error says */
	bool right;
};

static const struct context_case context_cases[] = {
        {"{\"a\":\"${x}-${y}!\"}", "{}", "{\"x\":\"1\",\"y\":\"2\"}",
                "{\"listMap\":{},\"parallel\":false,\"parallelIdx\":-1,\"stringMap\":{\"a\":\"1-2!"
                "\"}}",
                true},
        {"{\"a\":\"$ {x} $\"}", "{\"l\":[\"${x}\",\"k\"]}", "{\"x\":\"${y}\"}",
                "{\"listMap\":{\"l\":[\"${y}\",\"k\"]},\"parallel\":false,\"parallelIdx\":-1,"
                "\"stringMap\":{\"a\":\"$ {x} $\"}}",
                true},
        {"{}", "{}", "{\"+s\":\"v\",\"+l\":[\"a\",\"b\"],\"unused\":\"u\"}",
                "{\"listMap\":{\"l\":[\"a\",\"b\"]},\"parallel\":false,\"parallelIdx\":-1,"
                "\"stringMap\":{\"s\":\"v\"}}",
                true},
        {"{\"a\":\"${x}\"}", "{}", "{\"y\":\"1\"}",
                "context: stringMap: \"a\": there is no value for ${x}", false},
        {"{\"a\":\"${x}\"}", "{}", "{\"x\":[\"1\"]}", "there is no value for ${x}", false},
        {"{}", "{\"l\":[\"ok\",\"${x}\"]}", "{}",
                "context: listMap: \"l\": there is no value for ${x}", false},
        {"{\"a\":\"b${x\"}", "{}", "{\"x\":\"1\"}", "has a ${ without }", false},
        {"{\"a\":\"1\"}", "{}", "{\"+a\":\"2\"}", "\"a\" is set by the template", false},
        {"{}", "{}", "{\"+a\":[1]}", "\"a\" must be a string or an array of strings", false},
        {"{}", "{}", "{\"+a\":5}", "\"a\" must be a string or an array of strings", false},
};

static void context_is_filled_in(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(context_cases); i++) {
		const struct context_case *c = &context_cases[i];
		struct template *t = with_context(c->strings, c->lists);
		json_t *values = json_loads(c->values, 0, NULL);
		json_t *context = NULL;
		struct err err = {0};
		int rc = template_context(t, values, &context, &err);
		assert_int_equal(rc, c->right ? 0 : -1);
		if (c->right) {
			_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
			json_append(&sb, context);
			assert_string_equal(sb.buf, c->result);
		} else {
			assert_int_equal(err.kind, ERR_PERMANENT);
			assert_contains(err.text, c->result);
		}
		json_decref(context);
		json_decref(values);
		template_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(add_obproxy_is_the_seed),
	        cmocka_unit_test(add_obproxy_context_is_the_seeds),
	        cmocka_unit_test(noop_templates_have_their_shape),
	        cmocka_unit_test(refused_with_the_place),
	        cmocka_unit_test(a_cycle_names_its_nodes_alone),
	        cmocka_unit_test(refused_after_one_change),
	        cmocka_unit_test(a_newer_schema_is_told_apart),
	        cmocka_unit_test(hash_is_that_of_the_bytes),
	        cmocka_unit_test(retry_is_read),
	        cmocka_unit_test(context_is_filled_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A context joined from fragments is the one that is built. */
#include "tests/support/test.h"

#include <string.h>

#include "common/context_text.h"
#include "common/json.h"

#define SHAPE                                                                                      \
	"{\"schema\":1,\"name\":\"t\",\"version\":1,\"taskName\":\"T\",\"taskType\":\"MANUAL\","   \
	"\"perHost\":false,\"context\":{\"stringMap\":{%s},\"listMap\":{\"l\":[\"x\",\"${a}\"]}}," \
	"\"listing\":[\"n\"],\"nodes\":[{\"key\":\"n\",\"type\":\"noop\",\"name\":\"N\","          \
	"\"className\":\"c\",\"timeout\":0,\"seriesId\":0,\"onHost\":false,\"upstreams\":[]}]}"

static const struct request_task task = {
        .task_id = 7, .first_subtask_id = 70, .host_id = 3, .obproxy_server_id = 9};

static struct template *template_with(const char *string_map)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct template *t = NULL;
	struct err err = {0};

	strbuf_addf(&text, SHAPE, string_map);
	if (template_parse(text.buf, text.len, NULL, &t, &err) != 0)
		fail_msg("%s", err.text);
	return t;
}

/* The text of both ways must be the same; returns whether there is one. */
static bool both_ways(const struct template *t, const struct request *r)
{
	_cleanup_strbuf_ struct strbuf built = STRBUF_INIT, joined = STRBUF_INIT;
	json_t *values = request_task_values(r, &task), *context = NULL;
	struct err err = {0}, other = {0};
	int rc = template_context(t, values, &context, &err);

	if (rc == 0)
		json_append(&built, context);
	json_decref(context);
	json_decref(values);
	strbuf_adds(&joined, "before ");
	assert_int_equal(context_text_append(&joined, t, r, &task, &other), rc);
	if (rc == 0) {
		assert_string_equal(joined.buf + strlen("before "), built.buf);
	} else {
		assert_string_equal(other.text, err.text);
		assert_string_equal(joined.buf, "before ");
		assert_int_equal(joined.len, strlen("before "));
	}
	return rc == 0;
}

static bool joined(const char *string_map, json_t *values)
{
	struct template *t = template_with(string_map);
	struct request r = {.values = values};
	bool made = both_ways(t, &r);

	assert_false(context_text_sure(t, &r)); /* values may hold anything: it has to be tried */
	json_decref(values);
	template_free(t);
	return made;
}

static void it_is_what_is_built(void **state)
{
	assert_true(
	        joined("\"one\":\"${a}-${host_id}$\",\"two\":\"${obproxy_server_id}${task_id}\"",
	                json_pack("{ss}", "a", "v")));
	assert_true(joined("\"plain\":\"no names\"", json_pack("{ss}", "a", "")));
	/* What JSON escapes, in the template and in a value; a value that looks like a name. */
	assert_true(joined("\"q\":\"\\\"\\\\\\u0007 ${a}\"",
	        json_pack("{ss}", "a", "\"\\\n\001\002${b}\303\251")));
	/* The template's own marks: cannot be cut. */
	assert_true(joined("\"m\":\"\\u0001${a}\\u0002\"", json_pack("{ss}", "a", "v")));
}

static void what_is_added_or_missing_goes_the_long_way(void **state)
{
	assert_true(joined("\"one\":\"${a}\"",
	        json_pack("{ssss s[s]}", "a", "v", "+more", "w", "+list", "x")));
	assert_false(joined("\"one\":\"${a}\"", json_pack("{ssss}", "a", "v", "+one", "w")));
	assert_false(joined("\"one\":\"${b}\"", json_pack("{ss}", "a", "v")));
	assert_false(joined("\"one\":\"${a\"", json_pack("{ss}", "a", "v")));
	assert_false(joined("\"one\":\"${a}\"", json_pack("{s[s]}", "a", "v")));
}

static void plain_values_are_joined(void **state)
{
	static const struct request_value values[] = {{"a", "v\\\"", 3}, {"b", "w", 1}};
	struct template *t = template_with("\"one\":\"${a}${b}\",\"two\":\"${host_id}\"");
	struct request r = {.plain = values, .plain_count = 2};

	assert_true(both_ways(t, &r));
	assert_true(context_text_sure(t, &r));
	r.plain_count = 1;
	assert_false(both_ways(t, &r));
	assert_false(context_text_sure(t, &r));
	template_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(it_is_what_is_built),
	        cmocka_unit_test(what_is_added_or_missing_goes_the_long_way),
	        cmocka_unit_test(plain_values_are_joined),
	};

	return cmocka_run_group_tests_name("context_text", tests, NULL, NULL);
}

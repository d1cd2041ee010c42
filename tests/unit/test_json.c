#include "tests/support/test.h"

#include <string.h>

#include "common/json.h"

struct refusal {
	const char *in;
	size_t bytes;
	const char *says;
};
#define REFUSED(in, says)                                                                          \
	{                                                                                          \
		in, sizeof(in) - 1, says                                                           \
	}

static void refuses_with_the_place(void **state)
{
	static const struct refusal cases[] = {
	        REFUSED("", "at byte 0: empty"),
	        REFUSED("\xEF\xBB\xBF{}", "at byte 0: a byte order mark"),
	        REFUSED("{\"a\":1}\0", "at byte 7: a NUL byte"),
	        REFUSED("{\"a\":\"x\0\"}", "at byte 7: a NUL byte"),
	        REFUSED("{\"a\":\"x\\\0\"}", "at byte 8: a NUL byte"),
	        REFUSED("{\"a\":\"\\u0000\"}", "\\u0000"),
	        REFUSED("{\"a\":1}x", "at byte 7"),
	        REFUSED("{\"a\":1}{\"a\":1}", "at byte 7"),
	        REFUSED("{\"a\":1,\"a\":2}", "duplicate object key"),
	        REFUSED("{\"a\":{\"b\":1,\"c\":2,\"b\":2}}", "duplicate object key"),
	        REFUSED("{\"a\":\"\xFF\"}", "at byte 6"),
	        REFUSED("{\"a\":\"\xC0\xAF\"}", "UTF-8"),
	        REFUSED("{\"a\":\"\xED\xA0\x80\"}", "UTF-8"),
	        REFUSED("{\"a\":\"\\ud800\"}", "invalid Unicode"),
	        REFUSED("{\"a\":9223372036854775808}", "too big integer"),
	        REFUSED("{\"a\":1e999}", "real number overflow"),
	        REFUSED("{\"a\":01}", "not valid JSON"),
	        REFUSED("{\"a\":1,}", "at byte 7"),
	        REFUSED("{'a':1}", "at byte 1"),
	        REFUSED("{\"a\":", "not valid JSON"),
	        REFUSED("{\"a\":NaN}", "not valid JSON"),
	        REFUSED("nul", "not valid JSON"),
	        REFUSED("   ", "not valid JSON"),
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = {0};
		assert_null(json_parse_strict(cases[i].in, cases[i].bytes, &err));
		assert_int_equal(err.kind, ERR_PERMANENT);
		assert_contains(err.text, cases[i].says);
	}
}

static void does_not_quote_the_input(void **state)
{
	static const char in[] = "{\"password\": s3cret}";
	struct err err = {0};
	assert_null(json_parse_strict(in, strlen(in), &err));
	assert_null(strstr(err.text, "s3cret"));
}

static json_t *parse_nested(int depth, struct err *err)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	for (int i = 0; i < depth; i++)
		strbuf_adds(&sb, i % 2 ? "{\"[{\":" : "[");
	strbuf_adds(&sb, "\"[[[[{{{\\\"[\"");
	for (int i = depth - 1; i >= 0; i--)
		strbuf_adds(&sb, i % 2 ? "}" : "]");
	return json_parse_strict(sb.buf, sb.len, err);
}

static void allows_32_levels(void **state)
{
	struct err err = {0};
	json_t *value = parse_nested(JSON_DEPTH_MAX, &err);
	assert_non_null(value);
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	json_append(&sb, value);
	json_decref(value);
	assert_null(parse_nested(JSON_DEPTH_MAX + 1, &err));
	assert_contains(err.text, "nested deeper than 32");
}

static void parses_any_single_value(void **state)
{
	static const char *const texts[] = {
	        "null", " true ", "-5", "2883.0", "\"x\"", "[]", "{}\n"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct err err = {0};
		json_t *value = json_parse_strict(texts[i], strlen(texts[i]), &err);
		assert_non_null(value);
		json_decref(value);
	}
}

/* What json_append() writes is what jansson would write. */
static void appends_what_was_read(void **state)
{
	static const char *const texts[] = {
	        "{}",
	        "[]",
	        "[1,-2,0,9223372036854775807,-9223372036854775808]",
	        "[true,false,null,\"\",{}]",
	        "{\"b\":1,\"a\":{\"x\":[1,[2,{\"y\":\"z\"}]]},\"\":\"q\\\"\\\\\"}",
	        "[0.1,1.5,1e300,-2.5e-10,2883.0]",
	        "\"\xC3\xBC \xE2\x82\xAC\"",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct err err = {0};
		json_t *value = json_parse_strict(texts[i], strlen(texts[i]), &err);
		assert_non_null(value);
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
		json_append(&sb, value);
		char *expected = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		assert_string_equal(sb.buf, expected);
		free(expected);
		json_decref(value);
	}
}

static void control_characters_survive(void **state)
{
	json_t *value = json_stringn("a\0\x01\n\x1f", 5);
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	json_append(&sb, value);
	json_t *again = json_loads(sb.buf, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	assert_true(json_equal(value, again));
	json_decref(again);
	json_decref(value);
}

static void members_with_a_fallback(void **state)
{
	json_t *object = json_loads("{\"n\":5,\"t\":\"x\",\"r\":5.0}", 0, NULL);
	assert_int_equal(json_int(object, "n", 1), 5);
	assert_int_equal(json_int(object, "r", 1), 1);
	assert_int_equal(json_int(object, "t", -1), -1);
	assert_string_equal(json_text(object, "t"), "x");
	assert_null(json_text(object, "n"));
	assert_null(json_text(object, "none"));
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(refuses_with_the_place),
	        cmocka_unit_test(does_not_quote_the_input),
	        cmocka_unit_test(allows_32_levels),
	        cmocka_unit_test(parses_any_single_value),
	        cmocka_unit_test(appends_what_was_read),
	        cmocka_unit_test(control_characters_survive),
	        cmocka_unit_test(members_with_a_fallback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

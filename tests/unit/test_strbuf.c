#include "tests/support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/strbuf.h"

static void grows_and_stays_terminated(void **state)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	for (int i = 0; i < 10000; i++) {
		strbuf_addc(&sb, (char)('a' + i % 26));
		assert_int_equal(sb.buf[sb.len], '\0');
	}
	assert_int_equal(sb.len, 10000);
	assert_int_equal(strlen(sb.buf), 10000);
	strbuf_reset(&sb);
	assert_int_equal(sb.len, 0);
	assert_string_equal(sb.buf, "");
}

static void detach_is_never_null(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	size_t len = 7;
	char *text = strbuf_detach(&sb, &len);
	assert_string_equal(text, "");
	assert_int_equal(len, 0);
	free(text);
	strbuf_adds(&sb, "more");
	text = strbuf_detach(&sb, NULL);
	assert_string_equal(text, "more");
	assert_null(sb.buf);
	free(text);
}

static void prints_numbers_like_printf(void **state)
{
	static const int64_t numbers[] = {0, 1, 9, 10, 99, 100, 101, 999, 1000, 12345, -1, -10,
	        -100, 9007199254740991, INT64_MAX, INT64_MIN, INT64_MIN + 1};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
		char expected[32];
		snprintf(expected, sizeof(expected), "%" PRId64, numbers[i]);
		strbuf_add_i64(&sb, numbers[i]);
		assert_string_equal(sb.buf, expected);
	}
}

static void formats_longer_than_the_room(void **state)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	strbuf_addf(&sb, "%s-%d", "x", 5);
	assert_string_equal(sb.buf, "x-5");
	strbuf_addf(&sb, "%0500d", 7);
	assert_int_equal(sb.len, 503);
	assert_int_equal(strlen(sb.buf), 503);
	assert_int_equal(sb.buf[502], '7');
}

struct text_case {
	const char *in;
	size_t bytes;
	const char *json;
};
#define TEXT(in, json)                                                                             \
	{                                                                                          \
		in, sizeof(in) - 1, json                                                           \
	}
#define BAD "\xEF\xBF\xBD"

static void json_strings(void **state)
{
	static const struct text_case cases[] = {
	        TEXT("", "\"\""),
	        TEXT("plain /text", "\"plain /text\""),
	        TEXT("q\" b\\ n\n r\r t\t f\f b\b", "\"q\\\" b\\\\ n\\n r\\r t\\t f\\f b\\b\""),
	        TEXT("\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\""),
	        TEXT("a\0b", "\"a\\u0000b\""),
	        TEXT("\xC3\xBC \xE2\x82\xAC \xF0\x9F\x98\x80",
	                "\"\xC3\xBC \xE2\x82\xAC \xF0\x9F\x98\x80\""),
	        TEXT("\x80", "\"" BAD "\""),
	        TEXT("\xC3", "\"" BAD "\""),
	        TEXT("\xC3(", "\"" BAD "(\""),
	        TEXT("\xC0\xAF", "\"" BAD BAD "\""),
	        TEXT("\xE0\x80\xAF", "\"" BAD BAD BAD "\""),
	        TEXT("\xED\xA0\x80", "\"" BAD BAD BAD "\""),
	        TEXT("\xF4\x90\x80\x80", "\"" BAD BAD BAD BAD "\""),
	        TEXT("\xF5\x80", "\"" BAD BAD "\""),
	        TEXT("end\xE2\x82", "\"end" BAD BAD "\""),
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
		strbuf_add_json(&sb, cases[i].in, cases[i].bytes);
		assert_string_equal(sb.buf, cases[i].json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(grows_and_stays_terminated),
	        cmocka_unit_test(detach_is_never_null),
	        cmocka_unit_test(prints_numbers_like_printf),
	        cmocka_unit_test(formats_longer_than_the_room),
	        cmocka_unit_test(json_strings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

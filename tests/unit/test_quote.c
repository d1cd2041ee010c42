/* Text for a host's shell, held against a shell; and text from a host, made printable. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/strbuf.h"
#include "workers/host/host.h"
#include "workers/host/quote.h"

/* What /bin/sh prints when it evaluates that script, as on a host: eval "$(cat)". */
static void shell(const struct strbuf *script, struct strbuf *out)
{
	char path[] = "/tmp/obpipe-test-quote-XXXXXX";
	int fd = mkstemp(path);
	_cleanup_free_ char *line = xasprintf("/bin/sh -c 'eval \"$(cat)\"' <%s", path);
	char piece[4096];
	size_t n;
	FILE *pipe;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, script->buf, script->len), (ssize_t)script->len);
	close(fd);
	pipe = popen(line, "re");
	assert_non_null(pipe);
	while ((n = fread(piece, 1, sizeof(piece), pipe)) > 0)
		strbuf_add(out, piece, n);
	assert_int_equal(pclose(pipe), 0);
	unlink(path);
}

static const char *const nasty[] = {"", " ", "a b", "'", "''", "it's", "\\", "\\'", "'\\''",
        "$HOME", "$(exit 3)", "`exit 3`", "a\nb", "\n", "\t", ";exit 3", "&&", "|cat", ">/dev/null",
        "*", "?", "[a-z]", "~", "!!", "#x", "-n", "--", "a=b", "\"", "\xff\xfe", "\x01\x7f",
        "\xc3\xa9", "{a,b}", "%s%n", "\r\n"};

static void a_shell_sees_just_these_words(void **state)
{
	_cleanup_strbuf_ struct strbuf script = STRBUF_INIT, out = STRBUF_INIT, want = STRBUF_INIT;
	const char *argv[ARRAY_SIZE(nasty) + 1] = {NULL};

	for (size_t i = 0; i < ARRAY_SIZE(nasty); i++) {
		argv[i] = nasty[i];
		strbuf_addf(&want, "[%s]", nasty[i]);
	}
	quote_set(&script, argv);
	strbuf_adds(&script, "printf '[%s]' \"$@\"\n");
	shell(&script, &out);
	assert_int_equal(out.len, want.len);
	assert_memory_equal(out.buf, want.buf, want.len);
}

static void every_byte_but_nul_comes_through(void **state)
{
	_cleanup_strbuf_ struct strbuf script = STRBUF_INIT, out = STRBUF_INIT;
	char all[256];

	for (int i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	quote_assign(&script, "value", all);
	strbuf_adds(&script, "printf '%s' \"$value\"\n");
	shell(&script, &out);
	assert_int_equal(out.len, 255);
	assert_memory_equal(out.buf, all, 255);
}

static void no_arguments_are_none(void **state)
{
	static const char *const empty[] = {NULL};
	const char *const *const lists[] = {NULL, empty};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		_cleanup_strbuf_ struct strbuf script = STRBUF_INIT, out = STRBUF_INIT;

		strbuf_adds(&script, "set -- left over\n");
		quote_set(&script, lists[i]);
		strbuf_adds(&script, "printf '%s' $#\n");
		shell(&script, &out);
		assert_string_equal(out.buf, "0");
	}
}

/* ---- printable ---- */

static void output_becomes_one_printable_line(void **state)
{
	static const struct {
		const char *data;
		size_t bytes;
		const char *text;
	} cases[] = {
#define CASE(data, text) {data, sizeof(data) - 1, text}
	        CASE("plain", "plain"),
	        CASE("two\nlines\n\n", "two | lines"),
	        CASE("windows\r\n", "windows"),
	        CASE("a\rb\tc", "a\\x0db c"),
	        CASE("nul\0here", "nul\\x00here"),
	        CASE("\x1b[31mred", "\\x1b[31mred"),
	        CASE("\x7f", "\\x7f"),
	        CASE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
	                "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
	        CASE("\xff\xfe", "\\xff\\xfe"),
	        CASE("cut\xe2\x82", "cut\\xe2\\x82"),
	        CASE("\xc0\xaf", "\\xc0\\xaf"),                   /* overlong */
	        CASE("\xe0\x80\xaf", "\\xe0\\x80\\xaf"),          /* overlong */
	        CASE("\xed\xa0\x80", "\\xed\\xa0\\x80"),          /* a surrogate */
	        CASE("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"), /* beyond U+10FFFF */
	        CASE("\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf"), /* overlong */
	        CASE("\xc2\x9b"
	             "1m",
	                "\\xc2\\x9b"
	                "1m"), /* CSI in one character */
	        CASE("\n\n", ""),
	        CASE("", ""),
#undef CASE
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

		strbuf_adds(&sb, "> ");
		host_add_printable(&sb, cases[i].data, cases[i].bytes, 100);
		assert_string_equal(sb.buf + 2, cases[i].text);
	}
}

static void printable_text_is_bounded(void **state)
{
	_cleanup_strbuf_ struct strbuf in = STRBUF_INIT;

	for (int i = 0; i < 100000; i++)
		strbuf_add(&in, "\xf0\x9f\x98\x80\xff", 5);
	for (size_t max = 0; max < 40; max++) {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

		host_add_printable(&sb, in.buf, in.len, max);
		assert_true(sb.len >= max && sb.len <= max + 3 + 3);
		assert_string_equal(sb.buf + sb.len - 3, "...");
	}
}

static void the_first_line_is_told_alone(void **state)
{
	struct host_result r = HOST_RESULT_INIT;
	char *line = host_first_line(&r);

	assert_string_equal(line, "");
	free(line);
	strbuf_add(&r.out, "one\0\xff\ntwo\n", 10);
	line = host_first_line(&r);
	assert_string_equal(line, "one\\x00\\xff");
	free(line);
	host_result_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_shell_sees_just_these_words),
	        cmocka_unit_test(every_byte_but_nul_comes_through),
	        cmocka_unit_test(no_arguments_are_none),
	        cmocka_unit_test(output_becomes_one_printable_line),
	        cmocka_unit_test(printable_text_is_bounded),
	        cmocka_unit_test(the_first_line_is_told_alone),
	};

	return cmocka_run_group_tests_name("quote", tests, NULL, NULL);
}

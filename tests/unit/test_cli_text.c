/* What the command line prints and reads: foreign text, tables' widths, times, nearest words. */
#include "tests/support/test.h"

#include <stdlib.h>

#include "cli/cli.h"
#include "cli/event_view.h"
#include "cli/task_view.h"
#include "cli/text.h"
#include "common/mem.h"

static void fits(const char *text, size_t columns, bool pad, const char *expected)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_adds(&sb, "");
	text_add_fit(&sb, text, columns, pad);
	assert_string_equal(sb.buf, expected);
}

static void foreign_text_cannot_move_the_cursor(void **state)
{
	fits("a\033[2Jb", 20, false, "a?[2Jb");
	fits("a\xff"
	     "b",
	        20, false,
	        "a\xef\xbf\xbd"
	        "b");
	fits("\xc2\x9b"
	     "x",
	        20, false, "?x"); /* C1: CSI in one character */
	fits(NULL, 3, true, "   ");
}

static void columns_are_those_of_a_terminal(void **state)
{
	assert_int_equal(text_columns("\xe6\xb5\x8b\xe8\xaf\x95"), 4);
	assert_int_equal(text_columns("e\xcc\x81"), 1);
	fits("abcdef", 4, true, "abc\xe2\x80\xa6");
	fits("ab", 4, true, "ab  ");
	/* Half of a wide letter is never shown. */
	fits("\xe6\xb5\x8b\xe8\xaf\x95", 2, true, "\xe2\x80\xa6 ");
}

static void times_are_read_with_their_offset(void **state)
{
	assert_int_equal(text_parse_time("1970-01-01T08:00:01.5+08:00"), 1500000);
	assert_int_equal(text_parse_time("1970-01-01T00:00:00Z"), 0);
	assert_int_equal(text_parse_time("1970-01-01T00:00:00"), -1);
	assert_int_equal(text_parse_time("soon"), -1);
	assert_int_equal(text_parse_time(NULL), -1);
}

static void shows(
        void (*add)(struct strbuf *, const char *), const char *text, const char *expected)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_adds(&sb, "");
	add(&sb, text);
	assert_string_equal(sb.buf, expected);
}

static void times_have_three_digits_of_fraction(void **state)
{
	shows(text_add_time, "2026-11-23T20:27:22.25+00:00", "2026-11-23T20:27:22.250+00:00");
	shows(text_add_time, "2026-11-23T20:27:22+08:00", "2026-11-23T20:27:22.000+08:00");
	shows(text_add_time, "2026-11-23T20:27:22.004-03:30", "2026-11-23T20:27:22.004-03:30");
	shows(text_add_time, "2026-11-23T20:27:22.123456Z", "2026-11-23T20:27:22.123Z");
	shows(text_add_time, "2026-11-23T20:27:22.Z", "2026-11-23T20:27:22.Z");
	shows(text_add_time, "2026-11-23T20:27:22", "2026-11-23T20:27:22");
	shows(text_add_time, "2026-11-23T20:27:22Z!", "2026-11-23T20:27:22Z!");
	shows(text_add_time, "soon\033", "soon?");
	shows(text_add_time, "", "");
	shows(text_add_time, NULL, "");
}

static void lines_of_a_log_begin_at_one_column(void **state)
{
	shows(text_add_log,
	        "2026-11-23T20:27:22.2+00:00 one, at 2026-11-23T20:27:22.2+00:00\n"
	        "\n"
	        "\033two\n2026-11-23T20:27:22Z",
	        "2026-11-23T20:27:22.200+00:00 one, at 2026-11-23T20:27:22.2+00:00\n"
	        "\n"
	        "?two\n2026-11-23T20:27:22.000Z");
	shows(text_add_log, NULL, "");
}

static void a_task_says_by_whom_when_somebody_is_named(void **state)
{
	static const struct {
		const char *task, *expected;
	} all[] = {{"{\"creator\": \"admin\"}", " by admin"},
	        {"{\"creator\": {\"name\": \"admin\"}}", " by admin"}, {"{}", ""},
	        {"{\"creator\": null}", ""}, {"{\"creator\": {}}", ""},
	        {"{\"creator\": {\"name\": \"\"}}", ""}};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
		json_t *task = json_loads(all[i].task, 0, NULL);

		strbuf_adds(&sb, "");
		task_view_add_creator(&sb, task);
		assert_string_equal(sb.buf, all[i].expected);
		json_decref(task);
	}
}

static void a_mistyped_word_finds_its_nearest(void **state)
{
	static const char *const words[] = {"status", "sort", "size", NULL};

	assert_string_equal(cli_nearest("stauts", words), "status");
	assert_string_equal(cli_nearest("stat", words), "status");
	assert_null(cli_nearest("xyzzy", words));
}

static void ids_are_positive_and_exact(void **state)
{
	assert_int_equal(cli_id("9007199254740991"), 9007199254740991);
	assert_int_equal(cli_id("9007199254740992"), -1);
	assert_int_equal(cli_id("0"), -1);
	assert_int_equal(cli_id("+1"), -1);
	assert_int_equal(cli_id("1x"), -1);
	assert_int_equal(cli_id(""), -1);
}

static void every_command_explains_itself(void **state)
{
	for (const struct command *c = commands; c->name; c++) {
		assert_non_null(c->run);
		assert_true(*c->help && *c->arguments && *c->examples);
		assert_contains(c->examples, c->name);
	}
}

static void subtasks_stand_in_the_order_they_run(void **state)
{
	char *text = test_read_file("tests/fixtures/seed/response.json", NULL);
	json_t *root = json_loads(text, 0, NULL), **order;
	const json_t *task = json_array_get(
	        json_object_get(json_object_get(root, "data"), "contents"), 0);
	size_t count;

	order = task_view_order(task, &count);
	assert_int_equal(count, 12);
	assert_string_equal(task_view_text(order[0], "name"), "Prepare obproxy install");
	assert_string_equal(task_view_text(order[4], "name"), "Install rpm by package and version");
	assert_string_equal(task_view_text(order[11], "name"), "Finish node");
	free(order);
	json_decref(root);
	free(text);
}

static void an_event_is_a_line_a_move(void **state)
{
	char *text = test_read_file("schema/messages/samples/event/valid-created.json", NULL);
	json_t *event = json_loads(text, 0, NULL), *other = json_pack("{s:i}", "data", 3);
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	event_view_add(&sb, event);
	assert_contains(sb.buf, "task 33001 #1  task  new -> RUNNING");
	assert_contains(sb.buf, "task 33001 #3  subtask 34806  new -> PENDING");
	strbuf_reset(&sb);
	event_view_add(&sb, other); /* foreign: nothing in it is as it should be */
	assert_string_equal(sb.buf, "?  event ?  ?\n");
	json_decref(other);
	json_decref(event);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(foreign_text_cannot_move_the_cursor),
	        cmocka_unit_test(columns_are_those_of_a_terminal),
	        cmocka_unit_test(times_are_read_with_their_offset),
	        cmocka_unit_test(times_have_three_digits_of_fraction),
	        cmocka_unit_test(lines_of_a_log_begin_at_one_column),
	        cmocka_unit_test(a_task_says_by_whom_when_somebody_is_named),
	        cmocka_unit_test(a_mistyped_word_finds_its_nearest),
	        cmocka_unit_test(ids_are_positive_and_exact),
	        cmocka_unit_test(every_command_explains_itself),
	        cmocka_unit_test(subtasks_stand_in_the_order_they_run),
	        cmocka_unit_test(an_event_is_a_line_a_move),
	};

	return cmocka_run_group_tests_name("cli_text", tests, NULL, NULL);
}

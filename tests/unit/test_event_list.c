/* Entries of table event_batch: what intake, claims and completions write, and foreign text. */
#include "tests/support/test.h"

#include <stdio.h>

#include "common/mem.h"
#include "workers/event_list.h"

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static void add(struct event_list *list, const char *entries)
{
	struct err err = {0};

	assert_int_equal(event_list_add(list, 1000, "worker/1", entries, &err), 0);
}

static void a_line_is_an_event(void **state)
{
	struct event_list list = EVENT_LIST_INIT;

	add(&list, "7 14 30:71:5\n8 15 40:81:6 20:82:0 130:0:0");
	assert_int_equal(list.count, 2);
	assert_int_equal(list.rows[0].task_id, 7);
	assert_int_equal(list.rows[0].first, 14);
	assert_int_equal(list.rows[0].sequence, 14);
	assert_string_equal(list.rows[0].moves, "30:71:5");
	assert_int_equal(list.rows[1].task_id, 8);
	assert_int_equal(list.rows[1].sequence, 17);
	assert_string_equal(list.rows[1].moves, "40:81:6 20:82:0 130:0:0");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(list.rows[i].at_us, 1000);
		assert_string_equal(list.rows[i].who, "worker/1");
		assert_null(list.rows[i].template);
		assert_null(list.rows[i].traceparent);
	}
	event_list_release(&list);
}

static void a_creation_names_its_template(void **state)
{
	struct event_list list = EVENT_LIST_INIT;

	add(&list, "7 1 @add-obproxy/2@" TRACE " 110:0:0 12:71:0\n8 1 @noop-chain/1@ 110:0:0");
	assert_string_equal(list.rows[0].template, "add-obproxy");
	assert_int_equal(list.rows[0].version, 2);
	assert_string_equal(list.rows[0].traceparent, TRACE);
	assert_int_equal(list.rows[0].sequence, 2);
	assert_string_equal(list.rows[0].moves, "110:0:0 12:71:0");
	assert_string_equal(list.rows[1].template, "noop-chain");
	assert_null(list.rows[1].traceparent);
	assert_int_equal(list.rows[1].sequence, 1);
	event_list_release(&list);
}

static void numbers_rise_within_a_task(void **state)
{
	static const int64_t expected[][2] = {{3, 1}, {3, 14}, {3, 15}, {5, 2}, {20, 9}};
	struct event_list list = EVENT_LIST_INIT;

	add(&list, "20 9 30:1:1\n3 15 40:1:1");
	add(&list, "3 14 30:1:1\n5 2 30:1:1");
	add(&list, "3 1 30:1:1");
	event_list_sort(&list);
	assert_int_equal(list.count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_int_equal(list.rows[i].task_id, expected[i][0]);
		assert_int_equal(list.rows[i].first, expected[i][1]);
	}
	event_list_clear(&list);
	assert_int_equal(list.count, 0);
	event_list_sort(&list);
	event_list_release(&list);
}

static void foreign_text_takes_no_neighbour_along(void **state)
{
	static const char *const bad[] = {"", " ", "7", "7 1", "7  30:1:1", "x 1 30:1:1",
	        "7 y 30:1:1", "-7 1 30:1:1", "7 1 @noop 30:1:1", "7 1 @noop/1 30:1:1",
	        "7 1 @noop/x@ 30:1:1", "7 1 @noop/1@", "7 1 @noop/1@ "};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct event_list list = EVENT_LIST_INIT;
		char entries[100];
		struct err err = {0};

		snprintf(entries, sizeof(entries), "1 1 30:1:1\n%s\n2 1 30:2:2", bad[i]);
		if (event_list_add(&list, 0, "worker/1", entries, &err) == 0)
			fail_msg("\"%s\" was taken for an entry", bad[i]);
		assert_int_equal(err.kind, ERR_PERMANENT);
		assert_int_equal(list.count, 2);
		assert_int_equal(list.rows[1].task_id, 2);
		event_list_release(&list);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_line_is_an_event),
	        cmocka_unit_test(a_creation_names_its_template),
	        cmocka_unit_test(numbers_rise_within_a_task),
	        cmocka_unit_test(foreign_text_takes_no_neighbour_along),
	};

	return cmocka_run_group_tests_name("event_list", tests, NULL, NULL);
}

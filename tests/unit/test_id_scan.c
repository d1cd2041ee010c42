/* Walking the running tasks by id, in slices. */
#include "tests/support/test.h"

#include "workers/id_scan.h"

static void a_clean_index_is_one_slice_soon(void **state)
{
	struct id_scan s;
	int looks = 1;

	id_scan_init(&s);
	while (!id_scan_advance(&s, &(struct id_slice){.max_id = 10000000, .took_us = 100}))
		looks++;
	assert_in_range(looks, 2, 10);
	id_scan_from(&s, 0);
	assert_true(id_scan_advance(&s, &(struct id_slice){.max_id = 10000000, .took_us = 100}));
}

static void a_slow_slice_gets_narrow_but_the_walk_still_ends(void **state)
{
	struct id_scan s;
	int looks = 1;

	id_scan_init(&s);
	while (!id_scan_advance(&s, &(struct id_slice){.max_id = 1000000, .took_us = 50000}))
		looks++;
	assert_in_range(s.width, 1, 2000);
	assert_in_range(looks, 400, 2000);
	/* What took neither short nor long stays as it is. */
	id_scan_from(&s, 0);
	looks = (int)s.width;
	id_scan_advance(&s, &(struct id_slice){.max_id = 1000000, .took_us = 5000});
	assert_int_equal(s.width, looks);
}

static void the_next_walk_begins_at_the_lowest_running_task(void **state)
{
	struct id_scan s;

	id_scan_init(&s);
	assert_false(id_scan_advance(
	        &s, &(struct id_slice){
	                    .lowest = 7, .last = 90, .full = true, .max_id = 100, .took_us = 10}));
	assert_int_equal(s.next, 91);
	assert_true(id_scan_advance(
	        &s, &(struct id_slice){.lowest = 95, .last = 99, .max_id = 100, .took_us = 10}));
	id_scan_from_lowest(&s);
	assert_int_equal(s.next, 7);
	assert_int_equal(s.first, 7);
	/* None runs: behind the last task there is. */
	assert_true(id_scan_advance(&s, &(struct id_slice){.max_id = 120, .took_us = 10}));
	id_scan_from_lowest(&s);
	assert_int_equal(s.next, 121);
}

static void no_task_at_all(void **state)
{
	struct id_scan s;

	id_scan_init(&s);
	assert_true(id_scan_advance(&s, &(struct id_slice){0}));
	id_scan_from_lowest(&s);
	assert_int_equal(s.next, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_clean_index_is_one_slice_soon),
	        cmocka_unit_test(a_slow_slice_gets_narrow_but_the_walk_still_ends),
	        cmocka_unit_test(the_next_walk_begins_at_the_lowest_running_task),
	        cmocka_unit_test(no_task_at_all),
	};

	return cmocka_run_group_tests_name("id_scan", tests, NULL, NULL);
}

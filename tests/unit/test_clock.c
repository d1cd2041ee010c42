#include "tests/support/test.h"

#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/strbuf.h"
#include "tests/support/wait_until.h"

struct time_case {
	int64_t unix_us;
	const char *text;
};

static void assert_iso(int64_t unix_us, const char *expected)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	clock_add_iso(&sb, unix_us);
	assert_string_equal(sb.buf, expected);
}

/* The seed's own time, and OCP's samples of dropped zeros. */
static void prints_as_ocp_does(void **state)
{
	static const struct time_case cases[] = {
	        {1630657508004000, "2021-09-03T16:25:08.004+08:00"},
	        {1630657508004999, "2021-09-03T16:25:08.004+08:00"},
	        {1630657508010000, "2021-09-03T16:25:08.01+08:00"},
	        {1630657508270000, "2021-09-03T16:25:08.27+08:00"},
	        {1630657508500000, "2021-09-03T16:25:08.5+08:00"},
	        {1630657508000000, "2021-09-03T16:25:08+08:00"},
	        {1630657508000999, "2021-09-03T16:25:08+08:00"},
	        {1630657559999999, "2021-09-03T16:25:59.999+08:00"},
	        {1630657560000000, "2021-09-03T16:26:00+08:00"},
	        {0, "1970-01-01T08:00:00+08:00"},
	        {-5, "1970-01-01T08:00:00+08:00"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_iso(cases[i].unix_us, cases[i].text);
}

static void prints_utc(void **state)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	clock_add_utc_ms(&sb, 1630657508004000);
	strbuf_addc(&sb, ' ');
	clock_add_utc_us(&sb, 1630657508004056);
	assert_string_equal(sb.buf, "2021-09-03T08:25:08.004Z 2021-09-03T08:25:08.004056Z");
}

static void clocks_go_on(void **state)
{
	int64_t mono = clock_mono_us();
	int64_t now = clock_unix_us();
	assert_true(clock_mono_us() >= mono);
	assert_true(now / 1000000 - time(NULL) <= 1);
}

static bool third_call(void *arg)
{
	return ++*(int *)arg == 3;
}

static bool never(void *arg)
{
	return false;
}

static void waits_for_conditions(void **state)
{
	int calls = 0;
	assert_true(wait_until(third_call, &calls, 5000));
	assert_int_equal(calls, 3);
	int64_t start = clock_mono_ms();
	assert_false(wait_until(never, NULL, 20));
	assert_true(clock_mono_ms() - start >= 20);
}

static int fixed_zone(void **state)
{
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(prints_as_ocp_does),
	        cmocka_unit_test(prints_utc),
	        cmocka_unit_test(clocks_go_on),
	        cmocka_unit_test(waits_for_conditions),
	};
	return cmocka_run_group_tests(tests, fixed_zone, NULL);
}

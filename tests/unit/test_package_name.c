#include "tests/support/test.h"

#include "common/mem.h"
#include "common/package_name.h"

#include <string.h>

static void the_seed_name_has_five_parts(void **state)
{
	struct package_name p;
	struct err err = {0};

	assert_int_equal(package_name_parse("obproxy-1.9.1.1-1919579.el7.x86_64.rpm", &p, &err), 0);
	assert_string_equal(p.name, "obproxy");
	assert_string_equal(p.version, "1.9.1.1");
	assert_string_equal(p.build, "1919579");
	assert_string_equal(p.os, "el7");
	assert_string_equal(p.arch, "x86_64");
}

static void names_may_hold_dashes_and_releases_dots(void **state)
{
	struct package_name p;
	struct err err = {0};

	assert_int_equal(
	        package_name_parse("obproxy-ce-4.2.1.0-11.el7.alios.aarch64.rpm", &p, &err), 0);
	assert_string_equal(p.name, "obproxy-ce");
	assert_string_equal(p.version, "4.2.1.0");
	assert_string_equal(p.build, "11");
	assert_string_equal(p.os, "el7.alios");
	assert_string_equal(p.arch, "aarch64");
}

static void what_is_no_package_name_is_refused(void **state)
{
	static const char *const names[] = {"", ".rpm", "obproxy", "obproxy.rpm",
	        "obproxy-1.9.1.1.rpm", "obproxy-1.9.1.1-1919579.rpm",
	        "obproxy-1.9.1.1-1919579.x86_64.rpm", "obproxy-1.9.1.1-1919579.el7.x86_64.deb",
	        "obproxy-1.9.1.1-1919579.el7.x86_64.rpm ", " obproxy-1.9.1.1-1.el7.x86_64.rpm",
	        "-1.9.1.1-1919579.el7.x86_64.rpm", "obproxy--1919579.el7.x86_64.rpm",
	        "obproxy-1.9.1.1-.el7.x86_64.rpm", "obproxy-1.9.1.1-1919579..x86_64.rpm",
	        "obproxy-1.9.1.1-1919579.el7..rpm", "../obproxy-1.9.1.1-1919579.el7.x86_64.rpm",
	        "obproxy-1.9.1.1-1919579.el7.x86_64.rpm\n", "obproxy-1.9;reboot-1.el7.x86_64.rpm",
	        "obproxy-$(id)-1.el7.x86_64.rpm", "obproxy-1.9-1.el7.x86-64.rpm"};
	struct package_name p;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct err err = {0};

		if (package_name_parse(names[i], &p, &err) == 0)
			fail_msg("\"%s\" was taken for a package name", names[i]);
		assert_string_equal(err.code, "PKG10016");
	}
}

static void a_part_that_is_too_long_is_refused(void **state)
{
	struct package_name p;
	struct err err = {0};
	char name[400];

	memset(name, 'a', sizeof(name));
	memcpy(name + 300, "-1-1.el7.x86_64.rpm", 20);
	assert_int_equal(package_name_parse(name, &p, &err), -1);
}

/* The order is rpm's: these were held against `rpm.vercmp`. */
static void versions_are_ordered_as_rpm_does(void **state)
{
	static const struct {
		const char *low, *high;
	} pairs[] = {{"1.8.0", "1.9.1.1"}, {"1.9.1.1", "1.10.0"}, {"1.9", "1.9.1"}, {"3.9.9", "4"},
	        {"4", "4.0"}, {"4.0", "4.0.0"}, {"1.0a", "1.0.1"}, {"1.a", "1.1"}, {"a", "b"},
	        {"ab", "b"}, {"a", "ab"}, {"1.0~rc1", "1.0"}, {"1.0~~", "1.0~"},
	        {"1.0", "1.0^git1"}, {"1.0^git1", "1.0.1"}, {"1.0^a", "1.0^b"},
	        {"1.0~rc1^git", "1.0"}, {"9", "10"}, {"", "0"}};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		if (version_compare(pairs[i].low, pairs[i].high) >= 0)
			fail_msg("%s is not below %s", pairs[i].low, pairs[i].high);
		if (version_compare(pairs[i].high, pairs[i].low) <= 0)
			fail_msg("%s is not above %s", pairs[i].high, pairs[i].low);
	}
}

static void versions_may_be_equal_without_being_the_same(void **state)
{
	static const struct {
		const char *a, *b;
	} pairs[] = {{"1.9.1.1", "1.9.1.1"}, {"1.09", "1.9"}, {"1_0", "1.0"}, {"1.0.", "1.0"},
	        {"", ""}, {"1..0", "1.0"}, {"0", "00"}};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if (version_compare(pairs[i].a, pairs[i].b) != 0)
			fail_msg("%s and %s differ", pairs[i].a, pairs[i].b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_seed_name_has_five_parts),
	        cmocka_unit_test(names_may_hold_dashes_and_releases_dots),
	        cmocka_unit_test(what_is_no_package_name_is_refused),
	        cmocka_unit_test(a_part_that_is_too_long_is_refused),
	        cmocka_unit_test(versions_are_ordered_as_rpm_does),
	        cmocka_unit_test(versions_may_be_equal_without_being_the_same),
	};

	return cmocka_run_group_tests_name("package_name", tests, NULL, NULL);
}

/*
 * test: what every cmocka test program includes, and small helpers of all of them. Tests run in
 * the repository's root, so paths are relative to it.
 */
#ifndef OBPIPE_TESTS_SUPPORT_TEST_H
#define OBPIPE_TESTS_SUPPORT_TEST_H

/* cmocka.h needs these before it, in this order. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

/* A whole file, NUL-terminated; the caller frees it. A file that cannot be read fails the test. */
char *test_read_file(const char *path, size_t *ret_bytes);

/* Fails with both texts when `needle` does not stand in `text`. */
#define assert_contains(text, needle) test_assert_contains(text, needle, __FILE__, __LINE__)
void test_assert_contains(const char *text, const char *needle, const char *file, int line);

#endif

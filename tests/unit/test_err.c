#include "tests/support/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/err.h"
#include "common/mem.h"

static void fills_and_returns_minus_one(void **state)
{
	struct err err = {0};
	assert_int_equal(err_set(&err, ERR_PERMANENT, "TSK10007", "task %d", 7), -1);
	assert_int_equal(err.kind, ERR_PERMANENT);
	assert_string_equal(err.code, "TSK10007");
	assert_string_equal(err.text, "task 7");
	assert_int_equal(err_set(NULL, ERR_FATAL, "", "nobody listens"), -1);
	assert_false(err_is_retryable(&err));
	err_set(&err, ERR_UNKNOWN, NULL, "lost");
	assert_true(err_is_retryable(&err));
	assert_string_equal(err.code, "");
}

static void its_own_text_may_be_an_argument(void **state)
{
	struct err err = {0};
	err_set(&err, ERR_RETRYABLE, "08006", "connection lost");
	err_set(&err, ERR_PERMANENT, err.code, "gave up: %s", err.text);
	assert_string_equal(err.text, "gave up: connection lost");
	assert_string_equal(err.code, "08006");
}

static void prefixes(void **state)
{
	struct err err = {0};
	err_set(&err, ERR_RETRYABLE, "55P03", "lock not available");
	assert_int_equal(err_prefix(&err, "task %d", 5), -1);
	assert_string_equal(err.text, "task 5: lock not available");
	assert_string_equal(err.code, "55P03");
	assert_int_equal(err.kind, ERR_RETRYABLE);
}

static void names_system_errors(void **state)
{
	struct err err = {0};
	assert_int_equal(err_errno(&err, ERR_FATAL, ENOENT, "open %s", "x"), -1);
	assert_string_equal(err.text, "open x: No such file or directory");
}

static void cuts_between_characters(void **state)
{
	_cleanup_free_ char *text = xmalloc(3001);
	for (int shift = 0; shift < 3; shift++) {
		struct err err = {0};
		memset(text, 'x', 3);
		for (size_t i = 0; i < 900; i++)
			memcpy(text + shift + 3 * i, "\xE2\x82\xAC", 4);
		err_set(&err, ERR_PERMANENT, "12345678901234567890", "%s", text);
		size_t len = strlen(err.text);
		assert_true(len < ERR_TEXT_BYTES && len > ERR_TEXT_BYTES - 8);
		assert_string_equal(err.text + len - 3, "...");
		assert_int_equal((len - 3 - (size_t)shift) % 3, 0);
		assert_string_equal(err.code, "123456789012345");
		err_prefix(&err, "%s", text);
		assert_true(strlen(err.text) < ERR_TEXT_BYTES);
	}
}

static void text_that_just_fits_is_whole(void **state)
{
	struct err err = {0};
	char text[ERR_TEXT_BYTES];
	memset(text, 'y', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	err_set(&err, ERR_PERMANENT, "", "%s", text);
	assert_string_equal(err.text, text);
}

static void bug_says_where_and_aborts(void **state)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(fds[1], STDERR_FILENO);
		BUG("row %d has no name", 9);
	}
	close(fds[1]);
	char line[4096];
	ssize_t len = read(fds[0], line, sizeof(line) - 1);
	close(fds[0]);
	assert_true(len > 0);
	line[len] = '\0';
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_contains(line, "row 9 has no name");
	assert_contains(line, "test_err.c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(fills_and_returns_minus_one),
	        cmocka_unit_test(its_own_text_may_be_an_argument),
	        cmocka_unit_test(prefixes),
	        cmocka_unit_test(names_system_errors),
	        cmocka_unit_test(cuts_between_characters),
	        cmocka_unit_test(text_that_just_fits_is_whole),
	        cmocka_unit_test(bug_says_where_and_aborts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

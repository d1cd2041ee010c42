#include "tests/support/test.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/strbuf.h"

/* Standard error goes to a file in memory while a test logs. */
static int kept_stderr = -1, capture = -1;

static void capture_start(void)
{
	fflush(stderr);
	kept_stderr = dup(STDERR_FILENO);
	capture = memfd_create("log", MFD_CLOEXEC);
	assert_true(kept_stderr >= 0 && capture >= 0);
	fcntl(capture, F_SETFL, O_APPEND); /* as a log file is opened */
	dup2(capture, STDERR_FILENO);
}

static char *capture_end(void)
{
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	off_t bytes = lseek(capture, 0, SEEK_END);
	char *text = xcalloc(1, (size_t)bytes + 1);
	assert_int_equal(pread(capture, text, (size_t)bytes, 0), bytes);
	close(capture);
	return text;
}

static json_t *parse_line(const char *line)
{
	struct err err = {0};
	json_t *value = json_parse_strict(line, strlen(line), &err);
	if (!value)
		fail_msg("%s: %s", line, err.text);
	return value;
}

static void one_object_a_line(void **state)
{
	struct err err = {0};
	err_set(&err, ERR_RETRYABLE, "08006", "connection \"a\" lost");
	log_init("worker", LOG_INFO);
	capture_start();
	log_warn("kafka away", "broker", "s", "127.0.0.1:9092", "tries", "i", INT64_C(-3), "gone",
	        "s", (const char *)NULL, "why", "e", &err);
	char *text = capture_end();
	assert_int_equal(text[strlen(text) - 1], '\n');
	json_t *line = parse_line(text);
	assert_string_equal(json_text(line, "level"), "warn");
	assert_string_equal(json_text(line, "role"), "worker");
	assert_string_equal(json_text(line, "msg"), "kafka away");
	assert_string_equal(json_text(line, "broker"), "127.0.0.1:9092");
	assert_int_equal(json_int(line, "tries", 0), -3);
	assert_true(json_is_null(json_object_get(line, "gone")));
	assert_string_equal(json_text(line, "why"), "connection \"a\" lost");
	assert_string_equal(json_text(line, "code"), "08006");
	const char *ts = json_text(line, "ts");
	assert_int_equal(strlen(ts), strlen("2021-09-03T08:25:08.004Z"));
	assert_int_equal(ts[23], 'Z');
	json_decref(line);
	free(text);
}

static void below_the_threshold_is_nothing(void **state)
{
	log_init("worker", LOG_WARN);
	capture_start();
	log_info("not shown");
	log_error("shown");
	char *text = capture_end();
	assert_null(strstr(text, "not shown"));
	assert_contains(text, "\"shown\"");
	free(text);
}

static void long_lines_are_cut_and_stay_json(void **state)
{
	static const char *const units[] = {"x", "\"", "\x01", "\xE2\x82\xAC", "\xFF"};
	char *value = xmalloc(20001);
	log_init("worker", LOG_INFO);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t len = strlen(units[i]);
		for (size_t k = 0; k < 20000 / len; k++)
			memcpy(value + k * len, units[i], len + 1);
		capture_start();
		log_info("long", "first", "s", "kept", "big", "s", value, "n", "i", INT64_C(5),
		        "next", "s", value);
		char *text = capture_end();
		assert_true(strlen(text) <= 4096);
		assert_true(strlen(text) > 3500);
		json_t *line = parse_line(text);
		assert_true(json_is_true(json_object_get(line, "truncated")));
		assert_string_equal(json_text(line, "first"), "kept");
		assert_true(strlen(json_text(line, "big")) > 500);
		json_decref(line);
		free(text);
	}
	free(value);
}

static void a_line_of_many_pairs_is_cut(void **state)
{
	char name[600];
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	capture_start();
	log_info("many", name, "i", INT64_MIN, name, "i", INT64_MIN, name, "i", INT64_MIN, name,
	        "i", INT64_MIN, name, "i", INT64_MIN, name, "i", INT64_MIN, name, "i", INT64_MIN);
	char *text = capture_end();
	assert_true(strlen(text) <= 4096);
	assert_contains(text, "\"truncated\":true}\n");
	free(text);
}

static void *log_much(void *arg)
{
	for (int i = 0; i < 500; i++)
		log_info("from a thread", "thread", "s", arg, "i", "i", (int64_t)i);
	return NULL;
}

static void threads_do_not_mix_lines(void **state)
{
	pthread_t threads[4];
	char *names[] = {"one", "two", "three", "four"};
	log_init("worker", LOG_INFO);
	capture_start();
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, log_much, names[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	char *text = capture_end();
	int lines = 0;
	char *rest = text;
	for (char *line; (line = strsep(&rest, "\n")) && *line; lines++)
		json_decref(parse_line(line));
	assert_int_equal(lines, 2000);
	free(text);
}

static void levels_by_name(void **state)
{
	assert_int_equal(log_level_parse("error"), LOG_ERROR);
	assert_int_equal(log_level_parse("debug"), LOG_DEBUG);
	assert_int_equal(log_level_parse("INFO"), -1);
	assert_int_equal(log_level_parse(""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(one_object_a_line),
	        cmocka_unit_test(below_the_threshold_is_nothing),
	        cmocka_unit_test(long_lines_are_cut_and_stay_json),
	        cmocka_unit_test(a_line_of_many_pairs_is_cut),
	        cmocka_unit_test(threads_do_not_mix_lines),
	        cmocka_unit_test(levels_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Parameters of an OBProxy: when two texts are one value, and what is asked and set. */
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/support/mysql_server.h"
#include "workers/obproxy/proxysys.h"

#define LONG_MS 10000

struct pair {
	const char *a, *b;
};

static void texts_that_are_one_value(void **state)
{
	static const struct pair pairs[] = {{"", ""}, {"2G", "2GB"}, {"2g", "2048MB"},
	        {"2048M", "2GB"}, {"1k", "1024b"}, {"1T", "1024G"}, {"True", "true"},
	        {"FALSE", "False"}, {"60s", "1m"}, {"1m", "60000ms"}, {"1M", "1024K"},
	        {"1M", "1MB"}, {"90m", "5400s"}, {"1d", "24h"}, {"1000us", "1ms"}, {"007", "7"},
	        {"http://ocp/?A=b", "http://ocp/?A=b"}};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if (!proxysys_same_value(pairs[i].a, pairs[i].b) ||
		        !proxysys_same_value(pairs[i].b, pairs[i].a))
			fail_msg("\"%s\" and \"%s\" are not the same", pairs[i].a, pairs[i].b);
}

static void texts_that_are_two_values(void **state)
{
	static const struct pair pairs[] = {{"", "0"}, {"2G", "2"}, {"2G", "2T"}, {"1m", "1h"},
	        {"1m", "61s"}, {"1m", "1025k"}, {"1s", "1"}, {"1k", "1s"}, {"true", "1"},
	        {"true", "false"}, {"True", ""}, {"2 G", "2G"}, {"-1", "1"}, {"1.5G", "1536M"},
	        {"2GiB", "2GB"}, {"G", "GB"}, {"1000000000k", "976562500m"}, {"abc", "abd"},
	        /* Letters count where they are no unit: a URL is another one with them. */
	        {"http://ocp/services?UID=Test", "http://ocp/services?UID=test"}, {"A", "a"}};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if (proxysys_same_value(pairs[i].a, pairs[i].b) ||
		        proxysys_same_value(pairs[i].b, pairs[i].a))
			fail_msg("\"%s\" and \"%s\" are the same", pairs[i].a, pairs[i].b);
}

/* A server with one statement's result: rows of name and value. */
static void open_result(struct mysql_server *v, const struct pair *rows, size_t count)
{
	server_begin_result(v);
	for (size_t i = 0; i < count; i++) {
		_cleanup_strbuf_ struct strbuf row = STRBUF_INIT;

		strbuf_addc(&row, (char)strlen(rows[i].a));
		strbuf_adds(&row, rows[i].a);
		strbuf_addc(&row, rows[i].b ? (char)strlen(rows[i].b) : (char)0xfb);
		strbuf_adds(&row, rows[i].b ? rows[i].b : "");
		server_say(v, 5 + (int)i, row.buf, row.len);
	}
	server_say(v, 5 + (int)count, BYTES(MYSQL_END));
	assert_int_equal(mysql_server_open(v, NULL, LONG_MS), 0);
}

static void end(struct mysql_server *v, const char *statement)
{
	mysql_server_end(v);
	assert_int_equal(v->heard[1].len, 5 + strlen(statement));
	assert_memory_equal(v->heard[1].buf + 5, statement, strlen(statement));
	mysql_server_free(v);
}

/* "_" of a LIKE matches any letter, so more rows come than the one asked for. */
static void only_the_parameter_of_that_name_is_taken(void **state)
{
	static const struct pair rows[] = {
	        {"listenXport", "1"}, {"listen_port", "2883"}, {"listen_port2", "3"}};
	struct mysql_server v = {0};
	struct err err = {0};
	char *value;

	open_result(&v, rows, 3);
	assert_int_equal(proxysys_get(v.my, "listen_port", &value, &err), 0);
	assert_string_equal(value, "2883");
	free(value);
	end(&v, "show proxyconfig like 'listen_port'");
	open_result(&v, rows, 1);
	assert_int_equal(proxysys_get(v.my, "listen_port", &value, &err), 0);
	assert_null(value);
	end(&v, "show proxyconfig like 'listen_port'");
}

static void a_parameter_without_a_value_is_empty(void **state)
{
	static const struct pair rows[] = {{"a", NULL}};
	struct mysql_server v = {0};
	struct err err = {0};
	char *value;

	open_result(&v, rows, 1);
	assert_int_equal(proxysys_get(v.my, "a", &value, &err), 0);
	assert_string_equal(value, "");
	free(value);
	end(&v, "show proxyconfig like 'a'");
}

/* The value may be a password: no error text has it. */
static void a_value_that_is_refused_is_not_told(void **state)
{
	struct mysql_server v = {0};
	struct err err = {0};

	server_accept_logon(&v);
	server_add(&v, HEAR);
	server_say(&v, 1, BYTES("\xff\x33\x10#HY000Invalid config"));
	assert_int_equal(mysql_server_open(&v, NULL, LONG_MS), 0);
	assert_int_equal(proxysys_set(v.my, "obproxy_sys_password", "it's secret", &err), -1);
	assert_int_equal(err.kind, ERR_PERMANENT);
	assert_contains(err.text, "obproxy_sys_password");
	assert_contains(err.text, "error 4147: Invalid config");
	assert_null(strstr(err.text, "secret"));
	end(&v, "alter proxyconfig set obproxy_sys_password = 'it\\'s secret'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(texts_that_are_one_value),
	        cmocka_unit_test(texts_that_are_two_values),
	        cmocka_unit_test(only_the_parameter_of_that_name_is_taken),
	        cmocka_unit_test(a_parameter_without_a_value_is_empty),
	        cmocka_unit_test(a_value_that_is_refused_is_not_told),
	};

	return cmocka_run_group_tests_name("proxysys", tests, NULL, NULL);
}

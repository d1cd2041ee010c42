/* The MySQL client against a scripted server: what it says, and what it makes of the answers. */
#include "tests/support/test.h"

#include <openssl/sha.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/strbuf.h"
#include "tests/support/mysql_server.h"
#include "workers/host/mysql_client.h"

#define LONG_MS 10000

/* ---- what it should do ---- */

/* The proof as a server checks it: from the stored SHA1(SHA1(password)) alone. */
static void assert_proof(const unsigned char *proof, const char *password, const char *salt)
{
	unsigned char once[20], twice[20], joined[40], mask[20], candidate[20];

	SHA1((const unsigned char *)password, strlen(password), once);
	SHA1(once, 20, twice);
	memcpy(joined, salt, 20);
	memcpy(joined + 20, twice, 20);
	SHA1(joined, 40, mask);
	for (int i = 0; i < 20; i++)
		candidate[i] = proof[i] ^ mask[i];
	SHA1(candidate, 20, once);
	assert_memory_equal(once, twice, 20);
}

static void logs_on_with_a_proof(void **state)
{
	struct mysql_server v = {0};
	const char *logon;

	server_accept_logon(&v);
	assert_int_equal(mysql_server_open(&v, "pass~word", LONG_MS), 0);
	assert_string_equal(mysql_client_server_version(v.my), "5.6.25");
	mysql_server_end(&v);
	/* Logon, then good-bye. */
	assert_int_equal(v.heard_count, 2);
	logon = v.heard[0].buf;
	assert_int_equal(logon[3], 1);
	assert_string_equal(logon + 4 + 32, "root@proxysys");
	assert_int_equal(logon[4 + 32 + 14], 20);
	assert_proof((const unsigned char *)logon + 4 + 32 + 15, "pass~word", MYSQL_SALT);
	assert_string_equal(logon + 4 + 32 + 35, "mysql_native_password");
	assert_int_equal(v.heard[1].len, 5);
	assert_memory_equal(v.heard[1].buf, "\x01\0\0\0\x01", 5);
	mysql_server_free(&v);
}

static void logs_on_without_a_password(void **state)
{
	static const char *const none[] = {NULL, ""};

	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		struct mysql_server v = {0};

		server_accept_logon(&v);
		assert_int_equal(mysql_server_open(&v, none[i], LONG_MS), 0);
		mysql_server_end(&v);
		assert_int_equal(v.heard[0].buf[4 + 32 + 14], 0);
		assert_string_equal(v.heard[0].buf + 4 + 32 + 15, "mysql_native_password");
		mysql_server_free(&v);
	}
}

static void proves_again_when_it_is_asked_to(void **state)
{
	struct mysql_server v = {0};

	server_greet(&v);
	server_say(&v, 2, BYTES("\xfemysql_native_password\0ABCDEFGHIJKLMNOPQRST\0"));
	server_add(&v, HEAR);
	server_say(&v, 4, BYTES(MYSQL_OK));
	assert_int_equal(mysql_server_open(&v, "other", LONG_MS), 0);
	mysql_server_end(&v);
	assert_int_equal(v.heard[1].len, 24);
	assert_int_equal(v.heard[1].buf[3], 3);
	assert_proof((const unsigned char *)v.heard[1].buf + 4, "other", "ABCDEFGHIJKLMNOPQRST");
	mysql_server_free(&v);
}

/* Never a password in clear, whatever the server asks for. */
static void no_other_method_is_used(void **state)
{
	struct mysql_server v = {0};

	server_greet(&v);
	server_say(&v, 2, BYTES("\xfemysql_clear_password\0"));
	assert_int_equal(mysql_server_open(&v, "secret", LONG_MS), -1);
	assert_int_equal(v.err.kind, ERR_PERMANENT);
	assert_contains(v.err.text, "mysql_native_password");
	mysql_server_end(&v);
	assert_int_equal(v.heard_count, 1);
	mysql_server_free(&v);
}

static void reads_a_result(void **state)
{
	struct mysql_server v = {0};
	struct mysql_rows rows;

	server_begin_result(&v);
	server_say(&v, 5,
	        BYTES("\x0blisten_port\x04"
	              "2883"));
	server_say(&v, 6, BYTES("\x04null\xfb"));
	server_say(&v, 7,
	        BYTES("\x05"
	              "empty\0"));
	server_say(&v, 8,
	        BYTES("\x03nul\x05"
	              "a\0b\0c"));
	server_say(&v, 9, BYTES("\x04long\xfc\x03\0xyz"));
	server_say(&v, 10, BYTES(MYSQL_END));
	assert_int_equal(mysql_server_open(&v, NULL, LONG_MS), 0);
	assert_int_equal(mysql_client_query(v.my, "show proxyconfig", &rows, &v.err), 0);
	assert_int_equal(rows.columns, 2);
	assert_int_equal(rows.rows, 5);
	assert_int_equal(mysql_rows_column(&rows, "VALUE"), 1);
	assert_int_equal(mysql_rows_column(&rows, "range"), -1);
	assert_string_equal(mysql_rows_value(&rows, 0, "Value"), "2883");
	assert_null(mysql_rows_value(&rows, 1, "value"));
	assert_string_equal(mysql_rows_value(&rows, 2, "value"), "");
	assert_int_equal(rows.lengths[7], 5);
	assert_memory_equal(rows.values[7], "a\0b\0c", 6);
	assert_string_equal(mysql_rows_value(&rows, 4, "value"), "xyz");
	assert_null(mysql_rows_value(&rows, 5, "value"));
	assert_null(mysql_rows_value(&rows, 0, "need_reboot"));
	mysql_rows_release(&rows);
	mysql_server_end(&v);
	assert_int_equal(v.heard[1].len, 4 + 1 + strlen("show proxyconfig"));
	assert_memory_equal(v.heard[1].buf + 3, "\0\x03show proxyconfig", 18);
	mysql_server_free(&v);
}

/* However the bytes are cut on their way. */
static void reads_a_result_byte_by_byte(void **state)
{
	struct mysql_server v = {0};
	struct mysql_rows rows;

	server_begin_result(&v);
	server_say(&v, 5,
	        BYTES("\x01"
	              "a\x01"
	              "b"));
	server_say(&v, 6, BYTES(MYSQL_END));
	for (size_t i = 0; i < v.count; i++)
		if (v.steps[i].kind == SAY)
			v.steps[i].kind = SAY_SLOWLY;
	assert_int_equal(mysql_server_open(&v, "pw", LONG_MS), 0);
	assert_int_equal(mysql_client_query(v.my, "select 1", &rows, &v.err), 0);
	assert_int_equal(rows.rows, 1);
	assert_string_equal(mysql_rows_value(&rows, 0, "value"), "b");
	mysql_rows_release(&rows);
	mysql_server_end(&v);
	mysql_server_free(&v);
}

/* libmariadb turns 5010 into "malformed packet"; here it stays what the proxy said. */
static void server_errors_keep_number_and_connection(void **state)
{
	struct mysql_server v = {0};
	struct mysql_rows rows;

	server_accept_logon(&v);
	server_add(&v, HEAR);
	server_say(&v, 1, BYTES("\xff\x92\x13#21000Unknown operator, bad internal cmd"));
	server_add(&v, HEAR);
	server_say(&v, 1, BYTES("\xff\xeb\x13#42000System config unknown"));
	server_add(&v, HEAR);
	server_say(&v, 1, BYTES("\0\x03\0\x02\0\0\0"));
	server_add(&v, HEAR);
	server_say(&v, 1, BYTES(MYSQL_OK));
	assert_int_equal(mysql_server_open(&v, NULL, LONG_MS), 0);
	assert_int_equal(mysql_client_query(v.my, "show nonsense", &rows, &v.err), -1);
	assert_int_equal(v.err.kind, ERR_PERMANENT);
	assert_string_equal(v.err.code, "21000");
	assert_contains(v.err.text, "error 5010: Unknown operator, bad internal cmd");
	assert_int_equal(mysql_client_error_number(v.my), 5010);
	mysql_rows_release(&rows);
	assert_int_equal(
	        mysql_client_query(v.my, "alter proxyconfig set a = '1'", NULL, &v.err), -1);
	assert_string_equal(v.err.code, "42000");
	assert_int_equal(mysql_client_error_number(v.my), 5099);
	assert_int_equal(
	        mysql_client_query(v.my, "alter proxyconfig set b = '1'", &rows, &v.err), 0);
	assert_int_equal(mysql_client_error_number(v.my), 0);
	assert_int_equal(rows.affected, 3);
	assert_int_equal(rows.columns, 0);
	mysql_rows_release(&rows);
	assert_int_equal(mysql_client_ping(v.my, &v.err), 0);
	mysql_server_end(&v);
	mysql_server_free(&v);
}

/* An error after some rows ends the result, not the connection. */
static void an_error_among_the_rows_is_the_servers(void **state)
{
	struct mysql_server v = {0};
	struct mysql_rows rows;

	server_begin_result(&v);
	server_say(&v, 5,
	        BYTES("\x01"
	              "a\x01"
	              "b"));
	server_say(&v, 6, BYTES("\xff\x10\x27#HY000went\0away\xff\n"));
	server_add(&v, HEAR);
	server_say(&v, 1, BYTES("\xff\x01\x00"));
	assert_int_equal(mysql_server_open(&v, NULL, LONG_MS), 0);
	assert_int_equal(mysql_client_query(v.my, "show proxyconfig", &rows, &v.err), -1);
	assert_contains(v.err.text, "error 10000: went\\x00away\\xff");
	mysql_rows_release(&rows);
	assert_int_equal(mysql_client_ping(v.my, &v.err), -1);
	assert_int_equal(mysql_client_error_number(v.my), 1);
	assert_string_equal(v.err.code, "HY000");
	mysql_server_end(&v);
	mysql_server_free(&v);
}

/* ---- quoting ---- */

static void values_are_quoted(void **state)
{
	static const struct {
		const char *text, *quoted;
	} cases[] = {{"", "''"}, {"10G", "'10G'"}, {"it's", "'it\\'s'"}, {"a\\", "'a\\\\'"},
	        {"'; drop", "'\\'; drop'"}, {"\"%_", "'\"%_'"}, {"\xc3\xa9", "'\xc3\xa9'"}};
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

		assert_int_equal(
		        mysql_add_quoted(&sb, cases[i].text, strlen(cases[i].text), &err), 0);
		assert_string_equal(sb.buf, cases[i].quoted);
	}
}

static void a_nul_cannot_be_quoted(void **state)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	struct err err = {0};

	assert_int_equal(mysql_add_quoted(&sb, BYTES("a\0b"), &err), -1);
	assert_int_equal(err.kind, ERR_PERMANENT);
	assert_int_equal(sb.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(logs_on_with_a_proof),
	        cmocka_unit_test(logs_on_without_a_password),
	        cmocka_unit_test(proves_again_when_it_is_asked_to),
	        cmocka_unit_test(no_other_method_is_used),
	        cmocka_unit_test(reads_a_result),
	        cmocka_unit_test(reads_a_result_byte_by_byte),
	        cmocka_unit_test(server_errors_keep_number_and_connection),
	        cmocka_unit_test(an_error_among_the_rows_is_the_servers),
	        cmocka_unit_test(values_are_quoted),
	        cmocka_unit_test(a_nul_cannot_be_quoted),
	};

	return cmocka_run_group_tests_name("mysql_client", tests, NULL, NULL);
}

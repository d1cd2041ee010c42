/* The MySQL client against servers that refuse, lie, break off or stand still. */
#include "tests/support/test.h"

#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/strbuf.h"
#include "tests/support/mysql_server.h"
#include "workers/host/mysql_client.h"

#define LONG_MS 10000
#define SHORT_MS 60

static void assert_lost(const struct mysql_server *v, const char *why)
{
	assert_int_equal(v->err.kind, ERR_RETRYABLE);
	assert_contains(v->err.text, "proxy: ");
	assert_contains(v->err.text, why);
}

/* A query after which the connection is of no more use. */
static void query_breaks(struct mysql_server *v, const char *why)
{
	struct mysql_rows rows;

	assert_int_equal(mysql_server_open(v, NULL, LONG_MS), 0);
	assert_int_equal(mysql_client_query(v->my, "show proxyconfig", &rows, &v->err), -1);
	mysql_rows_release(&rows);
	assert_lost(v, why);
	assert_int_equal(mysql_client_error_number(v->my), 0);
	assert_int_equal(mysql_client_query(v->my, "show proxyconfig", NULL, &v->err), -1);
	assert_lost(v, "it was lost before");
	assert_int_equal(mysql_client_ping(v->my, &v->err), -1);
	mysql_server_end(v);
	mysql_server_free(v);
}

static void open_fails(
        struct mysql_server *v, enum err_kind kind, const char *code, const char *why)
{
	assert_int_equal(mysql_server_open(v, "secret", LONG_MS), -1);
	assert_int_equal(v->err.kind, kind);
	assert_string_equal(v->err.code, code);
	assert_contains(v->err.text, why);
	assert_null(strstr(v->err.text, "secret"));
	mysql_server_end(v);
	mysql_server_free(v);
}

/* ---- refusals of the logon ---- */

static void a_wrong_password_is_permanent(void **state)
{
	struct mysql_server v = {0};

	server_greet(&v);
	server_say(&v, 2,
	        BYTES("\xff\x15\x04#42000"
	              "Access denied for user 'root@proxysys'@'10.0.0.1' "
	              "(using password: YES)"));
	server_add(&v, CLOSE);
	open_fails(&v, ERR_PERMANENT, "42000", "refused the logon: error 1045: Access denied");
}

static void an_error_for_a_greeting_is_told(void **state)
{
	struct mysql_server v = {0};

	/* No SQLSTATE there: the server does not know yet what the client speaks. */
	server_say(&v, 0, BYTES("\xff\x10\x04Too many connections"));
	server_add(&v, CLOSE);
	open_fails(&v, ERR_PERMANENT, "HY000", "refused the connection: error 1040: Too many");
}

static void what_is_no_mysql_server_is_noticed(void **state)
{
	static const struct {
		const char *data;
		size_t bytes;
		const char *why;
	} cases[] = {
	        {BYTES("SSH-2.0-OpenSSH_9.2\r\n"), "no MySQL server"},
	        {BYTES("\0\0\0\0"), "impossible size"},
	        {BYTES("\x02\0\0\0\xff\x10"), "without a number"},
	        {BYTES("\x05\0\0\0\x09"
	               "3.23"),
	                "greeting is not"},
	        {BYTES("\x08\0\0\0\x0a"
	               "5.6.25\0"),
	                "greeting is not"},
	        {BYTES("\x08\0\0\0\x0a"
	               "5.6.25!"),
	                "greeting is not"},
	        {BYTES("\x1d\0\0\0" MYSQL_GREETING_HEAD), "greeting is not"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mysql_server v = {0};

		server_say_raw(&v, cases[i].data, cases[i].bytes);
		open_fails(&v, ERR_RETRYABLE, "", cases[i].why);
	}
}

static void an_answer_to_the_logon_it_cannot_be(void **state)
{
	struct mysql_server v = {0};

	server_greet(&v);
	server_say(&v, 2, BYTES("\x01\x02"));
	open_fails(&v, ERR_RETRYABLE, "", "unknown answer to the logon");
	server_greet(&v);
	server_say(&v, 2, BYTES("\xfemysql_native_password\0short"));
	open_fails(&v, ERR_PERMANENT, "", "mysql_native_password");
}

/* ---- broken streams ---- */

static void a_server_that_closes_is_noticed(void **state)
{
	struct mysql_server v = {0};

	server_add(&v, CLOSE);
	open_fails(&v, ERR_RETRYABLE, "", "it was closed");
	server_greet(&v);
	server_add(&v, CLOSE);
	open_fails(&v, ERR_RETRYABLE, "", "it was closed");
	server_begin_result(&v);
	server_say(&v, 5,
	        BYTES("\x01"
	              "a\x01"
	              "b"));
	server_add(&v, CLOSE);
	query_breaks(&v, "it was closed");
}

static void a_cut_packet_is_noticed(void **state)
{
	struct mysql_server v = {0};

	server_say_raw(&v, BYTES("\x4a\0"));
	server_add(&v, CLOSE);
	open_fails(&v, ERR_RETRYABLE, "", "it was closed");
	server_say_raw(&v, BYTES("\x4a\0\0\0\x0a"
	                         "5.6"));
	server_add(&v, CLOSE);
	open_fails(&v, ERR_RETRYABLE, "", "it was closed");
}

static void a_wrong_sequence_number_is_noticed(void **state)
{
	struct mysql_server v = {0};

	server_say(&v, 1, BYTES(MYSQL_GREETING));
	open_fails(&v, ERR_RETRYABLE, "", "out of order");
	server_greet(&v);
	server_say(&v, 1, BYTES(MYSQL_OK));
	open_fails(&v, ERR_RETRYABLE, "", "out of order");
	server_begin_result(&v);
	server_say(&v, 4,
	        BYTES("\x01"
	              "a\x01"
	              "b"));
	query_breaks(&v, "out of order");
}

/* Sequence numbers go round after 255: a result may have more packets. */
static void sequence_numbers_go_round(void **state)
{
	struct mysql_server v = {0};
	struct mysql_rows rows;
	struct mysql_step *all;

	server_begin_result(&v);
	all = server_add(&v, SAY);
	for (int i = 0; i < 600; i++) {
		const unsigned char row[8] = {4, 0, 0, (unsigned char)(5 + i), 1, 'a', 1, 'b'};

		strbuf_add(&all->data, row, sizeof(row));
	}
	server_say(&v, 605, BYTES(MYSQL_END));
	assert_int_equal(mysql_server_open(&v, NULL, LONG_MS), 0);
	assert_int_equal(mysql_client_query(v.my, "show proxyconfig", &rows, &v.err), 0);
	assert_int_equal(rows.rows, 600);
	mysql_rows_release(&rows);
	mysql_server_end(&v);
	mysql_server_free(&v);
}

static void lengths_beyond_the_packet_are_noticed(void **state)
{
	static const struct {
		const char *data;
		size_t bytes;
	} rows[] = {
	        {BYTES("\x05"
	               "a\x01"
	               "b")},
	        {BYTES("\x01"
	               "a\x02"
	               "b")},
	        {BYTES("\x01"
	               "a")},
	        {BYTES("\x01"
	               "a\xfc\x01")},
	        {BYTES("\x01"
	               "a\xfd\x01\x02")},
	        {BYTES("\x01"
	               "a\xfe\xff\xff\xff\xff\xff\xff\xff\xff"
	               "b")},
	        {BYTES("\x01"
	               "a\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"
	               "b")},
	        {BYTES("\x01"
	               "a\xff")},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mysql_server v = {0};

		server_begin_result(&v);
		server_say(&v, 5, rows[i].data, rows[i].bytes);
		query_breaks(&v, "a row it cannot be");
	}
}

static void results_that_cannot_be_are_noticed(void **state)
{
	static const struct {
		const char *data;
		size_t bytes;
		const char *why;
	} answers[] = {
	        {BYTES("\0"), "an OK it cannot be"},
	        {BYTES("\0\xfc\x01"), "an OK it cannot be"},
	        {BYTES("\xfb"), "a result it cannot be"}, /* LOCAL INFILE: no file of ours */
	        {BYTES("\xfb/etc/passwd"), "a result it cannot be"},
	        {BYTES("\xfc\x01\x04"), "a result it cannot be"}, /* 1025 columns */
	        {BYTES("\xfc\0\0"), "a result it cannot be"},     /* none */
	        {BYTES("\xfe\0\0\0\0\0\0\0\x01"), "a result it cannot be"},
	        {BYTES("\xff\x01"), "without a number"},
	};
	struct mysql_server v = {0};

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		server_accept_logon(&v);
		server_add(&v, HEAR);
		server_say(&v, 1, answers[i].data, answers[i].bytes);
		query_breaks(&v, answers[i].why);
	}
	server_accept_logon(&v);
	server_add(&v, HEAR);
	server_say(&v, 1, BYTES("\x01"));
	server_say(&v, 2,
	        BYTES("\x03"
	              "def\0\0\0\x20name"));
	query_breaks(&v, "a column it cannot be");
	server_accept_logon(&v);
	server_add(&v, HEAR);
	server_say(&v, 1, BYTES("\x01"));
	server_say_column(&v, 2, "name");
	server_say(&v, 3,
	        BYTES("\x01"
	              "a"));
	query_breaks(&v, "no end of the columns");
}

/* A proxy that sends without end must not take the worker's memory. */
static void results_are_bounded(void **state)
{
	struct mysql_server v = {0};
	_cleanup_strbuf_ struct strbuf body = STRBUF_INIT;
	struct mysql_step *flood;

	/* Long values. */
	server_begin_result(&v);
	strbuf_add(&body, BYTES("\x01"
	                        "a\xfd\0\0\x10"));
	for (int i = 0; i < 1 << 20; i++)
		strbuf_addc(&body, 'x');
	for (int i = 0; i < 9; i++)
		server_say(&v, 5 + i, body.buf, body.len);
	query_breaks(&v, "too large");
	/* Long names of columns. */
	server_accept_logon(&v);
	server_add(&v, HEAR);
	server_say(&v, 1, BYTES("\x40"));
	strbuf_reset(&body);
	strbuf_add(&body, BYTES("\x03"
	                        "def\0\0\0\xfd\0\0\x10"));
	for (int i = 0; i < 1 << 20; i++)
		strbuf_addc(&body, 'x');
	for (int i = 0; i < 9; i++)
		server_say(&v, 2 + i, body.buf, body.len);
	query_breaks(&v, "too large");
	/* Many values of no length. */
	server_begin_result(&v);
	flood = server_add(&v, SAY);
	for (int i = 0; i < 300000; i++) {
		const unsigned char row[6] = {2, 0, 0, (unsigned char)(5 + i), 0xfb, 0xfb};

		strbuf_add(&flood->data, row, sizeof(row));
	}
	query_breaks(&v, "too large");
}

/* ---- time ---- */

static void a_silent_server_ends_at_the_deadline(void **state)
{
	struct mysql_server v = {0};

	assert_int_equal(mysql_server_open(&v, "pw", SHORT_MS), -1);
	assert_int_equal(v.err.kind, ERR_RETRYABLE);
	assert_string_equal(v.err.code, "TSK10012");
	mysql_server_end(&v);
	mysql_server_free(&v);
	server_greet(&v);
	assert_int_equal(mysql_server_open(&v, "pw", SHORT_MS), -1);
	assert_string_equal(v.err.code, "TSK10012");
	mysql_server_end(&v);
	mysql_server_free(&v);
}

static void a_silent_query_breaks_the_connection(void **state)
{
	struct mysql_server v = {0};

	/* Late answers must not be taken for those of a later statement. */
	server_begin_result(&v);
	assert_int_equal(mysql_server_open(&v, "pw", 1000), 0);
	assert_int_equal(mysql_client_query(v.my, "show proxyconfig", NULL, &v.err), -1);
	assert_string_equal(v.err.code, "TSK10012");
	assert_int_equal(mysql_client_query(v.my, "show proxyconfig", NULL, &v.err), -1);
	assert_lost(&v, "it was lost before");
	mysql_server_end(&v);
	mysql_server_free(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_wrong_password_is_permanent),
	        cmocka_unit_test(an_error_for_a_greeting_is_told),
	        cmocka_unit_test(what_is_no_mysql_server_is_noticed),
	        cmocka_unit_test(an_answer_to_the_logon_it_cannot_be),
	        cmocka_unit_test(a_server_that_closes_is_noticed),
	        cmocka_unit_test(a_cut_packet_is_noticed),
	        cmocka_unit_test(a_wrong_sequence_number_is_noticed),
	        cmocka_unit_test(sequence_numbers_go_round),
	        cmocka_unit_test(lengths_beyond_the_packet_are_noticed),
	        cmocka_unit_test(results_that_cannot_be_are_noticed),
	        cmocka_unit_test(results_are_bounded),
	        cmocka_unit_test(a_silent_server_ends_at_the_deadline),
	        cmocka_unit_test(a_silent_query_breaks_the_connection),
	};

	return cmocka_run_group_tests_name("mysql_client_faults", tests, NULL, NULL);
}

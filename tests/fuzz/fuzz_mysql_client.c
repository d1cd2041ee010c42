/*
 * Any bytes as what a MySQL server says to a logon, two statements and a ping. What becomes of them
 * must be whole: every value as long as it is said to be, every failure with a reason.
 *
 * Input: 'r' and the bytes of the stream as they are; or 'p' and packets, each one byte of flags,
 * two of length and the body, whose heads are made here: the fuzzer need not find out sequence
 * numbers. The server closes behind them, so nothing waits.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/err.h"
#include "common/strbuf.h"
#include "workers/host/mysql_client.h"

#define TIMEOUT_MS 1000

/* Flags of a packet. */
enum {
	SKIP_ONE = 1,  /* the client has sent one before it */
	STATEMENT = 2, /* first packet of an answer to a statement */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void add_packets(struct strbuf *stream, const uint8_t *data, size_t bytes)
{
	unsigned int sequence = 0;

	while (bytes >= 3) {
		size_t body = data[1] | (size_t)data[2] << 8;

		if (data[0] & STATEMENT)
			sequence = 1;
		else if (data[0] & SKIP_ONE)
			sequence++;
		if (body > bytes - 3)
			body = bytes - 3;
		strbuf_addc(stream, (char)body);
		strbuf_addc(stream, (char)(body >> 8));
		strbuf_addc(stream, 0);
		strbuf_addc(stream, (char)sequence++);
		strbuf_add(stream, data + 3, body);
		data += 3 + body;
		bytes -= 3 + body;
	}
}

static void check_error(const struct err *err)
{
	if (err->kind == ERR_NONE || !err->text[0])
		abort();
}

static void check_rows(const struct mysql_rows *rows)
{
	for (size_t i = 0; i < rows->columns; i++)
		if (mysql_rows_column(rows, rows->names[i]) < 0)
			abort();
	for (size_t i = 0; i < rows->columns * rows->rows; i++)
		if (rows->values[i] && rows->values[i][rows->lengths[i]] != '\0')
			abort();
	if (rows->columns > 0 && mysql_rows_value(rows, rows->rows, rows->names[0]))
		abort();
}

static void talk(struct mysql_client *my)
{
	struct mysql_rows rows;
	struct err err = {0};

	if (!mysql_client_server_version(my))
		abort();
	for (int i = 0; i < 2; i++) {
		if (mysql_client_query(my, "show proxyconfig", &rows, &err) == 0)
			check_rows(&rows);
		else
			check_error(&err);
		mysql_rows_release(&rows);
	}
	if (mysql_client_ping(my, &err) < 0)
		check_error(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	_cleanup_strbuf_ struct strbuf stream = STRBUF_INIT;
	struct mysql_client *my;
	struct err err = {0};
	int fds[2];

	if (bytes < 1 || (data[0] != 'r' && data[0] != 'p'))
		return -1;
	strbuf_adds(&stream, "");
	if (data[0] == 'r')
		strbuf_add(&stream, data + 1, bytes - 1);
	else
		add_packets(&stream, data + 1, bytes - 1);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	/* All of it fits into the socket's buffer, as all that the client says does. */
	if (send(fds[0], stream.buf, stream.len, MSG_DONTWAIT) != (ssize_t)stream.len ||
	        shutdown(fds[0], SHUT_WR) < 0)
		abort();
	if (mysql_client_open_fd(NULL, fds[1], "fuzz", "root@proxysys", "password", TIMEOUT_MS, &my,
	            &err) == 0) {
		talk(my);
		mysql_client_close(my);
	} else {
		check_error(&err);
	}
	close(fds[0]);
	return 0;
}

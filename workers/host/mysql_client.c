/*
 * Not libmariadb, for two reasons: it replaces server errors 2001 to 2062 and 5001 to 5026 by 2027
 * "Received malformed packet", and OBProxy says 5010 to what it does not support; and it can
 * neither take a stream that is there nor stop waiting when the attempt is cancelled.
 */
#include "workers/host/mysql_client.h"

#include <errno.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "workers/host/host_internal.h"

#define PACKET_BYTES_MAX ((size_t)0xffffff)
#define TIMEOUT_MS INT64_C(10000)
#define COLUMNS_MAX 1024
#define VALUE_OVERHEAD_BYTES 64 /* array elements, with room for as many, and malloc's own */
#define SALT_BYTES 20
#define SHA1_BYTES 20

enum { COM_QUIT = 1, COM_QUERY = 3, COM_PING = 14 };
enum {
	CLIENT_LONG_PASSWORD = 1,
	CLIENT_PROTOCOL_41 = 0x200,
	CLIENT_TRANSACTIONS = 0x2000,
	CLIENT_SECURE_CONNECTION = 0x8000,
	CLIENT_PLUGIN_AUTH = 0x80000,
};

struct mysql_client {
	struct host *h;
	int fd;
	char *label, *version;
	int64_t timeout_ms;
	int error_number;
	uint8_t sequence; /* of the next packet, of either side */
	bool broken;
	struct strbuf packet; /* the one received last */
};

/* ---- packets ---- */

static int broken(struct mysql_client *my, const char *why, struct err *err)
{
	my->broken = true;
	return err_set(err, ERR_RETRYABLE, "",
	        "%s: the MySQL connection failed: %s; check that the proxy is up, and its log",
	        my->label, why);
}

static int wait_for(struct mysql_client *my, short events, int64_t until, struct err *err)
{
	if (host_wait_fd(my->h, my->fd, events, until, err) == 0)
		return 0;
	my->broken = true;
	return -1;
}

static int send_all(
        struct mysql_client *my, const char *data, size_t bytes, int64_t until, struct err *err)
{
	while (bytes > 0) {
		ssize_t n = send(my->fd, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			data += n;
			bytes -= (size_t)n;
		} else if (errno == EAGAIN || errno == EINTR) {
			if (wait_for(my, POLLOUT, until, err) < 0)
				return -1;
		} else {
			return broken(my, strerror(errno), err);
		}
	}
	return 0;
}

static int send_packet(
        struct mysql_client *my, const struct strbuf *body, int64_t until, struct err *err)
{
	unsigned char head[4] = {(unsigned char)body->len, (unsigned char)(body->len >> 8),
	        (unsigned char)(body->len >> 16), my->sequence++};

	if (body->len >= PACKET_BYTES_MAX)
		return err_set(err, ERR_PERMANENT, "", "%s: the statement is too long", my->label);
	if (send_all(my, (char *)head, sizeof(head), until, err) < 0)
		return -1;
	return send_all(my, body->buf, body->len, until, err);
}

static int receive_bytes(
        struct mysql_client *my, void *to, size_t bytes, int64_t until, struct err *err)
{
	char *at = to;

	while (bytes > 0) {
		ssize_t n = recv(my->fd, at, bytes, MSG_DONTWAIT);

		if (n > 0) {
			at += n;
			bytes -= (size_t)n;
		} else if (n == 0) {
			return broken(my, "it was closed", err);
		} else if (errno == EAGAIN || errno == EINTR) {
			if (wait_for(my, POLLIN, until, err) < 0)
				return -1;
		} else {
			return broken(my, strerror(errno), err);
		}
	}
	return 0;
}

static int receive(struct mysql_client *my, int64_t until, struct err *err)
{
	unsigned char head[4];
	size_t bytes;

	if (receive_bytes(my, head, sizeof(head), until, err) < 0)
		return -1;
	bytes = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
	if (bytes == 0 || bytes > MYSQL_RESULT_BYTES_MAX)
		return broken(my, "a packet of impossible size, this is no MySQL server", err);
	/* What answers something else must not be taken for the answer to this. */
	if (head[3] != my->sequence)
		return broken(my, "packets out of order, or this is no MySQL server", err);
	my->sequence++;
	strbuf_reset(&my->packet);
	strbuf_grow(&my->packet, bytes);
	if (receive_bytes(my, my->packet.buf, bytes, until, err) < 0)
		return -1;
	my->packet.len = bytes;
	my->packet.buf[bytes] = '\0';
	return 0;
}

static unsigned char first_byte(const struct mysql_client *my)
{
	return (unsigned char)my->packet.buf[0];
}

static bool is_end(const struct mysql_client *my)
{
	return first_byte(my) == 0xfe && my->packet.len < 9;
}

/* The server's ERR packet. Returns -1. */
static int server_error(struct mysql_client *my, const char *doing, struct err *err)
{
	const unsigned char *at = (const unsigned char *)my->packet.buf;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	char state[6] = "HY000";
	size_t skip = 3;

	if (my->packet.len < 3)
		return broken(my, "an error without a number", err);
	my->error_number = at[1] | at[2] << 8;
	if (my->packet.len >= 9 && at[3] == '#') {
		memcpy(state, at + 4, 5);
		skip = 9;
	}
	host_add_printable(&text, at + skip, my->packet.len - skip, 400);
	return err_set(err, ERR_PERMANENT, state, "%s: the proxy refused %s: error %d: %s",
	        my->label, doing, my->error_number, text.buf ? text.buf : "");
}

/* A length-encoded integer at *at of the packet; -1 when it is cut or NULL (*ret_null). */
static int take_integer(const struct strbuf *packet, size_t *at, uint64_t *ret, bool *ret_null)
{
	const unsigned char *p = (const unsigned char *)packet->buf;
	size_t bytes;

	*ret_null = false;
	if (*at >= packet->len)
		return -1;
	bytes = p[*at] == 0xfc ? 2 : p[*at] == 0xfd ? 3 : p[*at] == 0xfe ? 8 : 0;
	*ret_null = p[*at] == 0xfb;
	*ret = p[(*at)++];
	if (bytes == 0)
		return *ret == 0xff ? -1 : 0;
	if (packet->len - *at < bytes)
		return -1;
	*ret = 0;
	for (size_t i = 0; i < bytes; i++)
		*ret |= (uint64_t)p[*at + i] << (8 * i);
	*at += bytes;
	return 0;
}

/* All bytes, a NUL among them too, and one behind them. */
static char *copy(const char *text, size_t bytes)
{
	char *to = xmalloc(bytes + 1);

	memcpy(to, text, bytes);
	to[bytes] = '\0';
	return to;
}

/* A length-encoded string; *ret NULL for SQL NULL. It stands in the packet. */
static int take_string(const struct strbuf *packet, size_t *at, const char **ret, size_t *ret_bytes)
{
	uint64_t bytes;
	bool null;

	if (take_integer(packet, at, &bytes, &null) < 0)
		return -1;
	*ret = null ? NULL : packet->buf + *at;
	*ret_bytes = null ? 0 : (size_t)bytes;
	if (null)
		return 0;
	if (bytes > packet->len - *at)
		return -1;
	*at += (size_t)bytes;
	return 0;
}

/* ---- logon ---- */

static void sha1(
        const void *a, size_t a_bytes, const void *b, size_t b_bytes, unsigned char ret[SHA1_BYTES])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned int bytes;

	if (!md || EVP_DigestInit_ex(md, EVP_sha1(), NULL) != 1 ||
	        EVP_DigestUpdate(md, a, a_bytes) != 1 || EVP_DigestUpdate(md, b, b_bytes) != 1 ||
	        EVP_DigestFinal_ex(md, ret, &bytes) != 1)
		BUG("no SHA-1 in this OpenSSL");
	EVP_MD_CTX_free(md);
}

/* mysql_native_password: SHA1(password) xor SHA1(salt, SHA1(SHA1(password))). */
static void add_proof(struct strbuf *sb, const char *password, const unsigned char *salt)
{
	unsigned char once[SHA1_BYTES], twice[SHA1_BYTES], proof[SHA1_BYTES];
	unsigned char joined[SALT_BYTES + SHA1_BYTES];

	if (!password || !password[0])
		return;
	sha1(password, strlen(password), "", 0, once);
	sha1(once, SHA1_BYTES, "", 0, twice);
	memcpy(joined, salt, SALT_BYTES);
	memcpy(joined + SALT_BYTES, twice, SHA1_BYTES);
	sha1(joined, sizeof(joined), "", 0, proof);
	for (size_t i = 0; i < SHA1_BYTES; i++)
		proof[i] ^= once[i];
	strbuf_add(sb, proof, SHA1_BYTES);
}

static int read_greeting(
        struct mysql_client *my, unsigned char salt[SALT_BYTES], int64_t until, struct err *err)
{
	const char *p, *end;
	size_t left;

	if (receive(my, until, err) < 0)
		return -1;
	if (first_byte(my) == 0xff)
		return server_error(my, "the connection", err);
	p = my->packet.buf + 1;
	end = memchr(p, '\0', my->packet.len - 1);
	left = end ? my->packet.len - (size_t)(end + 1 - my->packet.buf) : 0;
	/* thread 4, salt 8, 0, capabilities 2, charset 1, status 2, capabilities 2, length 1,
	 * zeros 10, salt 12. */
	if (first_byte(my) != 10 || left < 43)
		return broken(my, "its greeting is not that of a MySQL server", err);
	my->version = xstrndup(p, (size_t)(end - p));
	memcpy(salt, end + 5, 8);
	memcpy(salt + 8, end + 32, 12);
	return 0;
}

static void add_logon(
        struct strbuf *sb, const char *user, const char *password, const unsigned char *salt)
{
	uint32_t flags = CLIENT_LONG_PASSWORD | CLIENT_PROTOCOL_41 | CLIENT_TRANSACTIONS |
	                 CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH;
	const unsigned char head[9] = {(unsigned char)flags, (unsigned char)(flags >> 8),
	        (unsigned char)(flags >> 16), (unsigned char)(flags >> 24), 0xff, 0xff, 0xff, 0,
	        45};
	static const char zeros[23];

	strbuf_add(sb, head, sizeof(head));
	strbuf_add(sb, zeros, sizeof(zeros));
	strbuf_add(sb, user, strlen(user) + 1);
	strbuf_addc(sb, password && password[0] ? SHA1_BYTES : 0);
	add_proof(sb, password, salt);
	strbuf_add(sb, "mysql_native_password", sizeof("mysql_native_password"));
}

static int logon_answer(
        struct mysql_client *my, const char *password, int64_t until, struct err *err)
{
	static const char native[] = "mysql_native_password";
	_cleanup_strbuf_ struct strbuf proof = STRBUF_INIT;

	if (receive(my, until, err) < 0)
		return -1;
	if (first_byte(my) == 0xfe) {
		if (my->packet.len < 1 + sizeof(native) + SALT_BYTES ||
		        memcmp(my->packet.buf + 1, native, sizeof(native)) != 0)
			return err_set(err, ERR_PERMANENT, "",
			        "%s: the proxy wants a logon other than mysql_native_password",
			        my->label);
		strbuf_adds(&proof, "");
		add_proof(&proof, password, (unsigned char *)my->packet.buf + 1 + sizeof(native));
		if (send_packet(my, &proof, until, err) < 0 || receive(my, until, err) < 0)
			return -1;
	}
	if (first_byte(my) == 0xff)
		return server_error(my, "the logon", err);
	return first_byte(my) == 0 ? 0 : broken(my, "an unknown answer to the logon", err);
}

int mysql_client_open_fd(struct host *h, int fd, const char *label, const char *user,
        const char *password, int64_t timeout_ms, struct mysql_client **ret, struct err *err)
{
	struct mysql_client *my = xcalloc(1, sizeof(*my));
	_cleanup_strbuf_ struct strbuf logon = STRBUF_INIT;
	unsigned char salt[SALT_BYTES];
	int64_t until;

	my->h = h;
	my->fd = fd;
	my->label = xstrdup(label);
	my->timeout_ms = timeout_ms ? timeout_ms : TIMEOUT_MS;
	until = clock_mono_ms() + my->timeout_ms;
	if (read_greeting(my, salt, until, err) == 0) {
		add_logon(&logon, user, password, salt);
		if (send_packet(my, &logon, until, err) == 0 &&
		        logon_answer(my, password, until, err) == 0) {
			*ret = my;
			return 0;
		}
	}
	my->broken = true;
	mysql_client_close(my);
	return -1;
}

int mysql_client_open(struct host *h, int port, const char *user, const char *password,
        int64_t timeout_ms, struct mysql_client **ret, struct err *err)
{
	int fd;

	if (host_tunnel(h, port, &fd, err) < 0)
		return -1;
	return mysql_client_open_fd(h, fd, host_label(h), user, password, timeout_ms, ret, err);
}

/* ---- statements ---- */

static int command(
        struct mysql_client *my, int number, const char *text, int64_t until, struct err *err)
{
	_cleanup_strbuf_ struct strbuf body = STRBUF_INIT;

	my->error_number = 0;
	if (my->broken)
		return broken(my, "it was lost before", err);
	strbuf_addc(&body, (char)number);
	strbuf_adds(&body, text);
	my->sequence = 0;
	return send_packet(my, &body, until, err);
}

void mysql_client_close(struct mysql_client *my)
{
	struct err err;

	if (!my)
		return;
	if (!my->broken && command(my, COM_QUIT, "", clock_mono_ms() + 100, &err) < 0)
		my->broken = true;
	close(my->fd);
	strbuf_release(&my->packet);
	free(my->label);
	free(my->version);
	free(my);
}

const char *mysql_client_server_version(const struct mysql_client *my)
{
	return my->version;
}

int mysql_client_error_number(const struct mysql_client *my)
{
	return my->error_number;
}

void mysql_rows_release(struct mysql_rows *rows)
{
	for (size_t i = 0; i < rows->columns; i++)
		free(rows->names[i]);
	for (size_t i = 0; i < rows->columns * rows->rows; i++)
		free(rows->values[i]);
	free(rows->names);
	free(rows->values);
	free(rows->lengths);
	*rows = (struct mysql_rows)MYSQL_ROWS_INIT;
}

/* Counts what a result takes of memory, the last packet with its values included. */
static int count_memory(struct mysql_client *my, size_t *total, size_t values, struct err *err)
{
	*total += my->packet.len + values * VALUE_OVERHEAD_BYTES;
	return *total <= MYSQL_RESULT_BYTES_MAX ? 0 : broken(my, "its result is too large", err);
}

/* Column definition: catalog, schema, table, original table, name, ... */
static int read_columns(struct mysql_client *my, struct mysql_rows *rows, size_t *total,
        int64_t until, struct err *err)
{
	for (size_t i = 0; i < rows->columns; i++) {
		const char *text = NULL;
		size_t at = 0, bytes = 0;

		if (receive(my, until, err) < 0 || count_memory(my, total, 1, err) < 0)
			return -1;
		for (int field = 0; field < 5; field++)
			if (take_string(&my->packet, &at, &text, &bytes) < 0)
				return broken(my, "a column it cannot be", err);
		rows->names[i] = text ? xstrndup(text, bytes) : xstrdup("");
	}
	if (receive(my, until, err) < 0)
		return -1;
	return is_end(my) ? 0 : broken(my, "no end of the columns", err);
}

static int add_row(struct mysql_client *my, struct mysql_rows *rows, struct err *err)
{
	size_t first = rows->columns * rows->rows, count = first + rows->columns, at = 0;

	/* There is room for the next power of two. */
	if ((rows->rows & (rows->rows - 1)) == 0) {
		size_t room = rows->columns * (rows->rows ? rows->rows * 2 : 1);

		rows->values = xrealloc(rows->values, room * sizeof(*rows->values));
		rows->lengths = xrealloc(rows->lengths, room * sizeof(*rows->lengths));
	}
	memset(rows->values + first, 0, rows->columns * sizeof(*rows->values));
	rows->rows++;
	for (size_t i = first; i < count; i++) {
		const char *text;

		if (take_string(&my->packet, &at, &text, &rows->lengths[i]) < 0)
			return broken(my, "a row it cannot be", err);
		rows->values[i] = text ? copy(text, rows->lengths[i]) : NULL;
	}
	return 0;
}

static int read_rows(struct mysql_client *my, struct mysql_rows *rows, size_t *total, int64_t until,
        struct err *err)
{
	for (;;) {
		if (receive(my, until, err) < 0)
			return -1;
		if (is_end(my))
			return 0;
		if (first_byte(my) == 0xff)
			return server_error(my, "the statement", err);
		if (count_memory(my, total, rows->columns, err) < 0 || add_row(my, rows, err) < 0)
			return -1;
	}
}

static int read_result(
        struct mysql_client *my, struct mysql_rows *rows, int64_t until, struct err *err)
{
	size_t at = 0, total = 0;
	uint64_t count;
	bool null;

	if (receive(my, until, err) < 0)
		return -1;
	if (first_byte(my) == 0xff)
		return server_error(my, "the statement", err);
	if (first_byte(my) == 0) {
		at = 1;
		return take_integer(&my->packet, &at, &rows->affected, &null) < 0
		               ? broken(my, "an OK it cannot be", err)
		               : 0;
	}
	if (take_integer(&my->packet, &at, &count, &null) < 0 || null || count == 0 ||
	        count > COLUMNS_MAX)
		return broken(my, "a result it cannot be", err);
	rows->columns = (size_t)count;
	rows->names = xcalloc(rows->columns, sizeof(*rows->names));
	if (read_columns(my, rows, &total, until, err) < 0)
		return -1;
	return read_rows(my, rows, &total, until, err);
}

int mysql_client_query(
        struct mysql_client *my, const char *statement, struct mysql_rows *ret, struct err *err)
{
	struct mysql_rows rows = MYSQL_ROWS_INIT;
	int64_t until = clock_mono_ms() + my->timeout_ms;
	int rc = command(my, COM_QUERY, statement, until, err);

	if (rc == 0)
		rc = read_result(my, &rows, until, err);
	if (ret)
		*ret = rows;
	else
		mysql_rows_release(&rows);
	return rc;
}

int mysql_client_ping(struct mysql_client *my, struct err *err)
{
	int64_t until = clock_mono_ms() + my->timeout_ms;

	if (command(my, COM_PING, "", until, err) < 0 || receive(my, until, err) < 0)
		return -1;
	if (first_byte(my) == 0xff)
		return server_error(my, "a ping", err);
	return 0;
}

int mysql_rows_column(const struct mysql_rows *rows, const char *name)
{
	for (size_t i = 0; i < rows->columns; i++)
		if (strcasecmp(rows->names[i], name) == 0)
			return (int)i;
	return -1;
}

const char *mysql_rows_value(const struct mysql_rows *rows, size_t row, const char *name)
{
	int column = mysql_rows_column(rows, name);

	if (column < 0 || row >= rows->rows)
		return NULL;
	return rows->values[row * rows->columns + (size_t)column];
}

int mysql_add_quoted(struct strbuf *sb, const char *text, size_t bytes, struct err *err)
{
	if (memchr(text, '\0', bytes))
		return err_set(err, ERR_PERMANENT, "", "a value with a NUL cannot be sent");
	strbuf_addc(sb, '\'');
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '\'' || text[i] == '\\')
			strbuf_addc(sb, '\\');
		strbuf_addc(sb, text[i]);
	}
	strbuf_addc(sb, '\'');
	return 0;
}

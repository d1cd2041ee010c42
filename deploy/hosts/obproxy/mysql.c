/* The MySQL protocol of one SQL connection: greeting, native password, text queries. */
#include "deploy/hosts/obproxy/standin.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"

#define PACKET_MAX (1 << 20)
#define SALT_BYTES 20
#define SHA1_BYTES 20

enum command { COM_QUIT = 1, COM_INIT_DB = 2, COM_QUERY = 3, COM_PING = 14 };

/* ---- packets ---- */

static bool read_all(int fd, void *to, size_t bytes)
{
	char *at = to;

	while (bytes > 0) {
		ssize_t n = recv(fd, at, bytes, 0);

		if (n <= 0)
			return false;
		at += n;
		bytes -= (size_t)n;
	}
	return true;
}

/* One packet, NUL behind it; NULL at the connection's end. */
static char *packet_read(struct client *c, size_t *ret_bytes)
{
	unsigned char head[4];
	size_t bytes;
	char *data;

	if (!read_all(c->fd, head, sizeof(head)))
		return NULL;
	bytes = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
	if (bytes > PACKET_MAX)
		return NULL;
	c->sequence = (uint8_t)(head[3] + 1);
	data = xmalloc(bytes + 1);
	if (!read_all(c->fd, data, bytes)) {
		free(data);
		return NULL;
	}
	data[bytes] = '\0';
	*ret_bytes = bytes;
	return data;
}

static void packet_add(struct client *c, const struct strbuf *body)
{
	unsigned char head[4] = {
	        body->len & 255, body->len >> 8 & 255, body->len >> 16 & 255, c->sequence++};

	strbuf_add(&c->out, head, sizeof(head));
	strbuf_add(&c->out, body->buf, body->len);
}

static void send_out(struct client *c)
{
	size_t sent = 0;
	size_t bytes = c->out.len;

	if (bytes > 64 && fault_on("cut", NULL)) {
		bytes /= 2;
		c->broken = true;
	}
	while (sent < bytes) {
		ssize_t n = send(c->fd, c->out.buf + sent, bytes - sent, MSG_NOSIGNAL);

		if (n <= 0) {
			c->broken = true;
			break;
		}
		sent += (size_t)n;
	}
	strbuf_reset(&c->out);
}

static void add_int(struct strbuf *sb, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		strbuf_addc(sb, (char)(value >> 8 * i & 255));
}

/* A text behind its length (length-encoded). NULL is SQL NULL. */
static void add_text(struct strbuf *sb, const char *text)
{
	size_t bytes = text ? strlen(text) : 0;

	if (!text) {
		strbuf_addc(sb, (char)0xfb);
		return;
	}
	if (bytes < 251) {
		add_int(sb, bytes, 1);
	} else {
		strbuf_addc(sb, (char)0xfc);
		add_int(sb, bytes, 2);
	}
	strbuf_add(sb, text, bytes);
}

void client_ok(struct client *c)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_add(&sb, "\0\0\0\2\0\0\0", 7); /* no rows, no id, autocommit, no warnings */
	packet_add(c, &sb);
}

void client_error(struct client *c, int number, const char *state, const char *text)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_addc(&sb, (char)0xff);
	add_int(&sb, (uint64_t)number, 2);
	strbuf_addf(&sb, "#%s%s", state, text);
	packet_add(c, &sb);
}

void client_end(struct client *c)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_add(&sb, "\xfe\0\0\2\0", 5);
	packet_add(c, &sb);
}

void client_columns(struct client *c, const char *const *names)
{
	size_t count = 0;
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	while (names[count])
		count++;
	add_int(&sb, count, 1);
	packet_add(c, &sb);
	for (size_t i = 0; i < count; i++) {
		strbuf_reset(&sb);
		add_text(&sb, "def");
		for (int part = 0; part < 3; part++) /* schema, table, original table */
			add_text(&sb, "");
		add_text(&sb, names[i]);
		add_text(&sb, names[i]);
		add_int(&sb, 12, 1);   /* bytes of what follows */
		add_int(&sb, 46, 2);   /* utf8mb4_bin */
		add_int(&sb, 4096, 4); /* length */
		add_int(&sb, 253, 1);  /* VARCHAR */
		add_int(&sb, 0, 5);    /* flags, decimals, filler */
		packet_add(c, &sb);
	}
	client_end(c);
}

void client_row(struct client *c, const char *const *values, size_t columns)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_adds(&sb, "");
	for (size_t i = 0; i < columns; i++)
		add_text(&sb, values[i]);
	packet_add(c, &sb);
}

/* ---- logon ---- */

static void make_salt(unsigned char salt[SALT_BYTES])
{
	memset(salt, 'a', 8);
	memset(salt + 8, 'b', SALT_BYTES - 8);
	if (!config_is_true("enable_proxy_scramble"))
		return;
	(void)RAND_bytes(salt, SALT_BYTES);
	for (int i = 0; i < SALT_BYTES; i++)
		salt[i] = (unsigned char)(salt[i] % 94 + 33);
}

static void greet(struct client *c, const unsigned char salt[SALT_BYTES])
{
	static unsigned int connections;
	_cleanup_free_ char *version = config_get("mysql_version");
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	add_int(&sb, 10, 1);
	strbuf_add(&sb, version, strlen(version) + 1);
	add_int(&sb, __atomic_add_fetch(&connections, 1, __ATOMIC_RELAXED), 4);
	strbuf_add(&sb, salt, 8);
	add_int(&sb, 0, 1);
	add_int(&sb, 0xf7df & ~0x0820, 2); /* no TLS, no compression */
	add_int(&sb, 46, 1);
	add_int(&sb, 2, 2);
	add_int(&sb, 0x009f, 2);
	add_int(&sb, SALT_BYTES + 1, 1);
	add_int(&sb, 0, 5);
	add_int(&sb, 0, 5);
	strbuf_add(&sb, salt + 8, SALT_BYTES - 8);
	add_int(&sb, 0, 1);
	strbuf_add(&sb, "mysql_native_password", 22);
	c->sequence = 0;
	packet_add(c, &sb);
	send_out(c);
}

static bool hex_read(const char *hex, unsigned char to[SHA1_BYTES])
{
	for (int i = 0; i < SHA1_BYTES; i++) {
		unsigned int byte;

		if (sscanf(hex + i * 2, "%2x", &byte) != 1)
			return false;
		to[i] = (unsigned char)byte;
	}
	return true;
}

/* token = sha1(password) xor sha1(salt + sha1(sha1(password))); stored is sha1(password) in hex. */
static bool password_is_right(const unsigned char *salt, const char *token, size_t bytes)
{
	_cleanup_free_ char *stored = config_get("obproxy_sys_password");
	unsigned char stage1[SHA1_BYTES], mixed[SALT_BYTES + SHA1_BYTES], expected[EVP_MAX_MD_SIZE];
	unsigned char wrong = 0;

	if (!*stored)
		return bytes == 0;
	if (bytes != SHA1_BYTES || strlen(stored) != 40 || !hex_read(stored, stage1))
		return false;
	memcpy(mixed, salt, SALT_BYTES);
	EVP_Digest(stage1, SHA1_BYTES, mixed + SALT_BYTES, NULL, EVP_sha1(), NULL);
	EVP_Digest(mixed, sizeof(mixed), expected, NULL, EVP_sha1(), NULL);
	for (int i = 0; i < SHA1_BYTES; i++)
		wrong |= (unsigned char)(expected[i] ^ stage1[i] ^ (unsigned char)token[i]);
	return wrong == 0;
}

static bool address_is_private(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strncmp(address, "192.168.", 8) == 0;
}

/* Client flags 4, packet size 4, charset 1, filler 23, user NUL, token behind its length. */
static bool logon_is_right(struct client *c, const unsigned char *salt, const char *data,
        size_t bytes, const char **ret_user)
{
	const char *user = data + 32, *token;
	size_t left, token_bytes;

	*ret_user = "";
	if (bytes < 34)
		return false;
	*ret_user = user;
	left = bytes - 32 - strlen(user) - 1;
	if (strlen(user) + 34 > bytes)
		return false;
	token_bytes = (unsigned char)user[strlen(user) + 1];
	token = user + strlen(user) + 2;
	if (token_bytes + 1 > left)
		return false;
	if (!config_is_true("skip_proxy_sys_private_check") && !address_is_private(c->address))
		return false;
	c->inspector = strcmp(user, "inspector@proxysys") == 0;
	return c->inspector ||
	       (strcmp(user, "root@proxysys") == 0 && password_is_right(salt, token, token_bytes));
}

static bool log_on(struct client *c)
{
	unsigned char salt[SALT_BYTES];
	_cleanup_free_ char *data = NULL;
	_cleanup_free_ char *refusal = NULL;
	const char *user;
	size_t bytes;
	bool right;

	make_salt(salt);
	greet(c, salt);
	data = packet_read(c, &bytes);
	if (!data)
		return false;
	right = logon_is_right(c, salt, data, bytes, &user);
	if (right) {
		client_ok(c);
	} else {
		refusal = xasprintf(
		        "Access denied for user '%s'@'%s' (using password: YES)", user, c->address);
		client_error(c, 1045, "42000", refusal);
	}
	send_out(c);
	return right && !c->broken;
}

static void serve_commands(struct client *c)
{
	while (!c->broken) {
		size_t bytes;
		_cleanup_free_ char *data = packet_read(c, &bytes);

		if (!data || bytes == 0 || data[0] == COM_QUIT)
			return;
		switch (data[0]) {
		case COM_PING:
		case COM_INIT_DB:
			client_ok(c);
			break;
		case COM_QUERY:
			metrics_count_statement();
			fault_sleep("slow");
			statement_run(c, data + 1);
			break;
		default:
			client_error(c, 1235, "0A000", "Not supported feature or function");
		}
		send_out(c);
	}
}

void client_serve(int fd, const char *address)
{
	struct client c = {.fd = fd};

	snprintf(c.address, sizeof(c.address), "%s", address);
	metrics_count_session(1);
	if (fault_on("no-greeting", NULL)) {
		char byte;

		while (recv(fd, &byte, 1, 0) > 0)
			;
	} else if (log_on(&c)) {
		serve_commands(&c);
	}
	metrics_count_session(-1);
	strbuf_release(&c.out);
	close(fd);
}

#include "tests/support/mysql_server.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/test.h"

struct mysql_step *server_add(struct mysql_server *v, enum mysql_step_kind kind)
{
	assert_true(v->count < MYSQL_SERVER_STEPS);
	v->steps[v->count].kind = kind;
	return &v->steps[v->count++];
}

void server_say_raw(struct mysql_server *v, const void *data, size_t bytes)
{
	strbuf_add(&server_add(v, SAY)->data, data, bytes);
}

void server_say(struct mysql_server *v, int sequence, const void *data, size_t bytes)
{
	struct mysql_step *step = server_add(v, SAY);
	const unsigned char head[4] = {(unsigned char)bytes, (unsigned char)(bytes >> 8),
	        (unsigned char)(bytes >> 16), (unsigned char)sequence};

	strbuf_add(&step->data, head, sizeof(head));
	strbuf_add(&step->data, data, bytes);
}

static bool read_all(int fd, void *to, size_t bytes)
{
	char *at = to;

	while (bytes > 0) {
		ssize_t n = read(fd, at, bytes);

		if (n <= 0)
			return false;
		at += n;
		bytes -= (size_t)n;
	}
	return true;
}

static void hear_packet(struct mysql_server *v)
{
	struct strbuf *to = &v->heard[v->heard_count];
	unsigned char head[4];
	size_t bytes;

	if (v->heard_count == MYSQL_SERVER_HEARD || !read_all(v->fd, head, sizeof(head)))
		return;
	bytes = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
	strbuf_add(to, head, sizeof(head));
	strbuf_grow(to, bytes);
	if (read_all(v->fd, to->buf + 4, bytes)) {
		to->len += bytes;
		v->heard_count++;
	}
}

static void send_data(int fd, const struct strbuf *data, size_t piece)
{
	for (size_t at = 0; at < data->len;) {
		size_t bytes = data->len - at < piece ? data->len - at : piece;
		ssize_t n = send(fd, data->buf + at, bytes, MSG_NOSIGNAL);

		if (n < 0)
			return; /* the client has had enough */
		at += (size_t)n;
	}
}

/* Follows the script; a server that has nothing more to say waits until the client goes. */
static void *serve(void *arg)
{
	struct mysql_server *v = arg;

	for (size_t i = 0; i < v->count; i++) {
		struct mysql_step *step = &v->steps[i];

		if (step->kind == HEAR)
			hear_packet(v);
		else if (step->kind == CLOSE)
			shutdown(v->fd, SHUT_WR);
		else
			send_data(v->fd, &step->data, step->kind == SAY ? SIZE_MAX : 1);
	}
	while (v->heard_count < MYSQL_SERVER_HEARD) {
		size_t before = v->heard_count;

		hear_packet(v);
		if (v->heard_count == before)
			break;
	}
	return NULL;
}

static void start(struct mysql_server *v)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	v->fd = fds[0];
	v->client_fd = fds[1];
	assert_int_equal(pthread_create(&v->thread, NULL, serve, v), 0);
}

int mysql_server_open(struct mysql_server *v, const char *password, int64_t timeout_ms)
{
	start(v);
	return mysql_client_open_fd(NULL, v->client_fd, "proxy", "root@proxysys", password,
	        timeout_ms, &v->my, &v->err);
}

void mysql_server_end(struct mysql_server *v)
{
	mysql_client_close(v->my);
	v->my = NULL;
	shutdown(v->fd, SHUT_WR);
	pthread_join(v->thread, NULL);
	close(v->fd);
}

void mysql_server_free(struct mysql_server *v)
{
	for (size_t i = 0; i < v->count; i++)
		strbuf_release(&v->steps[i].data);
	for (size_t i = 0; i < MYSQL_SERVER_HEARD; i++)
		strbuf_release(&v->heard[i]);
	*v = (struct mysql_server){0};
}

/* ---- packets ---- */

void server_greet(struct mysql_server *v)
{
	server_say(v, 0, BYTES(MYSQL_GREETING));
	server_add(v, HEAR);
}

void server_accept_logon(struct mysql_server *v)
{
	server_greet(v);
	server_say(v, 2, BYTES(MYSQL_OK));
}

void server_say_column(struct mysql_server *v, int sequence, const char *name)
{
	_cleanup_strbuf_ struct strbuf body = STRBUF_INIT;

	strbuf_add(&body, BYTES("\x03"
	                        "def"
	                        "\0\0\0"));
	strbuf_addc(&body, (char)strlen(name));
	strbuf_adds(&body, name);
	strbuf_add(&body, BYTES("\0\x0c\x2e\0\xff\0\0\0\xfd\0\0\0\0\0"));
	server_say(v, sequence, body.buf, body.len);
}

void server_begin_result(struct mysql_server *v)
{
	server_accept_logon(v);
	server_add(v, HEAR);
	server_say(v, 1, BYTES("\x02"));
	server_say_column(v, 2, "name");
	server_say_column(v, 3, "value");
	server_say(v, 4, BYTES(MYSQL_END));
}

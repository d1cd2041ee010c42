/* http_load: closed-loop HTTP load over keep-alive connections, by epoll. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"
#include "common/clock.h"
#include "common/mem.h"

#define ANSWER_BYTES (512 * 1024)
#define REQUEST_BYTES 8192
#define SAMPLES_MAX 4000000

struct client {
	int fd;
	int64_t sent_us;
	size_t got;   /* bytes of the answer so far */
	size_t whole; /* bytes it has in all; 0: not known yet */
	bool ok;
	char head[1024];
};

struct load {
	struct bench *b;
	const char *path;
	body_fn body;
	void *arg;
	int64_t next, most, done, refused;
	int64_t until_us;
	double *ms;
	size_t samples;
};

static int dial(struct bench *b)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)b->port)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, b->host, &address.sin_addr);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("%s:%d: %s", b->host, b->port, strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static size_t make_request(
        struct bench *b, const char *path, const char *body, size_t body_bytes, char *out)
{
	int n = snprintf(out, REQUEST_BYTES,
	        "%s %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic %s\r\n%s",
	        body_bytes ? "POST" : "GET", path, b->login,
	        body_bytes ? "Content-Type: application/json\r\n" : "");

	if (body_bytes)
		n += snprintf(out + n, REQUEST_BYTES - (size_t)n, "Content-Length: %zu\r\n\r\n%.*s",
		        body_bytes, (int)body_bytes, body);
	else
		n += snprintf(out + n, REQUEST_BYTES - (size_t)n, "\r\n");
	if (n >= REQUEST_BYTES)
		die("a request is too long");
	return (size_t)n;
}

/* False: nothing more to send. */
static bool send_next(struct load *l, struct client *c)
{
	char body[4096], request[REQUEST_BYTES];
	size_t body_bytes, n;

	if (l->next >= l->most || clock_mono_us() > l->until_us)
		return false;
	body_bytes = l->body ? l->body(l->arg, l->next, body, sizeof(body)) : 0;
	n = make_request(l->b, l->path, body, body_bytes, request);
	l->next++;
	c->got = c->whole = 0;
	c->sent_us = clock_mono_us();
	if (send(c->fd, request, n, MSG_NOSIGNAL) != (ssize_t)n)
		die("the ingress closed a connection under load");
	return true;
}

/* The first bytes of an answer tell its status and length. */
static void read_head(struct client *c)
{
	const char *length = strcasestr(c->head, "Content-Length:");
	const char *end = strstr(c->head, "\r\n\r\n");

	if (!length || !end)
		return;
	c->ok = !strncmp(c->head + 9, "200", 3);
	c->whole = (size_t)(end - c->head) + 4 + strtoul(length + 15, NULL, 10);
}

/* True when the answer is whole. */
static bool take_answer(struct client *c)
{
	char rest[65536];
	bool in_head = c->got < sizeof(c->head) - 1 && !c->whole;
	ssize_t n = in_head ? recv(c->fd, c->head + c->got, sizeof(c->head) - 1 - c->got, 0)
	                    : recv(c->fd, rest, sizeof(rest), 0);

	if (n <= 0)
		die("the ingress closed a connection under load");
	c->got += (size_t)n;
	if (in_head) {
		c->head[c->got] = '\0';
		read_head(c);
	}
	return c->whole && c->got >= c->whole;
}

static void count(struct load *l, const struct client *c)
{
	l->done++;
	l->refused += !c->ok;
	if (l->samples < SAMPLES_MAX)
		l->ms[l->samples++] = (double)(clock_mono_us() - c->sent_us) / 1000;
}

static void run(struct load *l, struct client *clients, int connections)
{
	struct epoll_event events[64];
	int epoll = epoll_create1(EPOLL_CLOEXEC), busy = 0;

	for (int i = 0; i < connections; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &clients[i]};

		clients[i].fd = dial(l->b);
		epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &ev);
		busy += send_next(l, &clients[i]);
	}
	while (busy > 0) {
		int n = epoll_wait(epoll, events, 64, 10000);

		if (n == 0)
			die("the ingress answers nothing for 10 s");
		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;

			if (!take_answer(c))
				continue;
			count(l, c);
			busy -= !send_next(l, c);
		}
	}
	for (int i = 0; i < connections; i++)
		close(clients[i].fd);
	close(epoll);
}

struct http_result http_load(struct bench *b, const char *path, int connections, double seconds,
        int64_t most, body_fn body, void *arg)
{
	struct load l = {.b = b, .path = path, .body = body, .arg = arg, .most = most};
	struct client *clients = xcalloc((size_t)connections, sizeof(*clients));
	struct http_result result = {0};
	int64_t start = clock_mono_us();

	l.ms = xmalloc(SAMPLES_MAX * sizeof(*l.ms));
	l.until_us = start + (int64_t)(seconds * 1e6);
	run(&l, clients, connections);
	result.per_s = (double)l.done * 1e6 / (double)(clock_mono_us() - start);
	result.sent = l.done;
	result.refused = l.refused;
	result.p50_ms = percentile(l.ms, l.samples, 0.5);
	result.p95_ms = percentile(l.ms, l.samples, 0.95);
	result.p99_ms = percentile(l.ms, l.samples, 0.99);
	free(l.ms);
	free(clients);
	return result;
}

const char *http_once(struct bench *b, const char *path, const char *body)
{
	static char answer[ANSWER_BYTES];
	char request[REQUEST_BYTES];
	struct client c = {.fd = dial(b)};
	size_t n = make_request(b, path, body, body ? strlen(body) : 0, request), got = 0;

	if (send(c.fd, request, n, MSG_NOSIGNAL) != (ssize_t)n)
		die("the ingress does not read");
	do {
		ssize_t more = recv(c.fd, answer + got, sizeof(answer) - 1 - got, 0);

		if (more <= 0)
			die("the ingress closed the connection: %s", answer);
		got += (size_t)more;
		answer[got] = '\0';
		snprintf(c.head, sizeof(c.head), "%.*s", (int)sizeof(c.head) - 1, answer);
		read_head(&c);
	} while (!c.whole || got < (c.whole < sizeof(answer) ? c.whole : sizeof(answer) - 1));
	close(c.fd);
	if (!c.ok)
		die("%s: %s", path, answer);
	return answer;
}

/* http_load: HTTP load over keep-alive connections, by epoll: closed loop, or at a given rate. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "common/clock.h"
#include "common/mem.h"

#define ANSWER_BYTES (512 * 1024)
#define REQUEST_BYTES 8192
#define SAMPLES_MAX 4000000
#define EVENTS 64

struct client {
	int fd;
	int64_t sent_us; /* at a rate: when the request was due */
	size_t got;      /* bytes of the answer so far */
	size_t whole;    /* bytes it has in all; 0: not known yet */
	bool ok, unavailable;
	char head[1024];
	struct client *next; /* in a queue */
	int64_t until_us;    /* in the queue of those that pause */
};

struct queue {
	struct client *first, **last;
};

struct load {
	struct bench *b;
	const struct http_plan *plan;
	int64_t next, done, refused, unavailable;
	int64_t start_us, until_us;
	double start_cpu_us;
	double *ms, *refused_ms;
	size_t samples, refused_samples;
	struct queue rest, paused; /* clients without a request under way */
};

static int dial(struct bench *b)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)b->port)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, b->host, &address.sin_addr);
	if (fd < 0)
		die("no more sockets: %s; raise the limit of open files (ulimit -n)",
		        strerror(errno));
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

static void put(struct queue *q, struct client *c)
{
	c->next = NULL;
	if (!q->first)
		q->last = &q->first;
	*q->last = c;
	q->last = &c->next;
}

static struct client *take(struct queue *q)
{
	struct client *c = q->first;

	if (c)
		q->first = c->next;
	return c;
}

/* Into the queue of those that pause, the first to come back first. */
static void put_paused(struct load *l, struct client *c)
{
	struct client **at = &l->paused.first;

	while (*at && (*at)->until_us <= c->until_us)
		at = &(*at)->next;
	c->next = *at;
	*at = c;
}

static bool over(const struct load *l)
{
	return l->next >= l->plan->most || clock_mono_us() > l->until_us;
}

static void send_request(struct load *l, struct client *c, int64_t due_us)
{
	const struct http_plan *plan = l->plan;
	char body[4096], request[REQUEST_BYTES];
	size_t body_bytes = plan->body ? plan->body(plan->arg, l->next, body, sizeof(body)) : 0;
	size_t n = make_request(l->b, plan->path, body, body_bytes, request);

	l->next++;
	c->got = c->whole = 0;
	c->sent_us = due_us;
	if (send(c->fd, request, n, MSG_NOSIGNAL) != (ssize_t)n)
		die("the ingress closed a connection under load");
}

/* The first bytes of an answer tell its status and length. */
static void read_head(struct client *c)
{
	const char *length = strcasestr(c->head, "Content-Length:");
	const char *end = strstr(c->head, "\r\n\r\n");

	if (!length || !end)
		return;
	c->ok = !strncmp(c->head + 9, "200", 3);
	c->unavailable = !strncmp(c->head + 9, "503", 3) && strcasestr(c->head, "Retry-After:");
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
	double ms = (double)(clock_mono_us() - c->sent_us) / 1000;

	l->done++;
	l->refused += !c->ok;
	l->unavailable += c->unavailable;
	if (c->ok && l->samples < SAMPLES_MAX)
		l->ms[l->samples++] = ms;
	else if (!c->ok && l->refused_samples < SAMPLES_MAX)
		l->refused_ms[l->refused_samples++] = ms;
}

/* Sends what may be sent now; returns how many requests that made, and when the next one is due. */
static int send_due(struct load *l, int64_t *ret_due_us)
{
	int sent = 0;

	*ret_due_us = INT64_MAX;
	while (l->paused.first && l->paused.first->until_us <= clock_mono_us())
		put(&l->rest, take(&l->paused));
	if (l->paused.first)
		*ret_due_us = l->paused.first->until_us;
	while (l->rest.first && !over(l)) {
		int64_t now = clock_mono_us(), due = now;

		if (l->plan->rate > 0)
			due = l->start_us + (int64_t)((double)l->next * 1e6 / l->plan->rate);
		if (due > now) {
			*ret_due_us = due < *ret_due_us ? due : *ret_due_us;
			break;
		}
		send_request(l, take(&l->rest), due);
		sent++;
	}
	return sent;
}

static int wait_for_answers(int epoll, struct epoll_event *events, int64_t due_us)
{
	int64_t left = due_us == INT64_MAX ? 10000000 : due_us - clock_mono_us();
	struct timespec wait;

	left = left < 0 ? 0 : left;
	wait = (struct timespec){.tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000};
	int n = epoll_pwait2(epoll, events, EVENTS, &wait, NULL);

	if (n == 0 && due_us == INT64_MAX)
		die("the ingress answers nothing for 10 s");
	return n;
}

static void dial_all(struct load *l, int epoll, struct client *clients)
{
	for (int i = 0; i < l->plan->connections; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &clients[i]};

		clients[i].fd = dial(l->b);
		epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &ev);
		put(&l->rest, &clients[i]);
	}
}

/* Between pause_ms and twice that: clients that were refused together do not come back together. */
static int64_t pause_us(const struct load *l)
{
	return l->plan->pause_ms * (1000 + random() % 1000);
}

static void run(struct load *l, int epoll)
{
	struct epoll_event events[EVENTS];
	int64_t due_us;
	int busy = 0;

	for (;;) {
		busy += send_due(l, &due_us);
		if (busy == 0 && over(l))
			return;
		if (over(l))
			due_us = INT64_MAX; /* the last answers */
		int n = wait_for_answers(epoll, events, due_us);

		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;

			if (!take_answer(c))
				continue;
			count(l, c);
			busy--;
			if (c->ok || !l->plan->pause_ms) {
				put(&l->rest, c);
				continue;
			}
			c->until_us = clock_mono_us() + pause_us(l);
			put_paused(l, c);
		}
	}
}

/* User and system time of this program. */
static double cpu_us(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static struct http_result result_of(struct load *l)
{
	return (struct http_result){
	        .cpu_us = l->done ? (cpu_us() - l->start_cpu_us) / (double)l->done : 0,
	        .per_s = (double)l->done * 1e6 / (double)(clock_mono_us() - l->start_us),
	        .sent = l->done,
	        .refused = l->refused,
	        .unavailable = l->unavailable,
	        .p50_ms = percentile(l->ms, l->samples, 0.5),
	        .p95_ms = percentile(l->ms, l->samples, 0.95),
	        .p99_ms = percentile(l->ms, l->samples, 0.99),
	        .refused_p50_ms = percentile(l->refused_ms, l->refused_samples, 0.5),
	        .refused_p99_ms = percentile(l->refused_ms, l->refused_samples, 0.99),
	        .refused_max_ms = percentile(l->refused_ms, l->refused_samples, 1),
	};
}

struct http_result http_run(struct bench *b, const struct http_plan *plan)
{
	struct load l = {.b = b, .plan = plan};
	struct client *clients = xcalloc((size_t)plan->connections, sizeof(*clients));
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct http_result result;

	l.ms = xmalloc(SAMPLES_MAX * sizeof(*l.ms));
	l.refused_ms = xmalloc(SAMPLES_MAX * sizeof(*l.refused_ms));
	dial_all(&l, epoll, clients);
	l.start_us = clock_mono_us();
	l.start_cpu_us = cpu_us();
	l.until_us = l.start_us + (int64_t)(plan->seconds * 1e6);
	run(&l, epoll);
	result = result_of(&l);
	for (int i = 0; i < plan->connections; i++)
		close(clients[i].fd);
	close(epoll);
	free(l.ms), free(l.refused_ms), free(clients);
	return result;
}

struct http_result http_load(struct bench *b, const char *path, int connections, double seconds,
        int64_t most, body_fn body, void *arg)
{
	const struct http_plan plan = {.path = path,
	        .connections = connections,
	        .seconds = seconds,
	        .most = most,
	        .body = body,
	        .arg = arg};

	return http_run(b, &plan);
}

static bool ask_once(struct bench *b, int fd)
{
	char request[REQUEST_BYTES];
	struct client c = {.fd = fd};
	size_t n = make_request(b, "/healthz", NULL, 0, request);

	if (send(fd, request, n, MSG_NOSIGNAL) != (ssize_t)n)
		return false;
	while (!c.whole || c.got < c.whole) {
		ssize_t got = recv(fd, c.head + c.got, sizeof(c.head) - 1 - c.got, 0);

		if (got <= 0)
			return false;
		c.got += (size_t)got;
		c.head[c.got] = '\0';
		read_head(&c);
	}
	return c.ok;
}

int *http_idle_open(struct bench *b, int count)
{
	int *fds = xcalloc((size_t)count, sizeof(*fds));

	for (int i = 0; i < count; i++) {
		fds[i] = dial(b);
		if (!ask_once(b, fds[i]))
			die("connection %d of %d is not answered", i + 1, count);
	}
	return fds;
}

int http_idle_close(struct bench *b, int *fds, int count)
{
	int held = 0;

	for (int i = 0; i < count; i++) {
		held += ask_once(b, fds[i]);
		close(fds[i]);
	}
	free(fds);
	return held;
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

#include "producer/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "producer/auth.h"
#include "producer/open_files.h"
#include "producer/peers.h"
#include "producer/routes.h"
#include "producer/trace.h"

/* Request line and headers of one request; more is answered with 431. */
#define HEADER_BYTES_MAX (16 * 1024)
/* What MHD keeps of a connection, idle ones too, and clears after each request: the headers above,
 * their parsed form and those of the answer. Headers beyond that it answers with a 431 of its own.
 */
#define CONNECTION_BYTES (20 * 1024)
/* All bodies that are not handled yet: 12,000 connections of 1 MiB would be the end of us. */
#define BODIES_BYTES_MAX (64 * 1024 * 1024)
#define SWEEP_MS 200
#define TRIM_PEERS 200
#define BACKLOG 1024
#define SEND_OFF_MS 1000
/* Calls kept for the next requests, with buffers of at most this size each. */
#define SPARE_CALLS 256
#define SPARE_BYTES (16 * 1024)

struct http_server {
	struct ingress *in;
	struct MHD_Daemon *daemon;
	int epoll_fd;
	int listen_fd;
	struct loop_timer *timer; /* what MHD_get_timeout asks for */
	struct loop_timer *sweep; /* deadlines of what clients send */
	struct peers peers;
	int most_peers; /* since memory was given back */
	struct call *calls;
	int call_count, waiting;
	struct call *spare; /* ended ones, by next: requests allocate nothing */
	int spare_count;
	size_t bodies_bytes; /* held by calls */
	bool run_again;      /* a connection was resumed */
	bool logs;           /* every request is logged */
	bool stopping;       /* what handlers need is gone */
};

static void run_daemon(struct http_server *s)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	s->run_again = false;
	MHD_run(s->daemon);
	if (s->run_again || MHD_get_timeout(s->daemon, &wait_ms) != MHD_YES)
		return;
	loop_timer_arm(s->timer, wait_ms > 1000 ? 1000 : (int64_t)wait_ms);
}

static void on_epoll(void *arg, uint32_t events)
{
	run_daemon(arg);
}

static void on_timer(void *arg)
{
	run_daemon(arg);
}

/* After each turn: connections resumed by delivery reports and query results are served now. */
static void after_turn(void *arg)
{
	struct http_server *s = arg;

	while (s->run_again)
		run_daemon(s);
}

/* ---- calls ---- */

static struct call *call_new(struct http_server *s, struct MHD_Connection *connection)
{
	struct call *c = s->spare;

	if (c) {
		s->spare = c->next;
		s->spare_count--;
		*c = (struct call){.body = c->body, .scratch = c->scratch, .reply = c->reply};
	} else {
		c = xcalloc(1, sizeof(*c));
	}
	c->in = s->in;
	c->connection = connection;
	c->started_us = c->first_byte_us = clock_mono_us();
	c->receiving = true;
	c->next = s->calls;
	if (c->next)
		c->next->prev = c;
	s->calls = c;
	s->call_count++;
	return c;
}

/* Empties a buffer; a large one goes. */
static void spare_buffer(struct strbuf *sb)
{
	if (sb->alloc > SPARE_BYTES)
		strbuf_release(sb);
	else
		strbuf_reset(sb);
}

static void call_release(struct call *c)
{
	strbuf_release(&c->body);
	strbuf_release(&c->scratch);
	strbuf_release(&c->reply);
	free(c);
}

static void call_free(struct http_server *s, struct call *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		s->calls = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->call_count--;
	s->bodies_bytes -= c->body.len;
	if (c->free_state)
		c->free_state(c->state);
	free(c->line);
	free(c->user);
	if (s->spare_count < SPARE_CALLS) {
		spare_buffer(&c->body);
		spare_buffer(&c->scratch);
		spare_buffer(&c->reply);
		c->next = s->spare;
		s->spare = c;
		s->spare_count++;
		return;
	}
	call_release(c);
}

static void free_spare(struct http_server *s)
{
	while (s->spare) {
		struct call *c = s->spare;

		s->spare = c->next;
		call_release(c);
	}
}

void call_done(struct call *c)
{
	struct http_server *s = c->in->http;

	if (c->answered)
		BUG("call answered twice");
	c->answered = true;
	if (!c->suspended)
		return;
	c->suspended = false;
	s->waiting--;
	metric_set(METRIC_HTTP_IN_FLIGHT, s->waiting);
	MHD_resume_connection(c->connection);
	s->run_again = true;
}

void call_set_state(struct call *c, void *state, void (*free_state)(void *state))
{
	if (c->free_state)
		c->free_state(c->state);
	c->state = state;
	c->free_state = free_state;
}

const char *call_query(const struct call *c, const char *name)
{
	return MHD_lookup_connection_value(c->connection, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result send_answer(struct call *c)
{
	/* Sent from the call's buffer, which lives until on_completed. */
	struct MHD_Response *response = MHD_create_response_from_buffer(
	        c->reply.len, c->reply.buf, MHD_RESPMEM_PERSISTENT);
	char status[8], number[16];
	enum MHD_Result rc;

	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
	        c->plain ? "text/plain; charset=utf-8" : "application/json");
	if (c->retry_after_s) {
		snprintf(number, sizeof(number), "%d", c->retry_after_s);
		MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, number);
	}
	if (c->status == MHD_HTTP_METHOD_NOT_ALLOWED && c->allow)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, c->allow);
	if (c->status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
		        "Basic realm=\"obpipe\", charset=\"UTF-8\"");
	if (c->in->draining)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	rc = MHD_queue_response(c->connection, c->status, response);
	MHD_destroy_response(response);
	snprintf(status, sizeof(status), "%u", c->status);
	metric_add_label(METRIC_HTTP_REQUESTS, status, 1);
	metric_observe_us(METRIC_HTTP_SECONDS, clock_mono_us() - c->started_us);
	if (c->line)
		log_debug("request", "request", "s", c->line, "status", "i", (int64_t)c->status,
		        "us", "i", clock_mono_us() - c->started_us, "user", "s", c->user, "trace",
		        "s", c->trace_id);
	return rc;
}

static bool is_json(const struct call *c)
{
	const char *type = MHD_lookup_connection_value(
	        c->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);

	return type && !strncasecmp(type, "application/json", 16) &&
	       (type[16] == '\0' || type[16] == ';' || type[16] == ' ');
}

static void refuse_params(struct call *c)
{
	_cleanup_faults_ struct faults faults = FAULTS_INIT;

	for (int n = 0; n < route_param_count(c->route); n++) {
		_cleanup_free_ char *name = route_param_name(c->route, n);

		if (!c->params[n])
			fault_add(&faults, "COM10001", name, NULL,
			        "%s in the path must be from 1 to 2^53-1", name);
	}
	reply_faults(c, &faults);
}

static void refuse(struct call *c)
{
	switch (c->early_status) {
	case MHD_HTTP_BAD_REQUEST:
		refuse_params(c);
		break;
	case MHD_HTTP_METHOD_NOT_ALLOWED:
		reply_error(c, c->early_status, "COM10008", "this path takes %s only", c->allow);
		break;
	case MHD_HTTP_CONTENT_TOO_LARGE:
		reply_error(c, c->early_status, "COM10003",
		        "the body has more than %d bytes; send fewer hosts in one request",
		        BODY_BYTES_MAX);
		break;
	case MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE:
		reply_error(c, c->early_status, "COM10003",
		        "the headers have more than %d bytes; send fewer", HEADER_BYTES_MAX);
		break;
	case MHD_HTTP_SERVICE_UNAVAILABLE:
		metric_add_label(METRIC_REFUSED, "busy", 1);
		reply_unavailable(c, "too many large requests are under way; try again");
		break;
	case MHD_HTTP_UNSUPPORTED_MEDIA_TYPE:
		reply_error(c, c->early_status, "COM10003",
		        "the body must be JSON: send it with Content-Type: application/json");
		break;
	default:
		reply_error(c, c->early_status, "COM10002",
		        "there is nothing at this path; the README lists the routes");
	}
}

/* The body is whole: log on, then run the handler. */
static void process(struct call *c)
{
	struct http_server *s = c->in->http;

	c->receiving = false;
	if (s->stopping) {
		reply_unavailable(c, "the ingress is stopping; send the request again");
		return;
	}
	if (!c->early_status && c->too_large)
		c->early_status = MHD_HTTP_CONTENT_TOO_LARGE;
	if (!c->early_status && c->body.len && !is_json(c))
		c->early_status = MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
	if (c->early_status) {
		refuse(c);
		return;
	}
	if (c->route->open) {
		c->route->handler(c);
		return;
	}
	if (s->waiting >= c->in->settings.http_in_flight) {
		metric_add_label(METRIC_REFUSED, "busy", 1);
		reply_unavailable(c, "too many requests wait already; try again in a moment");
		return;
	}
	auth_check(c->in->auth, c, c->route->handler);
}

static int64_t content_length(struct MHD_Connection *connection)
{
	const char *text = MHD_lookup_connection_value(
	        connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return text ? strtoll(text, NULL, 10) : 0;
}

/* What the headers alone decide; 0: nothing. These are answered before the body: MHD closes the
 * connection behind them. */
static unsigned int judge_headers(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	        connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	if (info && info->header_size > HEADER_BYTES_MAX)
		return MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
	return content_length(connection) > BODY_BYTES_MAX ? MHD_HTTP_CONTENT_TOO_LARGE : 0;
}

static enum MHD_Result begin(struct http_server *s, struct MHD_Connection *connection,
        const char *method, const char *url, void **state)
{
	struct peer *peer = peer_of(connection);
	struct call *c;
	unsigned int status;

	if (peer->dead)
		return MHD_NO; /* its 408 is on the wire */
	*state = c = call_new(s, connection);
	c->first_byte_us = peer_request_begins(peer, c, c->started_us);
	if (s->logs)
		c->line = xasprintf("%s %s", method, url);
	trace_from_headers(c);
	route_find(c, method, url);
	status = judge_headers(connection);
	if (!status)
		return MHD_YES;
	c->early_status = status;
	refuse(c);
	return send_answer(c);
}

static void take_body(struct http_server *s, struct call *c, const char *data, size_t bytes)
{
	if (c->early_status)
		return;
	if (c->body.len + bytes > BODY_BYTES_MAX) {
		c->too_large = true;
	} else if (s->bodies_bytes + bytes > BODIES_BYTES_MAX) {
		c->early_status = MHD_HTTP_SERVICE_UNAVAILABLE;
	} else {
		strbuf_add(&c->body, data, bytes);
		s->bodies_bytes += bytes;
	}
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
        const char *method, const char *version, const char *upload, size_t *upload_bytes,
        void **state)
{
	struct http_server *s = arg;
	struct call *c = *state;

	if (!c)
		return begin(s, connection, method, url, state);
	if (peer_of(connection)->dead)
		return MHD_NO;
	if (*upload_bytes) {
		take_body(s, c, upload, *upload_bytes);
		*upload_bytes = 0;
		return MHD_YES;
	}
	if (!c->answered)
		process(c);
	if (c->answered)
		return send_answer(c);
	c->suspended = true;
	s->waiting++;
	metric_set(METRIC_HTTP_IN_FLIGHT, s->waiting);
	MHD_suspend_connection(connection);
	return MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
        enum MHD_RequestTerminationCode code)
{
	if (!*state)
		return;
	peer_request_ends(peer_of(connection));
	call_free(arg, *state);
	*state = NULL;
}

/*
 * MHD takes no answer in the middle of headers or a body: the 408 is written past it and the
 * connection shut down.
 */
static void on_late(void *arg, struct peer *peer)
{
	struct http_server *s = arg;
	struct call *c = peer->call ? peer->call : call_new(s, peer->connection);
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	ssize_t n;

	peer->dead = true;
	if (!peer->call)
		trace_draw(c);
	reply_error(c, MHD_HTTP_REQUEST_TIMEOUT, "COM10004",
	        "the request was not whole within %lld ms; send it again, faster",
	        (long long)s->in->settings.http_body_timeout_ms);
	strbuf_addf(&text,
	        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
	        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	        c->reply.len);
	strbuf_add(&text, c->reply.buf, c->reply.len);
	n = send(peer->fd, text.buf, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)n; /* a client that does not read gets the close */
	shutdown(peer->fd, SHUT_RDWR);
	metric_add_label(METRIC_HTTP_REQUESTS, "408", 1);
	c->receiving = false;
	if (!peer->call)
		call_free(s, c);
}

/* Connections that went leave their memory in malloc's lists: given back when half of them have. */
static void trim_memory(struct http_server *s)
{
	if (s->peers.count > s->most_peers)
		s->most_peers = s->peers.count;
	if (s->most_peers < TRIM_PEERS || s->peers.count > s->most_peers / 2)
		return;
	s->most_peers = s->peers.count;
	malloc_trim(0);
}

static void on_sweep(void *arg)
{
	struct http_server *s = arg;

	peers_sweep(&s->peers, clock_mono_us(), s->in->settings.http_body_timeout_ms * 1000,
	        on_late, s);
	metric_set(METRIC_HTTP_CONNECTIONS, s->peers.count);
	trim_memory(s);
	loop_timer_arm(s->sweep, SWEEP_MS);
}

/* ---- life ---- */

static int listen_on(const char *listen_text, char **ret_address, struct err *err)
{
	const struct addrinfo hints = {
	        .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	_cleanup_free_ char *host = xstrdup(listen_text);
	char *colon = strrchr(host, ':');
	struct addrinfo *address;
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);
	char port[8];
	int one = 1, fd, rc;

	*colon = '\0'; /* its form was checked with the settings */
	rc = getaddrinfo(*host ? host : NULL, colon + 1, &hints, &address);
	if (rc)
		return err_set(err, ERR_FATAL, "", "OBPIPE_HTTP_LISTEN=%s: %s", listen_text,
		        gai_strerror(rc));
	fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, address->ai_addr, address->ai_addrlen) < 0 ||
	        listen(fd, BACKLOG) < 0) {
		err_errno(err, ERR_FATAL, errno, "OBPIPE_HTTP_LISTEN=%s", listen_text);
		close(fd);
		fd = -1;
	}
	freeaddrinfo(address);
	if (fd < 0)
		return -1;
	getsockname(fd, (struct sockaddr *)&bound, &len);
	getnameinfo((struct sockaddr *)&bound, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV);
	*ret_address = xasprintf("%s:%s", *host ? host : "0.0.0.0", port);
	return fd;
}

static void mhd_log(void *arg, const char *fmt, va_list ap)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

	strbuf_vaddf(&line, fmt, ap);
	log_debug("http", "detail", "s", line.buf);
}

int http_server_start(struct ingress *in, char **ret_address, struct err *err)
{
	struct http_server *s = xcalloc(1, sizeof(*s));

	s->in = in;
	s->logs = !strcmp(in->settings.log_level, "debug");
	s->listen_fd = listen_on(in->settings.http_listen, ret_address, err);
	if (s->listen_fd < 0) {
		free(s);
		return -1;
	}
	s->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
	        0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, mhd_log, NULL,
	        MHD_OPTION_LISTEN_SOCKET, s->listen_fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
	        s, MHD_OPTION_NOTIFY_CONNECTION, peers_notify, &s->peers,
	        MHD_OPTION_CONNECTION_LIMIT,
	        (unsigned int)open_files_for((int)in->settings.http_connections),
	        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)in->settings.http_idle_timeout_s,
	        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_END);
	if (!s->daemon) {
		close(s->listen_fd);
		free(s);
		return err_set(err, ERR_FATAL, "", "the HTTP server did not start");
	}
	in->http = s;
	s->epoll_fd = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	s->timer = loop_timer_new(in->loop, on_timer, s);
	s->sweep = loop_timer_new(in->loop, on_sweep, s);
	loop_timer_arm(s->sweep, SWEEP_MS);
	loop_add(in->loop, s->epoll_fd, EPOLLIN, on_epoll, s);
	loop_set_after(in->loop, after_turn, s);
	return 0;
}

void http_server_quiesce(struct http_server *s)
{
	MHD_socket fd = MHD_quiesce_daemon(s->daemon);

	if (fd != MHD_INVALID_SOCKET)
		close(fd);
	s->listen_fd = -1;
}

int http_server_calls(const struct http_server *s)
{
	return s->call_count;
}

/* Calls nobody can answer any more, now that what they waited for is gone. */
static void answer_rest(struct http_server *s)
{
	for (struct call *c = s->calls; c; c = c->next)
		if (c->suspended)
			reply_unavailable(c, "the ingress is stopping; send the request again");
}

void http_server_free(struct http_server *s)
{
	int64_t until = clock_mono_ms() + SEND_OFF_MS;

	if (!s)
		return;
	s->stopping = true;
	answer_rest(s); /* MHD aborts when it is stopped with suspended connections */
	while (s->call_count > 0 && clock_mono_ms() < until)
		loop_turn(s->in->loop, 10);
	answer_rest(s);
	MHD_run(s->daemon);
	loop_del(s->in->loop, s->epoll_fd);
	loop_set_after(s->in->loop, NULL, NULL);
	loop_timer_free(s->timer);
	loop_timer_free(s->sweep);
	MHD_stop_daemon(s->daemon);
	free_spare(s);
	free(s);
}

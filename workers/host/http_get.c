#include "workers/host/http_get.h"

#include <curl/curl.h>
#include <pthread.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "workers/host/host_internal.h"

#define BODY_BYTES_MAX ((size_t)1 << 20)
#define TIMEOUT_MS INT64_C(10000)

/*
 * libcurl 7.88 calls connect() even on a socket that its user has connected
 * (CURL_SOCKOPT_ALREADY_CONNECTED) and gives up on EISCONN. So it connects to a listener of ours,
 * of which only this process knows and is let in, and what it says is passed on to the stream.
 */
struct transfer {
	int fd;       /* the stream to the host */
	int listener; /* closed once libcurl is in */
	int inner;    /* what libcurl connected to; -1: not yet */
	struct http_answer *answer;
	size_t body_max;
};

void http_answer_release(struct http_answer *a)
{
	free(a->content_type);
	a->content_type = NULL;
	strbuf_release(&a->body);
}

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static curl_socket_t give_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	const struct transfer *t = arg;
	struct sockaddr_un name;
	socklen_t bytes = sizeof(name);

	/* A name that the kernel drew is six bytes long, and fits where libcurl's address stood. */
	if (getsockname(t->listener, (struct sockaddr *)&name, &bytes) < 0 ||
	        bytes > sizeof(address->addr))
		return CURL_SOCKET_BAD;
	address->family = AF_UNIX;
	address->addrlen = bytes;
	memcpy(&address->addr, &name, bytes);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int open_listener(void)
{
	const struct sockaddr_un any = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && (bind(fd, (const struct sockaddr *)&any, sizeof(any.sun_family)) < 0 ||
	                       listen(fd, 1) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void let_in(struct transfer *t)
{
	struct ucred peer = {0};
	socklen_t bytes = sizeof(peer);
	int fd = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 && peer.pid == getpid())
		t->inner = fd;
	else
		close(fd);
}

/* Passes on what has come on one side. A GET and its answer are small or flow one way only, so that
 * waiting for the other side's room cannot lock up: libcurl reads as long as there is something. */
static void pass_on(int from, int to)
{
	char buf[16384];
	ssize_t n = recv(from, buf, sizeof(buf), MSG_DONTWAIT);

	if (n == 0)
		shutdown(to, SHUT_WR);
	for (ssize_t at = 0; at < n;) {
		ssize_t sent = send(to, buf + at, (size_t)(n - at), MSG_NOSIGNAL);

		if (sent < 0)
			return;
		at += sent;
	}
}

static void relay(struct transfer *t)
{
	if (t->inner < 0)
		let_in(t);
	if (t->inner < 0)
		return;
	pass_on(t->inner, t->fd);
	pass_on(t->fd, t->inner);
}

/* A number other than the one given ends the transfer. */
static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t bytes = size * count, room = t->body_max - t->answer->body.len;

	strbuf_add(&t->answer->body, data, bytes < room ? bytes : room);
	if (bytes <= room)
		return bytes;
	t->answer->body_cut = true;
	return 0;
}

static CURL *prepare(struct transfer *t, const char *url, int64_t timeout_ms)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return NULL;
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, give_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	return easy;
}

/* The multi interface, because the easy one cannot be told to stop within a slice. */
static int perform(struct transfer *t, CURLM *multi, const struct patience *p, const char *label,
        CURLcode *ret, struct err *err)
{
	int running = 1, left;

	for (;;) {
		CURLMsg *message;

		if (curl_multi_perform(multi, &running) != CURLM_OK)
			return err_set(err, ERR_RETRYABLE, "", "%s: libcurl failed", label);
		message = curl_multi_info_read(multi, &left);
		if (message) {
			*ret = message->data.result;
			return 0;
		}
		if (patience_check(p, label, "HTTP GET", err) < 0)
			return -1;
		relay(t);
		if (t->inner < 0) {
			curl_multi_poll(multi, NULL, 0, 1, NULL);
			continue;
		}
		struct curl_waitfd fds[] = {{.fd = t->fd, .events = CURL_WAIT_POLLIN},
		        {.fd = t->inner, .events = CURL_WAIT_POLLIN}};

		curl_multi_poll(multi, fds, 2, patience_slice_ms(p), NULL);
	}
}

static int conclude(CURL *easy, CURLcode code, const char *label, const char *url,
        struct http_answer *ret, struct err *err)
{
	const char *type = NULL;

	if (code != CURLE_OK && !ret->body_cut)
		return err_set(err, ERR_RETRYABLE, "",
		        "%s: no HTTP answer to GET %s: %s; check that the right program listens "
		        "there, and its log",
		        label, url, curl_easy_strerror(code));
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &ret->status);
	curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
	ret->content_type = type ? xstrdup(type) : NULL;
	return 0;
}

int http_get_fd(struct host *h, int fd, const char *label, int port, const char *path,
        size_t body_max, int64_t timeout_ms, struct http_answer *ret, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	_cleanup_free_ char *url = xasprintf("http://127.0.0.1:%d%s", port, path);
	struct transfer t = {fd, open_listener(), -1, ret, body_max ? body_max : BODY_BYTES_MAX};
	struct patience p;
	int64_t start = clock_mono_ms();
	CURLcode code = CURLE_OK;
	CURLM *multi;
	CURL *easy;
	int rc = -1;

	pthread_once(&once, init_curl);
	timeout_ms = timeout_ms ? timeout_ms : TIMEOUT_MS;
	*ret = (struct http_answer)HTTP_ANSWER_INIT;
	/* A little later than libcurl's own, whose message is better. */
	p = patience_new(h ? h->ctx : NULL, timeout_ms + 1000);
	multi = curl_multi_init();
	easy = prepare(&t, url, timeout_ms);
	if (!multi || !easy || t.listener < 0) {
		err_set(err, ERR_RETRYABLE, "", "%s: libcurl failed", label);
	} else {
		curl_multi_add_handle(multi, easy);
		rc = perform(&t, multi, &p, label, &code, err);
		if (rc == 0)
			rc = conclude(easy, code, label, url, ret, err);
		curl_multi_remove_handle(multi, easy);
	}
	curl_easy_cleanup(easy);
	curl_multi_cleanup(multi);
	if (t.inner >= 0)
		close(t.inner);
	if (t.listener >= 0)
		close(t.listener);
	close(t.fd);
	ret->elapsed_ms = clock_mono_ms() - start;
	return rc;
}

int http_get(struct host *h, int port, const char *path, size_t body_max, int64_t timeout_ms,
        struct http_answer *ret, struct err *err)
{
	int fd;

	*ret = (struct http_answer)HTTP_ANSWER_INIT;
	if (host_tunnel(h, port, &fd, err) < 0)
		return -1;
	return http_get_fd(h, fd, host_label(h), port, path, body_max, timeout_ms, ret, err);
}

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "workers/host/host_internal.h"

#define TUNNELS_MAX 8
#define BLOCK_BYTES 16384
#define OPEN_TIMEOUT_MS 15000
/* The handle's own thread may take packets of a tunnel off the socket when it runs a command. */
#define PUMP_SLICE_MS 5

/* One direction: what was read and is not written yet. */
struct direction {
	char buf[BLOCK_BYTES];
	size_t from, to;
	bool eof;  /* nothing more will be read */
	bool done; /* and the other side knows */
};

struct tunnel {
	struct stream *channel;
	int fd;                    /* our end of the pair, non-blocking */
	struct direction up, down; /* to the host, from it */
};

struct tunnels {
	struct session *session;
	pthread_t thread;
	int wake;             /* eventfd: there is something new to look at */
	pthread_mutex_t lock; /* the list; `stop` */
	struct tunnel *list[TUNNELS_MAX];
	int count;
	bool stop;
};

static void tunnel_free(struct tunnel *t)
{
	stream_close(t->channel);
	close(t->fd);
	free(t);
}

static bool pending(const struct direction *d)
{
	return d->from < d->to;
}

/* These return false when the tunnel is at its end. */

static bool pump_up(struct tunnel *t)
{
	struct direction *d = &t->up;

	for (;;) {
		if (pending(d)) {
			int n = stream_write(t->channel, d->buf + d->from, d->to - d->from);

			if (n < 0)
				return false;
			d->from += (size_t)n;
			if (pending(d))
				return true;
		}
		if (d->eof) {
			if (!d->done)
				stream_write_end(t->channel);
			d->done = true;
			return true;
		}
		ssize_t got = read(t->fd, d->buf, sizeof(d->buf));

		if (got < 0)
			return errno == EAGAIN || errno == EINTR;
		d->from = 0;
		d->to = (size_t)got;
		d->eof = got == 0;
	}
}

static bool pump_down(struct tunnel *t)
{
	struct direction *d = &t->down;

	for (;;) {
		if (pending(d)) {
			ssize_t n = send(t->fd, d->buf + d->from, d->to - d->from, MSG_NOSIGNAL);

			if (n < 0)
				return errno == EAGAIN || errno == EINTR;
			d->from += (size_t)n;
			continue;
		}
		if (d->eof) {
			if (!d->done)
				shutdown(t->fd, SHUT_WR);
			d->done = true;
			return true;
		}
		int got = stream_read(t->channel, d->buf, sizeof(d->buf), false);

		if (got == STREAM_LOST)
			return false;
		if (got == STREAM_NOTHING)
			return true;
		d->from = 0;
		d->to = got > 0 ? (size_t)got : 0;
		d->eof = got == STREAM_EOF;
	}
}

/* Our user closed its end: nobody reads any more. */
static bool abandoned(const struct tunnel *t)
{
	struct pollfd pfd = {.fd = t->fd};

	return poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLHUP | POLLERR)) && t->up.done;
}

static void pump_all(struct tunnels *all)
{
	for (int i = 0; i < all->count;) {
		struct tunnel *t = all->list[i];

		if (pump_up(t) && pump_down(t) && !(t->up.done && t->down.done) && !abandoned(t)) {
			i++;
			continue;
		}
		tunnel_free(t);
		all->list[i] = all->list[--all->count];
	}
}

static void wait_all(struct tunnels *all)
{
	struct pollfd pfds[TUNNELS_MAX + 2];
	uint64_t wakes;
	nfds_t n = 0;
	int slice = -1;

	pfds[n++] = (struct pollfd){.fd = all->wake, .events = POLLIN};
	pthread_mutex_lock(&all->session->lock);
	pfds[n++] = (struct pollfd){.fd = ssh_get_fd(all->session->ssh),
	        .events =
	                POLLIN |
	                (ssh_get_poll_flags(all->session->ssh) & SSH_WRITE_PENDING ? POLLOUT : 0)};
	pthread_mutex_unlock(&all->session->lock);
	pthread_mutex_lock(&all->lock);
	for (int i = 0; i < all->count; i++) {
		const struct tunnel *t = all->list[i];
		short events = 0;

		if (!t->up.eof && !pending(&t->up))
			events |= POLLIN;
		if (pending(&t->down))
			events |= POLLOUT;
		pfds[n++] = (struct pollfd){.fd = events ? t->fd : -1, .events = events};
		slice = PUMP_SLICE_MS;
	}
	pthread_mutex_unlock(&all->lock);
	/* Without tunnels the session's packets are not ours to wait for. */
	if (slice < 0)
		pfds[1].fd = -1;
	if (poll(pfds, n, slice) > 0 && pfds[0].revents)
		if (read(all->wake, &wakes, sizeof(wakes)) < 0)
			return;
}

static void *pump(void *arg)
{
	struct tunnels *all = arg;
	bool stop;

	do {
		wait_all(all);
		pthread_mutex_lock(&all->lock);
		pump_all(all);
		atomic_store(&all->session->pumped, all->count > 0);
		stop = all->stop;
		pthread_mutex_unlock(&all->lock);
	} while (!stop);
	return NULL;
}

static void wake(struct tunnels *all)
{
	uint64_t one = 1;

	while (write(all->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static int tunnels_start(struct host *h, struct err *err)
{
	struct tunnels *all = xcalloc(1, sizeof(*all));
	int rc;

	all->session = h->session;
	pthread_mutex_init(&all->lock, NULL);
	all->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = all->wake < 0 ? errno : pthread_create(&all->thread, NULL, pump, all);
	if (rc != 0) {
		if (all->wake >= 0)
			close(all->wake);
		pthread_mutex_destroy(&all->lock);
		free(all);
		return err_errno(
		        err, ERR_RETRYABLE, rc, "%s: no thread for a tunnel", h->session->label);
	}
	h->tunnels = all;
	return 0;
}

void tunnels_free(struct tunnels *all)
{
	if (!all)
		return;
	pthread_mutex_lock(&all->lock);
	all->stop = true;
	pthread_mutex_unlock(&all->lock);
	wake(all);
	pthread_join(all->thread, NULL);
	for (int i = 0; i < all->count; i++)
		tunnel_free(all->list[i]);
	atomic_store(&all->session->pumped, false);
	close(all->wake);
	pthread_mutex_destroy(&all->lock);
	free(all);
}

static int add(struct host *h, struct stream *c, int fd, struct err *err)
{
	struct tunnels *all = h->tunnels;
	struct tunnel *t;
	bool full;

	pthread_mutex_lock(&all->lock);
	full = all->count == TUNNELS_MAX;
	if (!full) {
		t = xcalloc(1, sizeof(*t));
		t->channel = c;
		t->fd = fd;
		all->list[all->count++] = t;
		atomic_store(&all->session->pumped, true);
	}
	pthread_mutex_unlock(&all->lock);
	if (full)
		return err_set(err, ERR_PERMANENT, "",
		        "%s: more than %d tunnels at a time; close those that are done",
		        h->session->label, TUNNELS_MAX);
	wake(all);
	return 0;
}

int host_tunnel(struct host *h, int port, int *ret_fd, struct err *err)
{
	struct patience p = patience_new(h->ctx, OPEN_TIMEOUT_MS);
	struct stream *c = NULL;
	int pair[2];

	if (guard_check(h, err) < 0)
		return -1;
	if (!h->tunnels && (tunnels_start(h, err) < 0 || !h->tunnels))
		return -1;
	if (stream_forward(h->session, port, &p, &c, err) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		stream_close(c);
		return err_errno(err, ERR_RETRYABLE, errno, "%s: no sockets for a tunnel",
		        h->session->label);
	}
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0 || add(h, c, pair[0], err) < 0) {
		stream_close(c);
		close(pair[0]);
		close(pair[1]);
		return -1;
	}
	*ret_fd = pair[1];
	return 0;
}

int host_wait_fd(struct host *h, int fd, short events, int64_t until_ms, struct err *err)
{
	struct patience p = {h ? h->ctx : NULL, until_ms};

	while (!patience_poll(&p, fd, events)) {
		if (patience_check(
		            &p, h ? h->session->label : "stream", "wait for an answer", err) < 0)
			return -1;
	}
	return 0;
}

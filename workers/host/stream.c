#include "workers/host/session.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"

#define OPEN_AGAIN_MS 2000
#define OPEN_PAUSE_MS 10

static void on_exit_status(ssh_session ssh, ssh_channel channel, int status, void *arg)
{
	struct stream *c = arg;

	c->exited = true;
	c->exit_code = status;
}

static void on_exit_signal(ssh_session ssh, ssh_channel channel, const char *name, int core,
        const char *message, const char *language, void *arg)
{
	struct stream *c = arg;

	c->exited = true;
	c->exit_code = -1;
	strncpy(c->signal, name && name[0] ? name : "?", sizeof(c->signal) - 1);
}

static struct stream *stream_new(struct session *s)
{
	struct stream *c = xcalloc(1, sizeof(*c));

	c->session = s;
	c->exit_code = -1;
	c->callbacks.userdata = c;
	c->callbacks.channel_exit_status_function = on_exit_status;
	c->callbacks.channel_exit_signal_function = on_exit_signal;
	ssh_callbacks_init(&c->callbacks);
	pthread_mutex_lock(&s->lock);
	c->ssh = ssh_channel_new(s->ssh);
	if (c->ssh)
		ssh_set_channel_callbacks(c->ssh, &c->callbacks);
	pthread_mutex_unlock(&s->lock);
	return c;
}

void stream_close(struct stream *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->session->lock);
	if (c->ssh) {
		ssh_remove_channel_callbacks(c->ssh, &c->callbacks);
		ssh_channel_free(c->ssh);
	}
	pthread_mutex_unlock(&c->session->lock);
	free(c);
}

/* One step of opening a channel: SSH_OK, SSH_AGAIN or SSH_ERROR. */
typedef int (*step_fn)(struct stream *c, const void *arg);

static int step_open(struct stream *c, const void *arg)
{
	return ssh_channel_open_session(c->ssh);
}

static int step_exec(struct stream *c, const void *line)
{
	return ssh_channel_request_exec(c->ssh, line);
}

static int step_forward(struct stream *c, const void *port)
{
	return ssh_channel_open_forward(c->ssh, "127.0.0.1", *(const int *)port, "127.0.0.1", 0);
}

/* 0, -1 with *err when patience is over, 1 when libssh failed. */
static int carry_out(struct stream *c, step_fn step, const void *arg, const struct patience *p,
        const char *doing, struct err *err)
{
	struct session *s = c->session;
	int rc;

	for (;;) {
		pthread_mutex_lock(&s->lock);
		rc = c->ssh ? step(c, arg) : SSH_ERROR;
		pthread_mutex_unlock(&s->lock);
		if (rc == SSH_OK)
			return 0;
		if (rc != SSH_AGAIN)
			return 1;
		if (patience_check(p, s->label, doing, err) < 0)
			return -1;
		session_wait(s, p);
	}
}

/*
 * sshd frees the place of a channel that was closed a moment later; with a small MaxSessions the
 * next one may come too early. False: it is not that, or it has been tried for long enough.
 */
static bool may_open_again(struct session *s, int64_t until_ms)
{
	bool connected;

	pthread_mutex_lock(&s->lock);
	connected = ssh_is_connected(s->ssh);
	pthread_mutex_unlock(&s->lock);
	if (!connected || clock_mono_ms() >= until_ms)
		return false;
	clock_sleep_ms(OPEN_PAUSE_MS);
	return true;
}

int stream_exec(struct session *s, const char *line, const struct patience *p, struct stream **ret,
        struct err *err)
{
	struct stream *c = stream_new(s);
	int64_t until_ms = clock_mono_ms() + OPEN_AGAIN_MS;
	int rc;

	while ((rc = carry_out(c, step_open, NULL, p, "open a channel", err)) > 0 &&
	        may_open_again(s, until_ms)) {
		stream_close(c);
		c = stream_new(s);
	}
	if (rc == 0)
		rc = carry_out(c, step_exec, line, p, "start a command", err);
	if (rc == 0) {
		*ret = c;
		return 0;
	}
	if (rc > 0)
		err_set(err, ERR_RETRYABLE, "CMP07002",
		        "%s: no command can be started: %s; its sshd must allow two channels a "
		        "connection (MaxSessions)",
		        s->label, session_reason(s));
	stream_close(c);
	return -1;
}

int stream_forward(
        struct session *s, int port, const struct patience *p, struct stream **ret, struct err *err)
{
	struct stream *c = stream_new(s);
	int rc = carry_out(c, step_forward, &port, p, "open a tunnel", err);

	if (rc == 0) {
		*ret = c;
		return 0;
	}
	if (rc > 0)
		err_set(err, ERR_RETRYABLE, "",
		        "%s: no connection to its port %d: %s; check that the program is up and "
		        "listens there (and that sshd has AllowTcpForwarding)",
		        s->label, port, session_reason(s));
	stream_close(c);
	return -1;
}

int stream_read(struct stream *c, void *buf, size_t bytes, bool from_stderr)
{
	int rc;

	pthread_mutex_lock(&c->session->lock);
	rc = ssh_channel_read_nonblocking(c->ssh, buf, (uint32_t)bytes, from_stderr);
	if (rc == 0 && ssh_channel_is_eof(c->ssh))
		rc = SSH_EOF;
	pthread_mutex_unlock(&c->session->lock);
	if (rc == SSH_EOF)
		return STREAM_EOF;
	if (rc == SSH_AGAIN)
		return STREAM_NOTHING;
	return rc < 0 ? STREAM_LOST : rc;
}

int stream_write(struct stream *c, const void *data, size_t bytes)
{
	int rc;

	pthread_mutex_lock(&c->session->lock);
	rc = ssh_channel_write(c->ssh, data, (uint32_t)bytes);
	pthread_mutex_unlock(&c->session->lock);
	if (rc == SSH_AGAIN)
		return 0;
	return rc < 0 ? STREAM_LOST : rc;
}

void stream_write_end(struct stream *c)
{
	pthread_mutex_lock(&c->session->lock);
	ssh_channel_send_eof(c->ssh);
	pthread_mutex_unlock(&c->session->lock);
}

bool stream_ended(struct stream *c)
{
	bool ended;

	pthread_mutex_lock(&c->session->lock);
	ssh_channel_poll(c->ssh, 0);
	ended = c->exited || ssh_channel_is_closed(c->ssh);
	pthread_mutex_unlock(&c->session->lock);
	return ended;
}

/*
 * session: one SSH session to one host: connect, host key, logon, channels. By libssh.
 *
 * A session has one user at a time (a host handle). libssh allows one thread at a time in a
 * session, and a handle with tunnels has a second one that pumps them: every call of libssh here is
 * made under the session's lock, and none of them blocks; waiting is done outside of it.
 */
#ifndef OBPIPE_WORKERS_HOST_SESSION_H
#define OBPIPE_WORKERS_HOST_SESSION_H

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "workers/host/patience.h"

/* Where a host is and how to log on: the inventory's row. */
struct target {
	int64_t host_id;
	char *address;
	int port;
	char *host_key; /* "ssh-ed25519 AAAA..." */
	char *user;
	char *key_file; /* private key, on this machine */
};
void target_release(struct target *t);
bool target_equal(const struct target *a, const struct target *b);

struct session {
	struct target target; /* owned */
	char *label;          /* "host 2 (10.77.0.2:22)" */
	ssh_session ssh;
	pthread_mutex_t lock;
	atomic_bool pumped;    /* a second thread takes packets too: waits are shorter */
	int64_t idle_since_ms; /* of the pool */
	struct session *next;  /* of the pool */
};

/*
 * Connects, verifies the host key, logs on. Takes over *target (also on failure). Connections that
 * the server drops before the logon (MaxStartups) are tried again with jitter while there is
 * patience. PERMANENT: wrong host key (CMP07002), logon refused (CMP07015), key file unusable
 * (CMP07016). RETRYABLE: the rest (CMP07002).
 */
int session_connect(struct target *target, const struct patience *p, struct session **ret,
        struct err *err) __attribute__((warn_unused_result));
/* Closes the connection at once. NULL is allowed. */
void session_free(struct session *s);

/* Waits until the socket has something for libssh, one slice of the patience at the most. Called
 * without the lock. */
void session_wait(struct session *s, const struct patience *p);
/* What libssh said last, for an error message; valid until this thread's next call. */
const char *session_reason(struct session *s);

/* ---- streams: channels of the session; the lock is taken inside ---- */

struct stream {
	struct session *session;
	ssh_channel ssh;
	struct ssh_channel_callbacks_struct callbacks;
	bool exited; /* the command's end was told: */
	int exit_code;
	char signal[16]; /* "" unless it was a signal */
};

enum { STREAM_NOTHING = 0, STREAM_EOF = -1, STREAM_LOST = -2 };

/* Starts a command line. -1: the session is of no use any more, or patience is over. */
int stream_exec(struct session *s, const char *line, const struct patience *p, struct stream **ret,
        struct err *err) __attribute__((warn_unused_result));
/* Opens a stream to 127.0.0.1:port as the host sees it. RETRYABLE when nobody listens there; the
 * session stays good. */
int stream_forward(struct session *s, int port, const struct patience *p, struct stream **ret,
        struct err *err) __attribute__((warn_unused_result));
void stream_close(struct stream *c);

/* Bytes read now (> 0), STREAM_NOTHING for now, STREAM_EOF, or STREAM_LOST. Never waits. */
int stream_read(struct stream *c, void *buf, size_t bytes, bool from_stderr);
/* Bytes taken (0: none for now), or STREAM_LOST. Never waits. */
int stream_write(struct stream *c, const void *data, size_t bytes);
/* Nothing more will be written. */
void stream_write_end(struct stream *c);
/* Its end was told, or it was closed. Reads what has come in by itself. */
bool stream_ended(struct stream *c);

#endif

/*
 * host_internal: what the files of workers/host share about a handle.
 */
#ifndef OBPIPE_WORKERS_HOST_HOST_INTERNAL_H
#define OBPIPE_WORKERS_HOST_HOST_INTERNAL_H

#include "workers/host/host.h"
#include "workers/host/session.h"

#define HOST_MARKER_BYTES 33

struct tunnels;

struct host {
	struct subtask_ctx *ctx;
	struct session *session;
	struct stream *guard;    /* the guard's process, for the life of the handle */
	struct strbuf guard_in;  /* what it said and nobody read yet */
	struct strbuf guard_err; /* its stderr: noise, and why it did not begin */
	char guard_marker[HOST_MARKER_BYTES];
	bool lost;       /* the guard or the session is gone: nothing may be done any more */
	char fenced[24]; /* claim of a newer attempt that was met there; "": none */
	struct tunnels *tunnels; /* NULL: none yet */
};

/* Something no output holds by chance. */
void host_marker(char ret[HOST_MARKER_BYTES]);
/* The command line that lets /bin/sh run the first `bytes` of its stdin, as root, in a clean
 * environment; it holds nothing that any login shell would take otherwise. claim 0: none in the
 * environment. malloc'd. */
char *host_shell_line(const struct session *s, int64_t claim, size_t bytes);

/* ---- guard.c ---- */

/* Enters on h->session. -1 also when the session is of no more use (RETRYABLE, CMP07002). */
int guard_enter(struct host *h, const struct patience *p, struct err *err)
        __attribute__((warn_unused_result));
/* Ends every process of the attempt and waits until they are gone. Nobody can cancel this. */
int guard_end(struct host *h, struct err *err) __attribute__((warn_unused_result));
/* The same, and releases the host. The session may be used again after 0. */
int guard_leave(struct host *h, struct err *err) __attribute__((warn_unused_result));
/* 0 while the guard holds the host for us; else sets h->lost and *err. */
int guard_check(struct host *h, struct err *err) __attribute__((warn_unused_result));
/* The session is lost: sets h->lost and *err (RETRYABLE). Returns -1. */
int host_lost(struct host *h, const char *what, struct err *err);
/* A newer attempt has been on the host: sets h->lost and *err (PERMANENT, CMP07004). */
int host_fenced(struct host *h, const char *highest, struct err *err);

/* ---- exchange.c: one command line on a channel of its own ---- */

/* One output: everything up to the marker's line is noise of a login file. */
struct sink {
	struct strbuf *keep; /* borrowed */
	size_t max;          /* bytes kept: the first */
	bool keep_last;      /* the last instead */
	size_t total;        /* bytes written by the command */
	bool begun, eof;
	struct strbuf head;   /* noise, and the marker's line until it is whole */
	struct strbuf status; /* what stood behind the marker; buf is never NULL once begun */
};

struct exchange {
	const char *what;
	struct strbuf input; /* the script, then what it shall read */
	size_t script_bytes; /* of input: what the shell evaluates */
	/* More input when all is sent: adds to the emptied input and returns 1; 0: that was all;
	 * -1: *err. NULL: there is no more. */
	int (*more)(void *arg, struct strbuf *input, struct err *err);
	void *more_arg;
	char marker[HOST_MARKER_BYTES];
	struct sink out, err;
	int exit_code;   /* -1: by a signal */
	char signal[16]; /* "" unless so */
	bool left_open;
	int64_t elapsed_ms;
};

/* Both outputs go to the caller's empty buffers, at most `max` bytes each: the first of stdout,
 * the last of stderr, where a command says what it died of. */
void exchange_init(
        struct exchange *x, const char *what, struct strbuf *out, struct strbuf *err, size_t max);
/* Adds the script: shell assignments made by quote.h, then the text; "marker" is set before them.
 * Its input is added to x->input afterwards. */
void exchange_add_script(struct exchange *x, const char *assignments, const char *text);
void exchange_release(struct exchange *x);
/*
 * Runs it to its end under the attempt's claim. When timeout_ms are over, or the attempt is to end,
 * it is ended through the guard. 0: it ended by itself, and x->err.status says whether it was
 * started ("start", or a word of run.sh and put.sh).
 */
int exchange_run(struct host *h, struct exchange *x, int64_t timeout_ms, struct err *err)
        __attribute__((warn_unused_result));

/* ---- tunnel.c ---- */

void tunnels_free(struct tunnels *t);

#endif

/*
 * host: what a subtask type does on its host. The only way there.
 *
 * host_open() gets an SSH session to the attempt's host and enters the guard with the attempt's
 * claim number, before anything is looked at. While the handle is open no other attempt acts on
 * that host; when a newer one comes it ends this one: its session, its tunnels and every process
 * that carries its claim number, also those behind setsid. From then on every call here fails.
 * host_close() ends what the attempt left running (but not daemons started by host_start_daemon),
 * and leaves the guard.
 *
 * Threads: a handle belongs to the thread that opened it; different handles in different threads
 * are independent. All functions block; all of them look at subtask_cancelled(ctx) and
 * ctx->deadline_ms at least every 100 ms.
 *
 * Errors name the host, the meaning of the command (`what`), what was found and what to do.
 *   RETRYABLE  the host cannot be reached, the session was lost, the guard is busy
 *   PERMANENT  wrong host key, no logon, a command that failed (host_run_ok), a file not there
 *   CANCELLED  subtask_cancelled() or the deadline; the remote process is confirmed gone
 *   UNKNOWN    it had to be ended (cancel, timeout), but the host did not confirm that it is gone:
 *              the session is dropped, and the next attempt's guard ends what may be left
 * After RETRYABLE and UNKNOWN from a call the handle may be dead: close it.
 * Codes: CMP07002 no connection, CMP07015 logon refused, CMP07016 credential unusable, CMP07005
 * host not in the inventory, CMP07004 host held by another attempt, CMP07024 output of a login file
 * in the way, CMP07036 command missing, CMP07037 user missing, TSK10012 timed out, TSK10014
 * cancelled.
 */
#ifndef OBPIPE_WORKERS_HOST_HOST_H
#define OBPIPE_WORKERS_HOST_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/strbuf.h"
#include "workers/subtask_type.h"

#define HOST_OUTPUT_MAX ((size_t)256 * 1024) /* bytes kept of stdout, and of stderr */
#define HOST_TIMEOUT_MS INT64_C(60000)       /* of a command that names none */
#define HOST_SCRIPT_MAX ((size_t)4 << 20)    /* bytes of a script, a command line, a small file */

struct host;

/*
 * Opens ctx->host_id for the attempt ctx->claim. err->kind PERMANENT with code CMP07004 when a
 * newer attempt has been on the host (this one is a leftover and must not act). The caller closes
 * it, on every path: `_cleanup_host_ struct host *h = NULL;` does.
 */
int host_open(struct subtask_ctx *ctx, struct host **ret, struct err *err)
        __attribute__((warn_unused_result));
/* NULL is allowed. Waits (bounded) until the guard says that nothing of the attempt runs. */
void host_close(struct host *h);

static inline void host_close_ptr(struct host **h)
{
	host_close(*h);
}
#define _cleanup_host_ __attribute__((cleanup(host_close_ptr)))

/* "host 2 (10.77.0.2:22)": for logs and errors. Lives as long as the handle. */
const char *host_label(const struct host *h);
/* Its address, as the inventory has it. */
const char *host_address(const struct host *h);
/* The context it was opened for. */
struct subtask_ctx *host_ctx(const struct host *h);

/* ---- commands ---- */

enum host_end {
	HOST_EXITED,      /* by itself: exit_code */
	HOST_SIGNALED,    /* by a signal: signal */
	HOST_NOT_STARTED, /* there is no such command, user or directory: reason */
};

/*
 * One command. No shell sees its arguments. It runs with a clean environment:
 * PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin, LC_ALL=C, HOME, USER, LOGNAME
 * of its user and the claim number. Arguments show up in the host's `ps`: no secrets there, use
 * input or host_script().
 */
struct host_command {
	const char *what; /* its meaning, as in "install the package"; for errors; required */
	const char *const *argv; /* NULL-ended; argv[0] is looked up in PATH unless it has a '/' */
	const char *user;        /* NULL: root; else a user of the host ("admin") */
	const char *dir;         /* working directory; NULL: "/" */
	const char *const *env;  /* NULL-ended "NAME=value", added to the clean one; NULL: none */
	const void *input;       /* its stdin; NULL: empty */
	size_t input_bytes;
	int64_t timeout_ms; /* 0: HOST_TIMEOUT_MS */
	/* Bytes kept, the first of stdout and the last of stderr; 0: HOST_OUTPUT_MAX; the rest is
	 * counted. */
	size_t output_max;
};

/* HOST_ARGV("rpm", "-q", name): for host_command.argv. */
#define HOST_ARGV(...)                                                                             \
	((const char *const[]){                                                                    \
	        __VA_ARGS__,                                                                       \
	        NULL,                                                                              \
	})

struct host_result {
	enum host_end end;
	int exit_code;          /* EXITED; else -1 */
	char signal[16];        /* SIGNALED: "KILL"; else "" */
	char reason[256];       /* NOT_STARTED: why, a sentence; else "" */
	struct strbuf out, err; /* raw: NUL and any bytes may stand in there; buf NULL when empty */
	size_t out_total, err_total; /* bytes it wrote; more than len when the output was cut */
	bool left_open;              /* it ended, but something it started still holds its output */
	int64_t elapsed_ms;          /* of the command */
};
#define HOST_RESULT_INIT                                                                           \
	{                                                                                          \
		0                                                                                  \
	}
void host_result_release(struct host_result *r);
#define _cleanup_host_result_ __attribute__((cleanup(host_result_release)))

static inline bool host_result_ok(const struct host_result *r)
{
	return r->end == HOST_EXITED && r->exit_code == 0;
}
static inline bool host_result_cut(const struct host_result *r)
{
	return r->out_total > r->out.len || r->err_total > r->err.len;
}

/*
 * Runs it and waits for its end. 0: it ended or could not be started, see *ret, whatever its exit
 * code. -1: not known or ended by us (timeout, cancel); what was written until then is in *ret all
 * the same. *ret is initialised here and released by the caller in either case.
 */
int host_run(struct host *h, const struct host_command *cmd, struct host_result *ret,
        struct err *err) __attribute__((warn_unused_result));
/* The same, and anything but exit code 0 is an error that tells exit code or signal and the last
 * lines of stderr. ret NULL: the output is not wanted. */
int host_run_ok(struct host *h, const struct host_command *cmd, struct host_result *ret,
        struct err *err) __attribute__((warn_unused_result));
/* Fills *err (PERMANENT) from a result that is not what was wanted. Returns -1. */
int host_result_err(const struct host *h, const struct host_command *cmd,
        const struct host_result *r, struct err *err);

/*
 * Runs a script of ours by /bin/sh with cmd->argv as $1, $2, ... (NULL: none): several looks in one
 * round trip. Neither the script nor its arguments show up in `ps`, so that a look for processes by
 * keyword does not find itself, and secrets may be given. stdin of the script is empty, cmd->input
 * is not allowed. `set -eu` is the script's own business. `script` is text of this program, never
 * data: what varies goes into the arguments.
 */
int host_script(struct host *h, const char *script, const struct host_command *cmd,
        struct host_result *ret, struct err *err) __attribute__((warn_unused_result));
/* host_script + host_run_ok. */
int host_script_ok(struct host *h, const char *script, const struct host_command *cmd,
        struct host_result *ret, struct err *err) __attribute__((warn_unused_result));

/*
 * Starts a process that is to survive the attempt: session of its own, stdin /dev/null, stdout and
 * stderr appended to `log_file` (NULL: /dev/null; made with cmd->user as owner), the clean
 * environment without the claim number, so that no guard ends it. Returns at once; that it was
 * started says nothing about its health. cmd->input, timeout_ms and output_max do not apply.
 * *ret_pid is the process itself (no double fork). HOST_NOT_STARTED is an error.
 */
int host_start_daemon(struct host *h, const struct host_command *cmd, const char *log_file,
        pid_t *ret_pid, struct err *err) __attribute__((warn_unused_result));

/* ---- output made readable ---- */

/* Appends at most `max` bytes of the data as one printable line of UTF-8: NUL, control bytes and
 * invalid UTF-8 become \xNN, newlines "\n" become " | " and trailing ones go; cut text ends in
 * "...".
 */
void host_add_printable(struct strbuf *sb, const void *data, size_t bytes, size_t max);
/* The first line of stdout without the newline, printable; "" when there is none. malloc'd. */
char *host_first_line(const struct host_result *r);

/* ---- files ---- */

struct host_file {
	const char *what;   /* meaning, as in "upload the package"; required */
	const char *path;   /* on the host, absolute; its directory must be there */
	mode_t mode;        /* permission bits; 0: 0644 */
	const char *owner;  /* user of the host, its own group; NULL: root */
	int64_t timeout_ms; /* 0: HOST_TIMEOUT_MS */
};

/*
 * Brings a local file to the host: streamed into a temporary file of the same directory, checked
 * by size and SHA-256, owner and mode set, fsync, renamed over. At no time does `path` hold half of
 * it, and no temporary file outlives the attempt (the guard removes it at the latest when the next
 * attempt enters). sha256: 64 hex digits that the file must have, NULL: whatever it has; a local
 * file that differs is PERMANENT and nothing is sent.
 */
int host_put_file(struct host *h, const struct host_file *file, const char *local_path,
        const char *sha256, struct err *err) __attribute__((warn_unused_result));
/* The same with content from memory. */
int host_write_file(struct host *h, const struct host_file *file, const void *data, size_t bytes,
        struct err *err) __attribute__((warn_unused_result));

enum host_file_state { HOST_FILE_ABSENT, HOST_FILE_READ };

/*
 * Reads a regular file of at most `max` bytes into *ret (added behind what is there). A larger
 * file, or something that is no regular file, is PERMANENT; none is not an error: *ret_state. The
 * path may be a symbolic link.
 */
int host_read_file(struct host *h, const char *what, const char *path, size_t max,
        enum host_file_state *ret_state, struct strbuf *ret, struct err *err)
        __attribute__((warn_unused_result));

/* ---- tunnel ---- */

/*
 * A stream to 127.0.0.1:port of the host, through the guarded session: *ret_fd is one end of a
 * local socket pair (blocking, close-on-exec), the caller's to close. When nobody listens there the
 * error is RETRYABLE. The stream ends (read returns 0, write fails with EPIPE) when the session
 * ends or the handle is closed; the fd stays the caller's. Most want mysql_client_open()
 * (mysql_client.h) or http_get() (http_get.h) instead. At most 8 at a time.
 */
int host_tunnel(struct host *h, int port, int *ret_fd, struct err *err)
        __attribute__((warn_unused_result));

/*
 * Waits until one of the `events` (poll.h) is there on fd, at most until `until_ms` (monotonic; 0:
 * no end). -1: CANCELLED when the attempt is to end, RETRYABLE when the time is over. For clients
 * on a tunnel.
 */
int host_wait_fd(struct host *h, int fd, short events, int64_t until_ms, struct err *err)
        __attribute__((warn_unused_result));

/* ---- of the process ---- */

/* Closes the idle sessions that wait for another use. At the end of the worker; any thread. */
void host_sessions_close(void);

#endif

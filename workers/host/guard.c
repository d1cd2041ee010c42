#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/mem.h"
#include "workers/host/host_internal.h"
#include "workers/host/host_scripts.h"
#include "workers/host/quote.h"

/* Ending what an older attempt left may take a while: 8 s until the guard gives up. */
#define ENTER_TIMEOUT_MS 60000
#define END_TIMEOUT_MS 15000
/* What a login file may print before the guard says its first word. */
#define NOISE_BYTES_MAX ((size_t)64 * 1024)

void host_marker(char ret[HOST_MARKER_BYTES])
{
	unsigned char random[(HOST_MARKER_BYTES - 1) / 2];
	static const char digits[] = "0123456789abcdef";

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		BUG("the kernel gives no random bytes");
	for (size_t i = 0; i < sizeof(random); i++) {
		ret[2 * i] = digits[random[i] >> 4];
		ret[2 * i + 1] = digits[random[i] & 15];
	}
	ret[HOST_MARKER_BYTES - 1] = '\0';
}

char *host_shell_line(const struct session *s, int64_t claim, size_t bytes)
{
	_cleanup_free_ char *variable = claim ? xasprintf(" OBPIPE_CLAIM=%" PRId64, claim)
	                                      : xstrdup("");

	return xasprintf(
	        "exec %senv -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:"
	        "/bin LC_ALL=C%s /bin/sh -c 'eval \"$(head -c %zu)\"'",
	        strcmp(s->target.user, "root") == 0 ? "" : "sudo -n ", variable, bytes);
}

int host_lost(struct host *h, const char *what, struct err *err)
{
	h->lost = true;
	return err_set(err, ERR_RETRYABLE, "CMP07002",
	        "%s: the SSH session ended while: %s (%s): the connection broke, the host went "
	        "down, or a newer attempt took over",
	        h->session->label, what, session_reason(h->session));
}

int host_fenced(struct host *h, const char *highest, struct err *err)
{
	h->lost = true;
	if (highest != h->fenced)
		snprintf(h->fenced, sizeof(h->fenced), "%s", highest);
	return err_set(err, ERR_PERMANENT, "CMP07004",
	        "%s: attempt %s has been on it, which is newer than this one (%" PRId64 "); this "
	        "one does nothing there. When no newer attempt exists (the database was restored "
	        "to an earlier time), raise the sequence of claim numbers above %s",
	        h->session->label, highest, h->ctx->claim, highest);
}

/* ---- the guard's words ---- */

/*
 * Reads what has come; -1 when its channel is at its end. Its stderr too: a login file that fills
 * it would stand still, and the guard behind it never begin.
 */
static int hear(struct host *h)
{
	char buf[4096];
	int n;

	while (h->guard_err.len <= NOISE_BYTES_MAX &&
	        (n = stream_read(h->guard, buf, sizeof(buf), true)) > 0)
		strbuf_add(&h->guard_err, buf, (size_t)n);
	while ((n = stream_read(h->guard, buf, sizeof(buf), false)) > 0)
		strbuf_add(&h->guard_in, buf, (size_t)n);
	return n == STREAM_NOTHING ? 0 : -1;
}

/* The next line behind the marker, or NULL when there is none yet; the caller frees it. Noise
 * before it stays only until the line is whole. */
static char *next_word(struct host *h)
{
	struct strbuf *in = &h->guard_in;
	char *at = in->len ? memmem(in->buf, in->len, h->guard_marker, strlen(h->guard_marker))
	                   : NULL;
	char *end, *word;

	if (!at)
		return NULL;
	at += strlen(h->guard_marker);
	end = memchr(at, '\n', (size_t)(in->buf + in->len - at));
	if (!end)
		return NULL;
	word = xstrndup(at, (size_t)(end - at));
	in->len = (size_t)(in->buf + in->len - (end + 1));
	memmove(in->buf, end + 1, in->len);
	in->buf[in->len] = '\0';
	return word;
}

/* What the guard or the shell before it wrote, stderr first, for a message. */
static char *last_words(struct host *h)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_adds(&text, "");
	host_add_printable(&text, h->guard_err.buf, h->guard_err.len, 300);
	host_add_printable(&text, h->guard_in.buf, h->guard_in.len, 300);
	return strbuf_detach(&text, NULL);
}

static int no_guard(struct host *h, struct err *err)
{
	_cleanup_free_ char *words = NULL;

	if (!stream_ended(h->guard) || h->guard->exit_code < 0)
		return host_lost(h, "enter the guard", err);
	words = last_words(h);
	h->lost = true;
	return err_set(err, ERR_PERMANENT, "CMP07024",
	        "%s: the login shell of user %s did not run the guard (exit code %d), it printed "
	        "\"%s\"; user %s must be able to run commands%s, and no login file may end the "
	        "shell",
	        h->session->label, h->session->target.user, h->guard->exit_code, words,
	        h->session->target.user,
	        strcmp(h->session->target.user, "root") == 0 ? "" : " by sudo without a password");
}

/* Waits for the guard's next word. */
static int listen_to(
        struct host *h, const char *doing, const struct patience *p, char **ret, struct err *err)
{
	for (;;) {
		int rc = hear(h);

		*ret = next_word(h);
		if (*ret)
			return 0;
		if (rc < 0)
			return no_guard(h, err);
		if (h->guard_in.len > NOISE_BYTES_MAX || h->guard_err.len > NOISE_BYTES_MAX)
			return err_set(err, ERR_PERMANENT, "CMP07024",
			        "%s: a login file of user %s prints without end; it must print "
			        "nothing when there is no terminal",
			        h->session->label, h->session->target.user);
		if (patience_check(p, h->session->label, doing, err) < 0)
			return -1;
		session_wait(h->session, p);
	}
}

static int tell(
        struct host *h, const char *data, size_t bytes, const struct patience *p, struct err *err)
{
	while (bytes > 0) {
		int n = stream_write(h->guard, data, bytes);

		if (n == STREAM_LOST)
			return host_lost(h, "talk to the guard", err);
		data += n;
		bytes -= (size_t)n;
		if (bytes == 0)
			break;
		if (patience_check(p, h->session->label, "talk to the guard", err) < 0)
			return -1;
		session_wait(h->session, p);
	}
	return 0;
}

/* ---- entering ---- */

static int refused(struct host *h, const char *word, struct err *err)
{
	const char *label = h->session->label, *rest = strchr(word + 1, ' ');

	rest = rest ? rest + 1 : "";
	if (strncmp(word, " refused ", 9) == 0)
		return host_fenced(h, rest, err);
	if (strcmp(word, " busy") == 0)
		return err_set(err, ERR_RETRYABLE, "CMP07004",
		        "%s: another attempt holds it and did not let go in time; it is tried "
		        "again. Look there at /var/lib/obpipe/holder when this stays so",
		        label);
	if (strncmp(word, " stuck ", 7) == 0)
		return err_set(err, ERR_RETRYABLE, "CMP07004",
		        "%s: processes of an earlier attempt cannot be ended (pids %s); look why "
		        "they do not take a KILL (disk or network file system that hangs?)",
		        label, rest);
	return err_set(err, ERR_PERMANENT, "", "%s: the guard cannot work there: %s", label, rest);
}

static void enter_script(struct host *h, struct strbuf *ret)
{
	strbuf_addf(ret, "marker=%s\nclaim=%" PRId64 "\nguard_sha256=%s\nguard_bytes=%zu\n",
	        h->guard_marker, h->ctx->claim, host_guard_sha256, strlen(host_guard_text));
	strbuf_adds(ret, host_enter_text);
}

static int converse(struct host *h, const struct patience *p, struct err *err)
{
	for (;;) {
		_cleanup_free_ char *word = NULL;

		if (listen_to(h, "enter the guard", p, &word, err) < 0)
			return -1;
		if (strcmp(word, " entered") == 0)
			return 0;
		if (strcmp(word, " send") != 0)
			return refused(h, word, err);
		if (tell(h, host_guard_text, strlen(host_guard_text), p, err) < 0)
			return -1;
	}
}

int guard_enter(struct host *h, const struct patience *p, struct err *err)
{
	_cleanup_strbuf_ struct strbuf script = STRBUF_INIT;
	_cleanup_free_ char *line = NULL;
	struct patience mine = patience_new(p->ctx, ENTER_TIMEOUT_MS);

	host_marker(h->guard_marker);
	enter_script(h, &script);
	line = host_shell_line(h->session, 0, script.len);
	if (stream_exec(h->session, line, p, &h->guard, err) < 0) {
		h->lost = true;
		return -1;
	}
	if (tell(h, script.buf, script.len, &mine, err) < 0 || converse(h, &mine, err) < 0) {
		h->lost = true;
		return -1;
	}
	return 0;
}

/* ---- leaving ---- */

/* The guard obeys even when the attempt is cancelled: this is how it is cancelled. */
static int order(struct host *h, const char *command, const char *answer, struct err *err)
{
	struct patience p = patience_new(NULL, END_TIMEOUT_MS);
	_cleanup_free_ char *word = NULL;

	if (tell(h, command, strlen(command), &p, err) < 0 ||
	        listen_to(h, "end what the attempt left", &p, &word, err) < 0) {
		h->lost = true;
		err->kind = ERR_UNKNOWN;
		return -1;
	}
	if (strcmp(word, answer) == 0)
		return 0;
	h->lost = true;
	return err_set(err, ERR_UNKNOWN, "CMP07004",
	        "%s: the guard could not end all processes of this attempt:%s", h->session->label,
	        word);
}

int guard_end(struct host *h, struct err *err)
{
	return order(h, "end\n", " ended", err);
}

int guard_leave(struct host *h, struct err *err)
{
	return order(h, "leave\n", " left", err);
}

int guard_check(struct host *h, struct err *err)
{
	if (h->fenced[0])
		return host_fenced(h, h->fenced, err);
	if (h->lost)
		return err_set(err, ERR_RETRYABLE, "CMP07002",
		        "%s: the session of this attempt has ended", h->session->label);
	if (hear(h) < 0)
		return host_lost(h, "the guard held the host", err);
	return 0;
}

#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "workers/host/host_internal.h"

#define BLOCK_BYTES 32768
#define NOISE_BYTES_MAX ((size_t)64 * 1024)
/* How long outputs may stay open behind the command's end: something that it left in the background
 * may hold them for ever. */
#define LEFT_OPEN_MS 1000

static void sink_init(struct sink *k, struct strbuf *keep, size_t max)
{
	*k = (struct sink){.keep = keep, .max = max};
}

/* Forgets all but the last bytes. */
static void sink_trim(struct sink *k)
{
	size_t surplus = k->keep->len > k->max ? k->keep->len - k->max : 0;

	if (surplus == 0)
		return;
	k->keep->len = k->max;
	memmove(k->keep->buf, k->keep->buf + surplus, k->max + 1);
}

static void sink_keep(struct sink *k, const char *data, size_t bytes)
{
	size_t room = k->total < k->max ? k->max - k->total : 0;

	k->total += bytes;
	if (k->keep_last)
		room = bytes;
	if (room > 0 && bytes > 0)
		strbuf_add(k->keep, data, bytes < room ? bytes : room);
	if (k->keep->len > 2 * k->max)
		sink_trim(k);
}

static void sink_take(struct sink *k, const char *marker, const char *data, size_t bytes)
{
	size_t marker_bytes = strlen(marker);
	const char *at, *end;

	if (k->begun) {
		sink_keep(k, data, bytes);
		return;
	}
	strbuf_add(&k->head, data, bytes);
	at = memmem(k->head.buf, k->head.len, marker, marker_bytes);
	if (!at)
		return;
	at += marker_bytes;
	end = memchr(at, '\n', k->head.len - (size_t)(at - k->head.buf));
	if (!end)
		return;
	k->begun = true;
	if (end > at && *at == ' ')
		at++;
	strbuf_add(&k->status, at, (size_t)(end - at));
	end++;
	sink_keep(k, end, k->head.len - (size_t)(end - k->head.buf));
}

static void sink_release(struct sink *k)
{
	strbuf_release(&k->head);
	strbuf_release(&k->status);
}

void exchange_init(
        struct exchange *x, const char *what, struct strbuf *out, struct strbuf *err, size_t max)
{
	*x = (struct exchange){.what = what, .exit_code = -1};
	host_marker(x->marker);
	sink_init(&x->out, out, max);
	sink_init(&x->err, err, max);
	x->err.keep_last = true;
}

void exchange_add_script(struct exchange *x, const char *assignments, const char *text)
{
	strbuf_addf(&x->input, "marker=%s\n%s", x->marker, assignments);
	strbuf_adds(&x->input, text);
	x->script_bytes = x->input.len;
}

void exchange_release(struct exchange *x)
{
	strbuf_release(&x->input);
	sink_release(&x->out);
	sink_release(&x->err);
}

/* ---- moving bytes ---- */

/* What is going on with one exchange. */
struct flow {
	struct host *h;
	struct exchange *x;
	struct stream *c;
	size_t sent; /* of x->input */
	bool sent_all;
	int64_t ended_ms; /* monotonic; 0: the command runs */
};

/* These return 1 when bytes moved, 0 when not, -1 with *err. */

static int move_output(struct flow *f, struct sink *k, bool from_stderr, struct err *err)
{
	char buf[BLOCK_BYTES];
	int moved = 0, n;

	while (!k->eof && (n = stream_read(f->c, buf, sizeof(buf), from_stderr)) != 0) {
		if (n == STREAM_LOST)
			return host_lost(f->h, f->x->what, err);
		if (n == STREAM_EOF) {
			k->eof = true;
			break;
		}
		sink_take(k, f->x->marker, buf, (size_t)n);
		if (!k->begun && k->head.len > NOISE_BYTES_MAX)
			return err_set(err, ERR_PERMANENT, "CMP07024",
			        "%s: a login file of user %s prints without end; it must print "
			        "nothing when there is no terminal",
			        f->h->session->label, f->h->session->target.user);
		moved = 1;
	}
	return moved;
}

static int move_input(struct flow *f, struct err *err)
{
	struct exchange *x = f->x;
	int n;

	if (f->sent_all)
		return 0;
	if (f->sent == x->input.len) {
		strbuf_reset(&x->input);
		f->sent = 0;
		n = x->more ? x->more(x->more_arg, &x->input, err) : 0;
		if (n < 0)
			return -1;
		if (n == 0) {
			f->sent_all = true;
			stream_write_end(f->c);
			return 1;
		}
	}
	n = stream_write(f->c, x->input.buf + f->sent,
	        x->input.len - f->sent < BLOCK_BYTES ? x->input.len - f->sent : BLOCK_BYTES);
	if (n == STREAM_LOST) {
		/* A command that has ended, or does not read its input, is no fault of the
		 * session: its end says what it was. */
		f->sent_all = true;
		return 0;
	}
	f->sent += (size_t)n;
	return n > 0;
}

static int move(struct flow *f, struct err *err)
{
	int in = move_input(f, err), out, errs;

	if (in < 0)
		return -1;
	out = move_output(f, &f->x->out, false, err);
	if (out < 0)
		return -1;
	errs = move_output(f, &f->x->err, true, err);
	if (errs < 0)
		return -1;
	return in || out || errs;
}

/* The command ended and its output is here, or will not come to an end. */
static bool finished(struct flow *f)
{
	int64_t now;

	if (!stream_ended(f->c))
		return false;
	if (f->x->out.eof && f->x->err.eof)
		return true;
	now = clock_mono_ms();
	if (f->ended_ms == 0)
		f->ended_ms = now;
	f->x->left_open = now - f->ended_ms >= LEFT_OPEN_MS;
	return f->x->left_open;
}

/* ---- ends ---- */

/* `why` (*err) ended it. Makes sure that nothing of it runs on; if that is not known, *err says so.
 */
static int break_off(struct flow *f, struct err *err)
{
	struct err end;

	if (f->h->lost)
		return -1;
	if (guard_end(f->h, &end) == 0)
		return -1;
	return err_set(err, ERR_UNKNOWN, err->code,
	        "%s; and it is not known whether its process has ended: %s", err->text, end.text);
}

static int no_marker(struct flow *f, struct err *err)
{
	struct strbuf noise = STRBUF_INIT;

	host_add_printable(&noise, f->x->err.head.buf, f->x->err.head.len, 300);
	err_set(err, ERR_PERMANENT, "CMP07024",
	        "%s: the login shell of user %s did not start it (%s): exit code %d, \"%s\"",
	        f->h->session->label, f->h->session->target.user, f->x->what, f->c->exit_code,
	        noise.buf ? noise.buf : "");
	strbuf_release(&noise);
	return -1;
}

static int conclude(struct flow *f, struct err *err)
{
	struct exchange *x = f->x;

	if (!f->c->exited)
		return host_lost(f->h, x->what, err);
	x->exit_code = f->c->exit_code;
	memcpy(x->signal, f->c->signal, sizeof(x->signal));
	if (!x->err.begun) {
		/* Ended by the guard of a newer attempt before its first word. */
		return guard_check(f->h, err) < 0 ? -1 : no_marker(f, err);
	}
	if (strncmp(x->err.status.buf, "fenced ", 7) == 0)
		return host_fenced(f->h, x->err.status.buf + 7, err);
	return 0;
}

static int carry_on(struct flow *f, const struct patience *p, struct err *err)
{
	for (;;) {
		int moved = move(f, err);

		if (moved < 0)
			return break_off(f, err);
		if (!moved && finished(f))
			return conclude(f, err);
		if (guard_check(f->h, err) < 0)
			return -1;
		if (patience_check(p, f->h->session->label, f->x->what, err) < 0)
			return break_off(f, err);
		if (!moved)
			session_wait(f->h->session, p);
	}
}

int exchange_run(struct host *h, struct exchange *x, int64_t timeout_ms, struct err *err)
{
	struct flow f = {.h = h, .x = x};
	struct patience p = patience_new(h->ctx, timeout_ms);
	_cleanup_free_ char *line = NULL;
	int64_t start = clock_mono_ms();
	int rc;

	if (guard_check(h, err) < 0 || patience_check(&p, h->session->label, x->what, err) < 0)
		return -1;
	line = host_shell_line(h->session, h->ctx->claim, x->script_bytes);
	if (stream_exec(h->session, line, &p, &f.c, err) < 0) {
		/* It may have been started all the same. */
		return break_off(&f, err);
	}
	rc = carry_on(&f, &p, err);
	sink_trim(&x->err);
	x->elapsed_ms = clock_mono_ms() - start;
	stream_close(f.c);
	return rc;
}

#include <stdarg.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "producer/call.h"

static void add_tail(struct call *c, unsigned int status)
{
	struct strbuf *sb = &c->reply;

	strbuf_adds(sb, "\"duration\":");
	strbuf_add_i64(sb, (clock_mono_us() - c->started_us) / 1000);
	strbuf_adds(sb, ",\"server\":");
	strbuf_add_json(sb, c->in->server, strlen(c->in->server));
	strbuf_adds(sb, ",\"status\":");
	strbuf_add_i64(sb, status);
	strbuf_adds(sb, status < 400 ? ",\"successful\":true" : ",\"successful\":false");
	strbuf_adds(sb, ",\"timestamp\":\"");
	clock_add_iso(sb, clock_unix_us());
	strbuf_adds(sb, "\",\"traceId\":\"");
	strbuf_adds(sb, c->trace_id);
	strbuf_adds(sb, "\"}");
}

void reply_begin(struct call *c)
{
	strbuf_reset(&c->reply);
	strbuf_adds(&c->reply, "{\"data\":");
}

void reply_end(struct call *c, unsigned int status)
{
	strbuf_addc(&c->reply, ',');
	add_tail(c, status);
	c->status = status;
	call_done(c);
}

void reply_empty(struct call *c)
{
	strbuf_reset(&c->reply);
	strbuf_addc(&c->reply, '{');
	add_tail(c, MHD_HTTP_OK);
	c->status = MHD_HTTP_OK;
	call_done(c);
}

void reply_raw(struct call *c, unsigned int status, bool plain)
{
	c->status = status;
	c->plain = plain;
	call_done(c);
}

static void add_error(struct call *c, unsigned int status, const char *code, const char *message,
        const struct faults *f)
{
	struct strbuf *sb = &c->reply;

	strbuf_reset(sb);
	strbuf_adds(sb, "{\"error\":{\"code\":\"");
	strbuf_adds(sb, code);
	strbuf_adds(sb, "\",\"message\":");
	strbuf_add_json(sb, message, strlen(message));
	strbuf_adds(sb, ",\"subErrors\":[");
	if (f && f->list.len)
		strbuf_add(sb, f->list.buf, f->list.len);
	strbuf_adds(sb, "]},");
	add_tail(c, status);
	c->status = status;
	call_done(c);
}

void reply_error(struct call *c, unsigned int status, const char *code, const char *fmt, ...)
{
	_cleanup_strbuf_ struct strbuf message = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&message, fmt, ap);
	va_end(ap);
	add_error(c, status, code, message.buf, NULL);
}

void reply_unavailable(struct call *c, const char *fmt, ...)
{
	_cleanup_strbuf_ struct strbuf message = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&message, fmt, ap);
	va_end(ap);
	c->retry_after_s = 1;
	add_error(c, MHD_HTTP_SERVICE_UNAVAILABLE, "COM10004", message.buf, NULL);
}

void reply_faults(struct call *c, const struct faults *f)
{
	_cleanup_free_ char *message =
	        f->count > 1 ? xasprintf("%s (and %d more, see subErrors)", f->first, f->count - 1)
	                     : xstrdup(f->first);

	add_error(c, f->status, f->code, message, f);
}

void reply_read_failed(struct call *c, const struct err *err)
{
	if (err->kind != ERR_PERMANENT) {
		reply_unavailable(c, "PostgreSQL did not answer; try again");
		return;
	}
	log_error("the database refused a question", "error", "e", err);
	reply_error(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "COM10005",
	        "the database refused the question; the log of the ingress says why");
}

#include "producer/faults.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"

void faults_release(struct faults *f)
{
	strbuf_release(&f->list);
}

/* How bad a status is; lower is worse. */
static int rank(unsigned int status)
{
	return status == 400 ? 1 : status == 404 ? 2 : status == 409 ? 3 : 4;
}

static void note_status(struct faults *f, const char *code, const char *message)
{
	unsigned int status = f->adding ? f->adding : 400;

	if (f->status && rank(f->status) <= rank(status))
		return;
	f->status = status;
	snprintf(f->code, sizeof(f->code), "%s", code);
	snprintf(f->first, sizeof(f->first), "%s", message);
}

static void add(struct faults *f, const char *code, const char *field, const json_t *rejected,
        const char *fmt, va_list ap)
{
	_cleanup_strbuf_ struct strbuf message = STRBUF_INIT;
	struct strbuf *sb = &f->list;

	strbuf_vaddf(&message, fmt, ap);
	note_status(f, code, message.buf);
	strbuf_adds(sb, f->count++ ? ",{\"field\":" : "{\"field\":");
	strbuf_add_json(sb, field, strlen(field));
	strbuf_adds(sb, ",\"rejectedValue\":");
	if (rejected)
		json_append(sb, rejected);
	else
		strbuf_adds(sb, "null");
	strbuf_adds(sb, ",\"message\":");
	strbuf_add_json(sb, message.buf, message.len);
	strbuf_addc(sb, '}');
}

void fault_add(struct faults *f, const char *code, const char *field, const json_t *rejected,
        const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(f, code, field, rejected, fmt, ap);
	va_end(ap);
}

void fault_add_text(struct faults *f, const char *code, const char *field, const char *rejected,
        const char *fmt, ...)
{
	json_t *value = json_string(rejected); /* NULL when it is not UTF-8 */
	va_list ap;

	va_start(ap, fmt);
	add(f, code, field, value, fmt, ap);
	va_end(ap);
	json_decref(value);
}

void fault_add_number(struct faults *f, const char *code, const char *field, int64_t rejected,
        const char *fmt, ...)
{
	json_t *value = json_integer(rejected);
	va_list ap;

	va_start(ap, fmt);
	add(f, code, field, value, fmt, ap);
	va_end(ap);
	json_decref(value);
}

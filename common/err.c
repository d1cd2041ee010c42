#include "common/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

/* Copies text, cutting a longer one between two UTF-8 characters and ending it in "...". */
static void text_set(struct err *err, const char *text, size_t len)
{
	if (len < ERR_TEXT_BYTES) {
		memcpy(err->text, text, len);
		err->text[len] = '\0';
		return;
	}
	size_t cut = ERR_TEXT_BYTES - sizeof("...");
	while (cut > 0 && ((unsigned char)text[cut] & 0xC0) == 0x80)
		cut--;
	memcpy(err->text, text, cut);
	memcpy(err->text + cut, "...", sizeof("..."));
}

/* Formats first and stores after, so that err's own text may be among the arguments. */
static void text_format(struct err *err, const char *fmt, va_list ap)
{
	/* One byte more than fits tells text_set() that something was cut. */
	char text[ERR_TEXT_BYTES + 1];
	int len = vsnprintf(text, sizeof(text), fmt, ap);
	if (len < 0)
		len = 0;
	text_set(err, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

int err_vset(struct err *err, enum err_kind kind, const char *code, const char *fmt, va_list ap)
{
	if (!err)
		return -1;
	char kept[ERR_CODE_BYTES] = "";
	if (code)
		memcpy(kept, code, strnlen(code, sizeof(kept) - 1));
	text_format(err, fmt, ap);
	memcpy(err->code, kept, sizeof(kept));
	err->kind = kind;
	return -1;
}

int err_set(struct err *err, enum err_kind kind, const char *code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	err_vset(err, kind, code, fmt, ap);
	va_end(ap);
	return -1;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	if (!err)
		return -1;
	struct err what;
	va_list ap;
	va_start(ap, fmt);
	text_format(&what, fmt, ap);
	va_end(ap);
	char text[2 * ERR_TEXT_BYTES + 2];
	int len = snprintf(text, sizeof(text), "%s: %s", what.text, err->text);
	text_set(err, text, (size_t)len);
	return -1;
}

int err_errno(struct err *err, enum err_kind kind, int errnum, const char *fmt, ...)
{
	if (!err)
		return -1;
	va_list ap;
	va_start(ap, fmt);
	err_vset(err, kind, "", fmt, ap);
	va_end(ap);
	char reason[128];
	char text[2 * ERR_TEXT_BYTES + 2];
	int len = snprintf(text, sizeof(text), "%s: %s", err->text,
	        strerror_r(errnum, reason, sizeof(reason)));
	text_set(err, text, (size_t)len);
	return -1;
}

void bug_at(const char *file, int line, const char *fmt, ...)
{
	struct err what;
	va_list ap;
	va_start(ap, fmt);
	text_format(&what, fmt, ap);
	va_end(ap);
	log_error("broken invariant; stopping", "what", "s", what.text, "file", "s", file, "line",
	        "i", (int64_t)line);
	abort();
}

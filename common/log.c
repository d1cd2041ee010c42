#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/strbuf.h"

/* A line this short reaches a pipe in one piece, whoever else writes to it. */
#define LINE_BYTES 4096
static const char tail[] = ",\"truncated\":true}\n";

static const char *const level_names[LOG_LEVEL_MAX] = {
        [LOG_ERROR] = "error",
        [LOG_WARN] = "warn",
        [LOG_NOTICE] = "notice",
        [LOG_INFO] = "info",
        [LOG_DEBUG] = "debug",
};

static const char *log_role = "obpipe";
static enum log_level log_threshold = LOG_INFO;

void log_init(const char *role, enum log_level level)
{
	log_role = role;
	log_threshold = level;
}

int log_level_parse(const char *name)
{
	for (int i = 0; i < LOG_LEVEL_MAX; i++) {
		if (strcmp(name, level_names[i]) == 0)
			return i;
	}
	return -1;
}

struct line {
	struct strbuf sb;
	bool cut; /* something did not fit */
};

static bool line_full(const struct line *line)
{
	return line->sb.len > LINE_BYTES - sizeof(tail);
}

/* Adds ,"name": and goes back to where it was when that no longer fits. */
static bool line_add_name(struct line *line, const char *name)
{
	size_t mark = line->sb.len;
	strbuf_addc(&line->sb, ',');
	strbuf_add_json(&line->sb, name, strlen(name));
	strbuf_addc(&line->sb, ':');
	/* Leaves room for null or the shortest text, a number included. */
	if (line->sb.len + 24 <= LINE_BYTES - sizeof(tail))
		return true;
	line->sb.len = mark;
	line->cut = true;
	return false;
}

/* Adds a text, as much of it as fits. */
static void line_add_text(struct line *line, const char *name, const char *text)
{
	if (!line_add_name(line, name))
		return;
	if (!text) {
		strbuf_adds(&line->sb, "null");
		return;
	}
	size_t mark = line->sb.len;
	size_t bytes = strnlen(text, LINE_BYTES);
	if (bytes == LINE_BYTES)
		line->cut = true;
	strbuf_add_json(&line->sb, text, bytes);
	while (line_full(line)) {
		line->cut = true;
		bytes = bytes * 7 / 8;
		while (bytes > 0 && ((unsigned char)text[bytes] & 0xC0) == 0x80)
			bytes--;
		line->sb.len = mark;
		strbuf_add_json(&line->sb, text, bytes);
	}
}

static void line_add_int(struct line *line, const char *name, int64_t value)
{
	if (line_add_name(line, name))
		strbuf_add_i64(&line->sb, value);
}

static void line_add_err(struct line *line, const char *name, const struct err *err)
{
	line_add_text(line, name, err ? err->text : NULL);
	if (err && err->code[0])
		line_add_text(line, "code", err->code);
}

static void line_write(struct line *line)
{
	if (line->cut)
		strbuf_adds(&line->sb, tail);
	else
		strbuf_add(&line->sb, "}\n", 2);
	/* A log that cannot be written must not stop the work: no second try, no error. */
	ssize_t written;
	do {
		written = write(STDERR_FILENO, line->sb.buf, line->sb.len);
	} while (written < 0 && errno == EINTR);
}

static void line_add_pairs(struct line *line, va_list ap)
{
	const char *name;
	while ((name = va_arg(ap, const char *))) {
		const char *type = va_arg(ap, const char *);
		switch (type[0]) {
		case 's':
			line_add_text(line, name, va_arg(ap, const char *));
			break;
		case 'i':
			line_add_int(line, name, va_arg(ap, int64_t));
			break;
		case 'e':
			line_add_err(line, name, va_arg(ap, const struct err *));
			break;
		default:
			BUG("log pair \"%s\" has no type \"%s\"", name, type);
		}
	}
}

void log_event(enum log_level level, const char *msg, ...)
{
	if (level > log_threshold)
		return;
	int saved_errno = errno;
	struct line line = {.sb = STRBUF_INIT};
	strbuf_grow(&line.sb, 512);
	strbuf_adds(&line.sb, "{\"ts\":\"");
	clock_add_utc_ms(&line.sb, clock_unix_us());
	strbuf_addc(&line.sb, '"');
	line_add_text(&line, "level", level_names[level]);
	line_add_text(&line, "role", log_role);
	line_add_text(&line, "msg", msg);
	va_list ap;
	va_start(ap, msg);
	line_add_pairs(&line, ap);
	va_end(ap);
	line_write(&line);
	strbuf_release(&line.sb);
	errno = saved_errno;
}

#include "common/strbuf.h"

#include <stdbool.h>
#include <stdio.h>

#include "common/err.h"
#include "common/mem.h"

#define STRBUF_FIRST_BYTES 64

void strbuf_grow(struct strbuf *sb, size_t extra)
{
	size_t need;
	if (__builtin_add_overflow(sb->len, extra, &need) || need >= SIZE_MAX / 2)
		BUG("buffer of %zu bytes asked to grow by %zu", sb->len, extra);
	need++;
	if (need <= sb->alloc)
		return;
	size_t alloc = sb->alloc < STRBUF_FIRST_BYTES ? STRBUF_FIRST_BYTES : sb->alloc * 2;
	if (alloc < need)
		alloc = need;
	bool fresh = !sb->buf;
	sb->buf = xrealloc(sb->buf, alloc);
	sb->alloc = alloc;
	if (fresh)
		sb->buf[0] = '\0';
}

void strbuf_release(struct strbuf *sb)
{
	free(sb->buf);
	*sb = (struct strbuf)STRBUF_INIT;
}

char *strbuf_detach(struct strbuf *sb, size_t *ret_len)
{
	strbuf_grow(sb, 0);
	char *buf = sb->buf;
	if (ret_len)
		*ret_len = sb->len;
	*sb = (struct strbuf)STRBUF_INIT;
	return buf;
}

void strbuf_add_i64(struct strbuf *sb, int64_t value)
{
	/* Two digits a division: numbers are most of what hot messages consist of. */
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
	                            "25262728293031323334353637383940414243444546474849"
	                            "50515253545556575859606162636465666768697071727374"
	                            "75767778798081828384858687888990919293949596979899";
	char text[24];
	size_t at = sizeof(text);
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	while (rest >= 100) {
		at -= 2;
		memcpy(text + at, pairs + 2 * (rest % 100), 2);
		rest /= 100;
	}
	if (rest >= 10) {
		at -= 2;
		memcpy(text + at, pairs + 2 * rest, 2);
	} else {
		text[--at] = (char)('0' + rest);
	}
	if (value < 0)
		text[--at] = '-';
	strbuf_add(sb, text + at, sizeof(text) - at);
}

void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	strbuf_grow(sb, 0);
	size_t room = sb->alloc - sb->len;
	int len = vsnprintf(sb->buf + sb->len, room, fmt, ap);
	if (len < 0)
		BUG("format \"%s\" cannot be printed", fmt);
	if ((size_t)len >= room) {
		strbuf_grow(sb, (size_t)len);
		vsnprintf(sb->buf + sb->len, (size_t)len + 1, fmt, again);
	}
	va_end(again);
	sb->len += (size_t)len;
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	strbuf_vaddf(sb, fmt, ap);
	va_end(ap);
}

/* Bytes of the UTF-8 character at text (lead byte >= 0x80), or 0 when it is none: overlong forms,
 * surrogates and numbers beyond U+10FFFF included. */
static size_t utf8_char(const unsigned char *text, size_t bytes)
{
	unsigned char lead = text[0];
	unsigned char low = 0x80, high = 0xBF; /* of the second byte */
	size_t len;
	if (lead >= 0xC2 && lead <= 0xDF) {
		len = 2;
	} else if ((lead & 0xF0) == 0xE0) {
		len = 3;
		if (lead == 0xE0)
			low = 0xA0;
		else if (lead == 0xED)
			high = 0x9F;
	} else if (lead >= 0xF0 && lead <= 0xF4) {
		len = 4;
		if (lead == 0xF0)
			low = 0x90;
		else if (lead == 0xF4)
			high = 0x8F;
	} else {
		return 0;
	}
	if (bytes < len || text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((text[i] & 0xC0) != 0x80)
			return 0;
	}
	return len;
}

static void add_escape(struct strbuf *sb, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* character, letter, ... */
	for (size_t i = 0; i < sizeof(names) - 1; i += 2) {
		if ((unsigned char)names[i] == c) {
			char escape[] = {'\\', names[i + 1]};
			strbuf_add(sb, escape, sizeof(escape));
			return;
		}
	}
	char escape[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
	strbuf_add(sb, escape, sizeof(escape));
}

void strbuf_add_json_bare(struct strbuf *sb, const char *text, size_t bytes)
{
	const unsigned char *in = (const unsigned char *)text;
	size_t done = 0; /* in[done..i) is waiting to be copied as it is */
	strbuf_grow(sb, bytes + 2);
	for (size_t i = 0; i < bytes;) {
		unsigned char c = in[i];
		if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
			i++;
			continue;
		}
		size_t len = c < 0x80 ? 0 : utf8_char(in + i, bytes - i);
		if (len) {
			i += len;
			continue;
		}
		strbuf_add(sb, in + done, i - done);
		if (c < 0x80)
			add_escape(sb, c);
		else
			strbuf_add(sb, "\xEF\xBF\xBD", 3);
		done = ++i;
	}
	strbuf_add(sb, in + done, bytes - done);
}

void strbuf_add_json(struct strbuf *sb, const char *text, size_t bytes)
{
	strbuf_addc(sb, '"');
	strbuf_add_json_bare(sb, text, bytes);
	strbuf_addc(sb, '"');
}

/*
 * strbuf: a growing byte buffer, always NUL-terminated behind its len bytes.
 * One owner, one thread at a time. `struct strbuf b = STRBUF_INIT;` then strbuf_release().
 */
#ifndef OBPIPE_COMMON_STRBUF_H
#define OBPIPE_COMMON_STRBUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct strbuf {
	char *buf;    /* never NULL after the first add; owned */
	size_t len;   /* bytes in use, without the NUL */
	size_t alloc; /* bytes allocated */
};

#define STRBUF_INIT                                                                                \
	{                                                                                          \
		0                                                                                  \
	}
#define _cleanup_strbuf_ __attribute__((cleanup(strbuf_release)))

/* Makes room for `extra` more bytes and the NUL. */
void strbuf_grow(struct strbuf *sb, size_t extra);
/* Frees the memory; the struct can be used again. */
void strbuf_release(struct strbuf *sb);
/* Hands the memory to the caller (who frees it) and empties the struct. Never NULL. */
char *strbuf_detach(struct strbuf *sb, size_t *ret_len);

static inline void strbuf_reset(struct strbuf *sb)
{
	sb->len = 0;
	if (sb->buf)
		sb->buf[0] = '\0';
}

static inline void strbuf_add(struct strbuf *sb, const void *data, size_t bytes)
{
	if (sb->alloc - sb->len <= bytes)
		strbuf_grow(sb, bytes);
	memcpy(sb->buf + sb->len, data, bytes);
	sb->len += bytes;
	sb->buf[sb->len] = '\0';
}

static inline void strbuf_adds(struct strbuf *sb, const char *text)
{
	strbuf_add(sb, text, strlen(text));
}

static inline void strbuf_addc(struct strbuf *sb, char c)
{
	strbuf_add(sb, &c, 1);
}

/* Decimal, without the cost of printf. */
void strbuf_add_i64(struct strbuf *sb, int64_t value);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap)
        __attribute__((format(printf, 2, 0)));
/* A JSON string with its quotes (RFC 8259 section 7). Bytes that are not UTF-8 become U+FFFD. */
void strbuf_add_json(struct strbuf *sb, const char *text, size_t bytes);
/* The same without the quotes. */
void strbuf_add_json_bare(struct strbuf *sb, const char *text, size_t bytes);

#endif

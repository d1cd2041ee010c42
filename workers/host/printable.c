#include "common/mem.h"
#include "workers/host/host.h"

/* Bytes of the UTF-8 sequence at `at`, 0 when it is none (RFC 3629: no surrogates, no overlong). */
static size_t utf8_bytes(const unsigned char *at, size_t left)
{
	size_t n = at[0] < 0x80   ? 1
	           : at[0] < 0xc2 ? 0
	           : at[0] < 0xe0 ? 2
	           : at[0] < 0xf0 ? 3
	           : at[0] < 0xf5 ? 4
	                          : 0;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	/* Control characters of the second kind, U+0080 to U+009F. */
	return n == 2 && at[0] == 0xc2 && at[1] < 0xa0 ? 0 : n;
}

static size_t without_newlines(const unsigned char *data, size_t bytes)
{
	while (bytes > 0 && (data[bytes - 1] == '\n' || data[bytes - 1] == '\r'))
		bytes--;
	return bytes;
}

void host_add_printable(struct strbuf *sb, const void *data, size_t bytes, size_t max)
{
	const unsigned char *at = data;
	size_t begin = sb->len, end = without_newlines(at, bytes);

	for (size_t i = 0; i < end;) {
		size_t n = utf8_bytes(at + i, end - i);

		if (sb->len - begin >= max) {
			strbuf_adds(sb, "...");
			return;
		}
		if (at[i] == '\n')
			strbuf_adds(sb, " | ");
		else if (at[i] == '\t')
			strbuf_addc(sb, ' ');
		else if (n == 0 || at[i] < ' ' || at[i] == 0x7f)
			strbuf_addf(sb, "\\x%02x", at[i]);
		else
			strbuf_add(sb, at + i, n);
		i += n ? n : 1;
	}
}

char *host_first_line(const struct host_result *r)
{
	struct strbuf line = STRBUF_INIT;
	const char *end = r->out.len ? memchr(r->out.buf, '\n', r->out.len) : NULL;

	host_add_printable(&line, r->out.buf, end ? (size_t)(end - r->out.buf) : r->out.len, 1024);
	return strbuf_detach(&line, NULL);
}

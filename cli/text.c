#include "cli/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define ELLIPSIS "\xe2\x80\xa6"

/* One character of the text: its bytes, and the columns it takes. */
struct glyph {
	const char *bytes; /* what is printed for it */
	size_t len;        /* of bytes */
	size_t taken;      /* of the text */
	size_t columns;
};

struct range {
	uint32_t first, last;
};

static bool is_in(uint32_t c, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

/* Combining marks, joiners and selectors print nothing of their own; East Asian letters and
 * pictures take two columns (Unicode annex 11, the large blocks). */
static size_t columns_of(uint32_t c)
{
	static const struct range none[] = {{0x300, 0x36f}, {0x200b, 0x200f}, {0x202a, 0x202e},
	        {0x2060, 0x2069}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}};
	static const struct range wide[] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3},
	        {0xf900, 0xfaff}, {0xfe30, 0xfe4f}, {0xff00, 0xff60}, {0xffe0, 0xffe6},
	        {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

	if (is_in(c, none, ARRAY_SIZE(none)))
		return 0;
	return is_in(c, wide, ARRAY_SIZE(wide)) ? 2 : 1;
}

/* Length of the UTF-8 sequence at `text` and its character; 0 when it is none. */
static size_t decode(const char *text, uint32_t *ret)
{
	const unsigned char *at = (const unsigned char *)text;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = *at < 0x80       ? 1
	             : *at >> 5 == 6  ? 2
	             : *at >> 4 == 14 ? 3
	             : *at >> 3 == 30 ? 4
	                              : 0;
	uint32_t c;

	if (len < 2) {
		*ret = *at;
		return len;
	}
	c = *at & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		if (at[i] >> 6 != 2)
			return 0;
		c = c << 6 | (at[i] & 0x3fU);
	}
	*ret = c;
	return c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : len;
}

static struct glyph next_glyph(const char *text)
{
	uint32_t c;
	size_t len = decode(text, &c);

	if (!len)
		return (struct glyph){REPLACEMENT, sizeof(REPLACEMENT) - 1, 1, 1};
	/* C0, DEL and C1 control characters; those that turn the writing direction. */
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
	        (c >= 0x2066 && c <= 0x2069))
		return (struct glyph){"?", 1, len, 1};
	return (struct glyph){text, len, len, columns_of(c)};
}

size_t text_columns(const char *text)
{
	size_t columns = 0;

	while (text && *text) {
		struct glyph g = next_glyph(text);

		columns += g.columns;
		text += g.taken;
	}
	return columns;
}

void text_add_fit(struct strbuf *sb, const char *text, size_t columns, bool pad)
{
	size_t total = text_columns(text), used = 0;
	size_t room = total > columns && columns ? columns - 1 : columns;

	while (text && *text) {
		struct glyph g = next_glyph(text);

		if (used + g.columns > room)
			break;
		strbuf_add(sb, g.bytes, g.len);
		used += g.columns;
		text += g.taken;
	}
	if (total > columns && columns) {
		strbuf_adds(sb, ELLIPSIS);
		used++;
	}
	for (; pad && used < columns; used++)
		strbuf_addc(sb, ' ');
}

void text_add_lines(struct strbuf *sb, const char *text)
{
	while (text && *text) {
		struct glyph g = next_glyph(text);

		if (*text == '\n' || *text == '\t')
			g.bytes = text;
		strbuf_add(sb, g.bytes, g.len);
		text += g.taken;
	}
}

/* Where a pattern of bytes ends that `text` begins with; NULL: it does not. '0' is any digit. */
static const char *skip_pattern(const char *text, const char *pattern)
{
	for (; *pattern; pattern++, text++)
		if (*pattern == '0' ? !isdigit((unsigned char)*text) : *pattern != *text)
			return NULL;
	return text;
}

/* Bytes of the ISO 8601 time with offset that `text` begins with; 0: it does not. Its fraction
 * begins at *ret_fraction and has *ret_digits. */
static size_t time_bytes(const char *text, size_t *ret_fraction, size_t *ret_digits)
{
	const char *at = skip_pattern(text, "0000-00-00T00:00:00"), *end;

	if (!at)
		return 0;
	*ret_fraction = (size_t)(at - text);
	*ret_digits = *at == '.' ? strspn(at + 1, "0123456789") : 0;
	if (*at == '.' && !*ret_digits)
		return 0;
	at += *ret_digits ? *ret_digits + 1 : 0;
	end = *at == 'Z' ? at + 1 : skip_pattern(at, *at == '-' ? "-00:00" : "+00:00");
	return end ? (size_t)(end - text) : 0;
}

/* Appends the time `text` begins with and returns its length; 0: there is none. */
static size_t add_time(struct strbuf *sb, const char *text)
{
	size_t fraction, digits, bytes = time_bytes(text, &fraction, &digits), offset;

	if (!bytes)
		return 0;
	offset = digits ? fraction + 1 + digits : fraction;
	strbuf_add(sb, text, fraction);
	strbuf_addc(sb, '.');
	strbuf_add(sb, text + fraction + 1, digits < 3 ? digits : 3);
	for (; digits < 3; digits++)
		strbuf_addc(sb, '0');
	strbuf_add(sb, text + offset, bytes - offset);
	return bytes;
}

void text_add_time(struct strbuf *sb, const char *iso)
{
	size_t fraction, digits;

	if (iso && time_bytes(iso, &fraction, &digits) == strlen(iso))
		add_time(sb, iso);
	else
		text_add_lines(sb, iso);
}

void text_add_log(struct strbuf *sb, const char *text)
{
	while (text && *text) {
		size_t bytes;

		text += add_time(sb, text);
		bytes = strcspn(text, "\n");
		bytes += text[bytes] == '\n';
		_cleanup_free_ char *line = xstrndup(text, bytes);

		text_add_lines(sb, line);
		text += bytes;
	}
}

void text_add_duration(struct strbuf *sb, int64_t us)
{
	int64_t s = us / 1000000;

	if (us < 0)
		us = s = 0;
	if (s < 10)
		strbuf_addf(sb, "%" PRId64 ".%02" PRId64 " s", s, us / 10000 % 100);
	else if (s < 60)
		strbuf_addf(sb, "%" PRId64 ".%" PRId64 " s", s, us / 100000 % 10);
	else if (s < 3600)
		strbuf_addf(sb, "%" PRId64 " m %02" PRId64 " s", s / 60, s % 60);
	else
		strbuf_addf(sb, "%" PRId64 " h %02" PRId64 " m", s / 3600, s / 60 % 60);
}

/* "+08:00" or "Z" as seconds; false when it is neither. */
static bool parse_offset(const char *text, int64_t *ret)
{
	int hours, minutes, end = 0;

	*ret = 0;
	if (!strcmp(text, "Z"))
		return true;
	if ((*text != '+' && *text != '-') ||
	        sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &end) != 2 || text[1 + end])
		return false;
	*ret = (hours * 60 + minutes) * (*text == '-' ? -60 : 60);
	return true;
}

int64_t text_parse_time(const char *iso)
{
	struct tm tm = {0};
	const char *at = iso ? strptime(iso, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t us = 0, unit = 100000, offset;

	if (!at)
		return -1;
	if (*at == '.') {
		for (at++; isdigit((unsigned char)*at); at++, unit /= 10)
			us += (*at - '0') * unit;
	}
	if (!parse_offset(at, &offset))
		return -1;
	return ((int64_t)timegm(&tm) - offset) * 1000000 + us;
}

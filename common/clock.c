#include "common/clock.h"

#include <stdbool.h>
#include <time.h>

#include "common/strbuf.h"

#define US_PER_S 1000000

static int64_t clock_us(clockid_t id)
{
	struct timespec now;
	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

void clock_sleep_us(int64_t us)
{
	struct timespec nap = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L};

	nanosleep(&nap, NULL);
}

int64_t clock_unix_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

/* `width` digits, zero padded. */
static char *put_digits(char *at, int64_t value, int width)
{
	for (int i = width - 1; i >= 0; i--) {
		at[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return at + width;
}

/* "2021-09-03T16:25:" */
static char *put_minute(char *at, const struct tm *tm)
{
	at = put_digits(at, tm->tm_year + 1900, 4);
	*at++ = '-';
	at = put_digits(at, tm->tm_mon + 1, 2);
	*at++ = '-';
	at = put_digits(at, tm->tm_mday, 2);
	*at++ = 'T';
	at = put_digits(at, tm->tm_hour, 2);
	*at++ = ':';
	at = put_digits(at, tm->tm_min, 2);
	*at++ = ':';
	return at;
}

#define MINUTE_BYTES 17
#define OFFSET_BYTES 6

/* The parts of a time text that stay the same for a minute; time zones move on full minutes. */
struct minute {
	bool valid;
	int64_t number; /* Unix time / 60 */
	char local[MINUTE_BYTES], utc[MINUTE_BYTES];
	char offset[OFFSET_BYTES]; /* "+08:00" */
};

static const struct minute *minute_of(int64_t unix_s)
{
	static _Thread_local struct minute cache;
	int64_t number = unix_s / 60;
	if (cache.valid && cache.number == number)
		return &cache;
	time_t start = (time_t)(number * 60);
	struct tm tm;
	gmtime_r(&start, &tm);
	put_minute(cache.utc, &tm);
	localtime_r(&start, &tm);
	put_minute(cache.local, &tm);
	long east = tm.tm_gmtoff / 60;
	long size = east < 0 ? -east : east;
	cache.offset[0] = east < 0 ? '-' : '+';
	put_digits(cache.offset + 1, size / 60, 2);
	cache.offset[3] = ':';
	put_digits(cache.offset + 4, size % 60, 2);
	cache.number = number;
	cache.valid = true;
	return &cache;
}

void clock_add_iso(struct strbuf *sb, int64_t unix_us)
{
	if (unix_us < 0)
		unix_us = 0; /* rows have no times before 1970 */
	const struct minute *minute = minute_of(unix_us / US_PER_S);
	char text[MINUTE_BYTES + 6 + OFFSET_BYTES];
	memcpy(text, minute->local, MINUTE_BYTES);
	char *at = put_digits(text + MINUTE_BYTES, unix_us / US_PER_S % 60, 2);
	int64_t ms = unix_us % US_PER_S / 1000;
	int width = 3;
	for (; width > 0 && ms % 10 == 0; width--)
		ms /= 10;
	if (width > 0) {
		*at++ = '.';
		at = put_digits(at, ms, width);
	}
	memcpy(at, minute->offset, OFFSET_BYTES);
	at += OFFSET_BYTES;
	strbuf_add(sb, text, (size_t)(at - text));
}

static void add_utc(struct strbuf *sb, int64_t unix_us, int64_t fraction, int width)
{
	const struct minute *minute = minute_of(unix_us / US_PER_S);
	char text[MINUTE_BYTES + 11];
	memcpy(text, minute->utc, MINUTE_BYTES);
	char *at = put_digits(text + MINUTE_BYTES, unix_us / US_PER_S % 60, 2);
	*at++ = '.';
	at = put_digits(at, fraction, width);
	*at++ = 'Z';
	strbuf_add(sb, text, (size_t)(at - text));
}

void clock_add_utc_ms(struct strbuf *sb, int64_t unix_us)
{
	if (unix_us < 0)
		unix_us = 0;
	add_utc(sb, unix_us, unix_us % US_PER_S / 1000, 3);
}

void clock_add_utc_us(struct strbuf *sb, int64_t unix_us)
{
	if (unix_us < 0)
		unix_us = 0;
	add_utc(sb, unix_us, unix_us % US_PER_S, 6);
}

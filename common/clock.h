/*
 * clock: time in milliseconds and microseconds, and its text form. Any thread.
 */
#ifndef OBPIPE_COMMON_CLOCK_H
#define OBPIPE_COMMON_CLOCK_H

#include <stdint.h>

struct strbuf;

/* CLOCK_MONOTONIC: for durations and deadlines, never compared between machines. */
int64_t clock_mono_us(void);
static inline int64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

/* Sleeps; shorter when a signal comes. */
void clock_sleep_us(int64_t us);
static inline void clock_sleep_ms(int64_t ms)
{
	clock_sleep_us(ms * 1000);
}

/* Unix time in microseconds: for people and rows, never for deciding who is dead. */
int64_t clock_unix_us(void);

/*
 * Appends `unix_us` as OCP prints times: local offset, fraction of up to three digits with trailing
 * zeros dropped ("2021-09-03T16:25:08.004+08:00", ocp-api.md 1.2). Offset from TZ.
 */
void clock_add_iso(struct strbuf *sb, int64_t unix_us);

/* Appends `unix_us` in UTC as RFC 3339: "2021-09-03T08:25:08.004Z" and "...08.004000Z". */
void clock_add_utc_ms(struct strbuf *sb, int64_t unix_us);
void clock_add_utc_us(struct strbuf *sb, int64_t unix_us);

#endif

/*
 * text: foreign text on a terminal: control characters and bytes that are not UTF-8 are replaced,
 * so that nothing a host or a user wrote can move the cursor, and columns are counted as a terminal
 * shows them. Pure.
 */
#ifndef OBPIPE_CLI_TEXT_H
#define OBPIPE_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/strbuf.h"

/* Columns the printable form of `text` takes; NULL is "". */
size_t text_columns(const char *text);
/* Appends the printable form, cut to `columns` (a cut one ends in "…"); with `pad`, filled up with
 * blanks to just that many. */
void text_add_fit(struct strbuf *sb, const char *text, size_t columns, bool pad);
/* Appends the whole printable form; newlines and tabs stay. */
void text_add_lines(struct strbuf *sb, const char *text);
/* Appends a duration for people: "0.04 s", "12.3 s", "3 m 05 s", "2 h 07 m". */
void text_add_duration(struct strbuf *sb, int64_t us);
/* Appends an ISO 8601 time as columns of times want it, with exactly three digits of fraction
 * ("2021-09-03T16:25:08.250+08:00"): the API drops zeros at the end, as OCP does. Any other text
 * stays as text_add_lines() has it; NULL is "". */
void text_add_time(struct strbuf *sb, const char *iso);
/* As text_add_lines(), with the time at the beginning of each line as text_add_time() has it. */
void text_add_log(struct strbuf *sb, const char *text);
/* Unix microseconds of an ISO 8601 time with offset ("2021-09-03T16:25:08.004+08:00"), -1 when the
 * text is none; NULL is none. */
int64_t text_parse_time(const char *iso);

#endif

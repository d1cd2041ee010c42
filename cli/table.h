/*
 * table: rows for people, columns as wide as what stands in them. One thread.
 *   struct table *t = table_new((const char *const[]){"ID>", "NAME", NULL});
 *   table_addf(t, "%d", 7); table_add(t, "seven"); table_print(t, stdout); table_free(t);
 */
#ifndef OBPIPE_CLI_TABLE_H
#define OBPIPE_CLI_TABLE_H

#include <stdio.h>

struct table;

/* Headings, NULL-ended; one that ends in '>' is of a column of numbers (to the right). Never NULL.
 */
struct table *table_new(const char *const *headings);
void table_free(struct table *t);
/* Fills the next cell, from left to right; NULL is "". The text is copied. */
void table_add(struct table *t, const char *text);
void table_addf(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Headings and rows; headings alone when there is no row. */
void table_print(const struct table *t, FILE *out);

#endif

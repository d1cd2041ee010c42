#include "cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"
#include "common/mem.h"

#define GAP 2

struct table {
	size_t columns, count; /* count: cells, headings included */
	size_t alloc;
	char **cells;
	bool *to_right;
};

static void add_owned(struct table *t, char *text)
{
	if (t->count == t->alloc) {
		t->alloc = t->alloc ? t->alloc * 2 : 64;
		t->cells = xrealloc(t->cells, t->alloc * sizeof(*t->cells));
	}
	t->cells[t->count++] = text;
}

struct table *table_new(const char *const *headings)
{
	struct table *t = xcalloc(1, sizeof(*t));

	while (headings[t->columns])
		t->columns++;
	t->to_right = xcalloc(t->columns + 1, sizeof(*t->to_right));
	for (size_t i = 0; i < t->columns; i++) {
		size_t len = strcspn(headings[i], ">");

		t->to_right[i] = headings[i][len] == '>';
		add_owned(t, xstrndup(headings[i], len));
	}
	return t;
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t->to_right);
	free(t);
}

void table_add(struct table *t, const char *text)
{
	add_owned(t, xstrdup(text ? text : ""));
}

void table_addf(struct table *t, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	add_owned(t, strbuf_detach(&text, NULL));
}

static void add_blanks(struct strbuf *sb, size_t count)
{
	while (count--)
		strbuf_addc(sb, ' ');
}

static void add_cell(const struct table *t, struct strbuf *line, size_t cell, size_t width)
{
	size_t column = cell % t->columns;

	if (t->to_right[column]) {
		add_blanks(line, width - text_columns(t->cells[cell]));
		text_add_fit(line, t->cells[cell], width, false);
	} else {
		text_add_fit(line, t->cells[cell], width, true);
	}
	add_blanks(line, GAP);
}

void table_print(const struct table *t, FILE *out)
{
	size_t *widths = xcalloc(t->columns + 1, sizeof(*widths));
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

	for (size_t i = 0; i < t->count; i++) {
		size_t width = text_columns(t->cells[i]);

		if (width > widths[i % t->columns])
			widths[i % t->columns] = width;
	}
	for (size_t row = 0; row + t->columns <= t->count; row += t->columns) {
		strbuf_reset(&line);
		for (size_t i = 0; i < t->columns; i++)
			add_cell(t, &line, row + i, widths[i]);
		while (line.len && line.buf[line.len - 1] == ' ')
			line.buf[--line.len] = '\0';
		fprintf(out, "%s\n", line.buf);
	}
	free(widths);
}

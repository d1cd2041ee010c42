#include "cli/screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/text.h"
#include "common/mem.h"

/* A terminal that does not tell its size. */
#define COLUMNS 80
#define ROWS 24

void screen_begin(struct screen *s)
{
	struct winsize size = {0};
	const char *no_color = getenv("NO_COLOR");

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	s->columns = size.ws_col ? size.ws_col : COLUMNS;
	s->rows = size.ws_row ? size.ws_row : ROWS;
	s->color = !no_color || !*no_color;
	s->lines = 0;
	strbuf_reset(&s->frame);
	/* A terminal that became lower has lost the upper lines to its history. */
	if (s->drawn >= s->rows)
		s->drawn = s->rows - 1;
	if (s->drawn)
		strbuf_addf(&s->frame, "\033[%zuA", s->drawn);
	strbuf_addc(&s->frame, '\r');
}

void screen_line(struct screen *s)
{
	strbuf_adds(&s->frame, "\033[K\r\n");
	s->lines++;
}

void screen_end(struct screen *s)
{
	strbuf_adds(&s->frame, "\033[J"); /* the last frame may have been longer */
	fwrite(s->frame.buf, 1, s->frame.len, stdout);
	fflush(stdout);
	s->drawn = s->lines;
}

void screen_release(struct screen *s)
{
	strbuf_release(&s->frame);
	s->drawn = 0;
}

void screen_add_state(struct screen *s, const char *state, size_t columns)
{
	static const struct {
		const char *state, *on;
	} colors[] = {{"SUCCESSFUL", "\033[32m"}, {"FAILED", "\033[31m"}, {"RUNNING", "\033[33m"},
	        {"CANCELING", "\033[35m"}, {"PENDING", "\033[2m"}};
	const char *on = NULL;

	for (size_t i = 0; s->color && i < ARRAY_SIZE(colors); i++)
		if (!strcmp(state, colors[i].state))
			on = colors[i].on;
	strbuf_adds(&s->frame, on ? on : "");
	text_add_fit(&s->frame, state, columns, true);
	strbuf_adds(&s->frame, on ? "\033[0m" : "");
}

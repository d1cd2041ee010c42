/*
 * screen: a block of lines on a terminal that is drawn over and over in place: the cursor goes back
 * to its first line, each line is written over the old one, in one write. One thread.
 */
#ifndef OBPIPE_CLI_SCREEN_H
#define OBPIPE_CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/strbuf.h"

struct screen {
	size_t columns, rows; /* of the terminal; may change from frame to frame */
	bool color;           /* NO_COLOR is not set */
	size_t drawn;         /* lines of the last frame */
	struct strbuf frame;
	size_t lines;
};

/* Reads the terminal's size and begins a frame. */
void screen_begin(struct screen *s);
/* Ends the line that was written into s->frame. It may not be wider than `columns`. */
void screen_line(struct screen *s);
/* Shows the frame. */
void screen_end(struct screen *s);
/* What is printed next stands below the frame, which stays. */
void screen_release(struct screen *s);
/* Adds a state's name in its colour, `columns` wide. */
void screen_add_state(struct screen *s, const char *state, size_t columns);

#endif

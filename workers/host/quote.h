/*
 * quote: data as words of a POSIX shell. Pure; any thread.
 */
#ifndef OBPIPE_WORKERS_HOST_QUOTE_H
#define OBPIPE_WORKERS_HOST_QUOTE_H

#include "common/strbuf.h"

/* Appends one word in single quotes; whatever bytes stand in `text`, the shell sees just these. */
void quote_add(struct strbuf *sb, const char *text);
/* Appends NAME='value' and a newline. NAME is a name of ours. */
void quote_assign(struct strbuf *sb, const char *name, const char *value);
/* Appends "set -- 'a' 'b' ..." and a newline; argv NULL is none. */
void quote_set(struct strbuf *sb, const char *const *argv);

#endif

/*
 * text_pool: strings that live and die together, many of them the same. One owner, one thread at a
 * time.
 */
#ifndef OBPIPE_PRODUCER_TEXT_POOL_H
#define OBPIPE_PRODUCER_TEXT_POOL_H

#include <stddef.h>

struct text_chunk;
struct text_known;

struct text_pool {
	struct text_chunk *chunks; /* newest first */
	struct text_known *known;
};

/* A copy that lives as long as the pool; NULL for NULL. */
const char *text_pool_add(struct text_pool *pool, const char *text);
/* The same; equal texts share one copy. For words of which there are few. */
const char *text_pool_share(struct text_pool *pool, const char *text);
void text_pool_release(struct text_pool *pool);

#endif

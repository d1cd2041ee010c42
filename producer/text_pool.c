#include "producer/text_pool.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/mem.h"

#define CHUNK_BYTES 65536

struct text_chunk {
	struct text_chunk *next;
	size_t used, bytes;
	char data[];
};

struct text_known {
	const char *text;
	UT_hash_handle hh;
};

const char *text_pool_add(struct text_pool *pool, const char *text)
{
	size_t bytes = text ? strlen(text) + 1 : 0;
	struct text_chunk *chunk = pool->chunks;
	char *copy;

	if (!text)
		return NULL;
	if (!chunk || chunk->bytes - chunk->used < bytes) {
		size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;

		chunk = xmalloc(sizeof(*chunk) + room);
		*chunk = (struct text_chunk){.next = pool->chunks, .bytes = room};
		pool->chunks = chunk;
	}
	copy = chunk->data + chunk->used;
	memcpy(copy, text, bytes);
	chunk->used += bytes;
	return copy;
}

const char *text_pool_share(struct text_pool *pool, const char *text)
{
	struct text_known *known;

	if (!text)
		return NULL;
	HASH_FIND_STR(pool->known, text, known);
	if (!known) {
		known = xcalloc(1, sizeof(*known));
		known->text = text_pool_add(pool, text);
		HASH_ADD_KEYPTR(hh, pool->known, known->text, strlen(known->text), known);
	}
	return known->text;
}

void text_pool_release(struct text_pool *pool)
{
	struct text_known *known, *tmp;

	HASH_ITER(hh, pool->known, known, tmp)
	{
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): uthash unlinks before it frees */
		HASH_DEL(pool->known, known);
		free(known);
	}
	for (struct text_chunk *chunk = pool->chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	*pool = (struct text_pool){0};
}

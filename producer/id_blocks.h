/*
 * id_blocks: ids reserved ahead in PostgreSQL, so that accepting a request needs no round trip. The
 * next block is fetched when half of one is used. A lost block leaves a gap in the ids, no more.
 */
#ifndef OBPIPE_PRODUCER_ID_BLOCKS_H
#define OBPIPE_PRODUCER_ID_BLOCKS_H

#include <stdbool.h>

#include "producer/ingress.h"

enum id_kind { ID_TASK, ID_SUBTASK, ID_OBPROXY, ID_KIND_MAX };

struct id_blocks;

struct id_blocks *id_blocks_new(struct ingress *in);
void id_blocks_free(struct id_blocks *ids);
/* True when `count` of a kind in a row can be drawn now; otherwise a block that holds as many is
 * asked for. */
bool id_blocks_have(struct id_blocks *ids, enum id_kind kind, int64_t count);
/* Draws `count` in a row and returns the first; only after id_blocks_have(). */
int64_t id_blocks_draw(struct id_blocks *ids, enum id_kind kind, int64_t count);

#endif

#include "producer/id_blocks.h"

#include <stdlib.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

#define LOOK_MS 50
/* Subtasks a task, as the blocks count them; a template with more nodes draws more blocks. */
#define NODES_A_TASK 16
struct block {
	struct id_blocks *owner;
	const char *name;
	int64_t size;
	int64_t next, end;        /* in use */
	int64_t spare, spare_end; /* fetched ahead; spare_end 0: none */
	bool fetching;
	int64_t coming, coming_size;
};

struct id_blocks {
	struct ingress *in;
	struct loop_timer *timer;
	struct block blocks[ID_KIND_MAX];
};

static void on_result(void *arg, int index, const PGresult *res)
{
	struct block *b = arg;

	if (PQntuples(res) == 1)
		b->coming = db_get_int8(res, 0, 0);
}

static void on_done(void *arg, const struct err *err)
{
	struct block *b = arg;

	b->fetching = false;
	if (err || !b->coming)
		return; /* the next look tries again; ids of an unknown outcome are never used */
	if (b->next == b->end) {
		b->next = b->coming;
		b->end = b->coming + b->coming_size;
	} else {
		b->spare = b->coming;
		b->spare_end = b->coming + b->coming_size;
	}
}

static void fetch(struct block *b)
{
	struct db_async *db = ingress_db(b->owner->in);
	struct db_params p = DB_PARAMS_INIT;
	struct db_batch *batch;

	if (b->fetching || !db)
		return;
	b->fetching = true;
	b->coming = 0;
	b->coming_size = b->size;
	db_add_text(&p, b->name);
	db_add_int8(&p, b->size);
	batch = db_batch_new(db, on_result, on_done, b);
	db_batch_add(batch, QUERY_INV_ID_RESERVE, &p);
	db_params_release(&p);
	db_batch_send(batch);
}

static bool wants_more(const struct block *b)
{
	return !b->spare_end && b->end - b->next < b->size / 2 + 1;
}

static void on_timer(void *arg)
{
	struct id_blocks *ids = arg;

	loop_timer_arm(ids->timer, LOOK_MS);
	for (int i = 0; i < ID_KIND_MAX; i++)
		if (wants_more(&ids->blocks[i]))
			fetch(&ids->blocks[i]);
	metric_set(METRIC_IDS_LEFT, ids->blocks[ID_TASK].end - ids->blocks[ID_TASK].next +
	                                    ids->blocks[ID_TASK].spare_end -
	                                    ids->blocks[ID_TASK].spare);
}

struct id_blocks *id_blocks_new(struct ingress *in)
{
	static const char *const names[] = {"task", "subtask", "obproxy"};
	struct id_blocks *ids = xcalloc(1, sizeof(*ids));
	int64_t size = in->settings.id_block;

	ids->in = in;
	for (int i = 0; i < ID_KIND_MAX; i++)
		ids->blocks[i] = (struct block){.owner = ids,
		        .name = names[i],
		        .size = i == ID_SUBTASK ? size * NODES_A_TASK : size};
	ids->timer = loop_timer_new(in->loop, on_timer, ids);
	loop_timer_arm(ids->timer, 10);
	return ids;
}

void id_blocks_free(struct id_blocks *ids)
{
	if (!ids)
		return;
	loop_timer_free(ids->timer);
	free(ids);
}

bool id_blocks_have(struct id_blocks *ids, enum id_kind kind, int64_t count)
{
	struct block *b = &ids->blocks[kind];

	if (b->end - b->next >= count || b->spare_end - b->spare >= count)
		return true;
	/* More than a block holds: the next one is as large, and takes the place of the spare. */
	if (b->size < count)
		b->size = count;
	fetch(b);
	return false;
}

int64_t id_blocks_draw(struct id_blocks *ids, enum id_kind kind, int64_t count)
{
	struct block *b = &ids->blocks[kind];
	int64_t first;

	if (b->end - b->next < count) {
		b->next = b->spare; /* the rest of the old block is a gap */
		b->end = b->spare_end;
		b->spare = b->spare_end = 0;
	}
	if (b->end - b->next < count)
		BUG("%s ids drawn that were not there", b->name);
	first = b->next;
	b->next += count;
	if (wants_more(b))
		fetch(b);
	return first;
}

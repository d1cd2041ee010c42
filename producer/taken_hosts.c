#include "producer/taken_hosts.h"

#include <stdlib.h>

#include "common/mem.h"

#define PLACES_MIN 1024
#define GIVEN_BACK (-1)

/* A place of the table. It stays its host's until the table is made anew, so that the search for
 * hosts behind it does not end here. */
struct taken_host {
	int64_t host_id;
	int64_t until_ms; /* 0: free */
};

/* The host's place, or the free one where it would be. */
static struct taken_host *place_of(const struct taken_hosts *t, int64_t host_id)
{
	/* Fibonacci hashing: ids stand close together. */
	size_t at = (size_t)(((uint64_t)host_id * UINT64_C(0x9E3779B97F4A7C15)) >> 32);

	for (;; at++) {
		struct taken_host *mark = &t->marks[at & (t->places - 1)];

		if (!mark->until_ms || mark->host_id == host_id)
			return mark;
	}
}

/* At least half of the new table is free. */
static void make_anew(struct taken_hosts *t, int64_t now_ms)
{
	struct taken_hosts old = *t;
	size_t live = 0;

	for (size_t i = 0; i < old.places; i++)
		live += old.marks[i].until_ms > now_ms;
	*t = (struct taken_hosts){.places = PLACES_MIN, .used = live};
	while (t->places < 2 * (live + 1))
		t->places *= 2;
	t->marks = xcalloc(t->places, sizeof(*t->marks));
	for (size_t i = 0; i < old.places; i++)
		if (old.marks[i].until_ms > now_ms)
			*place_of(t, old.marks[i].host_id) = old.marks[i];
	free(old.marks);
}

bool taken_hosts_has(const struct taken_hosts *t, int64_t host_id, int64_t now_ms)
{
	return t->places && place_of(t, host_id)->until_ms > now_ms;
}

void taken_hosts_add(struct taken_hosts *t, int64_t host_id, int64_t now_ms)
{
	struct taken_host *mark;

	if (t->used >= t->places - t->places / 4)
		make_anew(t, now_ms);
	mark = place_of(t, host_id);
	t->used += !mark->until_ms;
	*mark = (struct taken_host){.host_id = host_id, .until_ms = now_ms + TAKEN_MS};
}

void taken_hosts_give_back(struct taken_hosts *t, int64_t host_id)
{
	struct taken_host *mark = t->places ? place_of(t, host_id) : NULL;

	if (mark && mark->until_ms)
		mark->until_ms = GIVEN_BACK;
}

void taken_hosts_release(struct taken_hosts *t)
{
	free(t->marks);
	*t = (struct taken_hosts){0};
}

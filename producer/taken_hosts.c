#include "producer/taken_hosts.h"

#include <stdlib.h>
#include <uthash.h>

#include "common/mem.h"

struct taken_host {
	int64_t host_id;
	int64_t until_ms;
	UT_hash_handle hh;
};

static struct taken_host *find(const struct taken_hosts *t, int64_t host_id)
{
	struct taken_host *mark;

	HASH_FIND(hh, t->marks, &host_id, sizeof(host_id), mark);
	return mark;
}

static void drop(struct taken_hosts *t, struct taken_host *mark)
{
	HASH_DEL(t->marks, mark);
	free(mark);
}

bool taken_hosts_has(const struct taken_hosts *t, int64_t host_id, int64_t now_ms)
{
	const struct taken_host *mark = find(t, host_id);

	return mark && mark->until_ms > now_ms;
}

void taken_hosts_add(struct taken_hosts *t, int64_t host_id, int64_t now_ms)
{
	struct taken_host *mark = find(t, host_id);

	if (mark)
		drop(t, mark);
	/* All marks live equally long, so that the oldest stand first. */
	while (t->marks && t->marks->until_ms <= now_ms)
		drop(t, t->marks);
	mark = xcalloc(1, sizeof(*mark));
	mark->host_id = host_id;
	mark->until_ms = now_ms + TAKEN_MS;
	HASH_ADD(hh, t->marks, host_id, sizeof(host_id), mark);
}

void taken_hosts_give_back(struct taken_hosts *t, int64_t host_id)
{
	struct taken_host *mark = find(t, host_id);

	if (mark)
		drop(t, mark);
}

void taken_hosts_release(struct taken_hosts *t)
{
	while (t->marks)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): uthash unlinks before it frees */
		drop(t, t->marks);
}

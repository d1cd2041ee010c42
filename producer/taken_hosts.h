/*
 * taken_hosts: hosts of requests accepted here whose OBProxy row is not there yet. The rule: a host
 * is taken for TAKEN_MS from its acceptance (the row comes within ms, by subtask 1), or until its
 * request turns out not to be accepted. A best effort at the door: subtask 1 has the last word.
 */
#ifndef OBPIPE_PRODUCER_TAKEN_HOSTS_H
#define OBPIPE_PRODUCER_TAKEN_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAKEN_MS 60000

struct taken_host;

/* All zero: none. */
struct taken_hosts {
	struct taken_host *marks;
	size_t places, used; /* places: 0 or a power of two */
};

/* now_ms is monotonic. */
bool taken_hosts_has(const struct taken_hosts *t, int64_t host_id, int64_t now_ms);
void taken_hosts_add(struct taken_hosts *t, int64_t host_id, int64_t now_ms);
void taken_hosts_give_back(struct taken_hosts *t, int64_t host_id);
void taken_hosts_release(struct taken_hosts *t);

#endif

/*
 * look: which processes of some names run on a host, and who listens on some ports.
 */
#ifndef OBPIPE_WORKERS_OBPROXY_LOOK_H
#define OBPIPE_WORKERS_OBPROXY_LOOK_H

#include "workers/host/host.h"

struct process {
	long pid, uid;
	long seconds;                 /* it has been running */
	char *comm, *exe, *arguments; /* printable */
};
struct listener {
	int port;
	long uid;
	long pid; /* 0: not found */
};
struct look {
	struct process *processes;
	size_t process_count;
	struct listener *listeners;
	size_t listener_count;
};

#define LOOK_INIT                                                                                  \
	{                                                                                          \
		0                                                                                  \
	}
#define _cleanup_look_ __attribute__((cleanup(look_release)))

/*
 * Names are those of programs and scripts (NULL-ended), not words of a command line; ports end with
 * 0. Release *ret in either case.
 */
int look(struct host *h, const char *const *names, const int *ports, struct look *ret,
        struct err *err) __attribute__((warn_unused_result));
void look_release(struct look *l);
/* The process of that executable; NULL when there is none. */
const struct process *look_find(const struct look *l, const char *exe);
/* NULL when nobody listens there. */
const struct listener *look_listener(const struct look *l, int port);
/* Adds "obproxy (pid 46, user id 500, for 12 s: ./bin/obproxy -n test)". */
void process_describe(struct strbuf *sb, const struct process *p);

#endif

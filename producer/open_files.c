#include "producer/open_files.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/log.h"

/* Files that are no client's: PostgreSQL, Kafka's brokers and pipes, epoll, logs. */
#define OWN_FILES 256

/* Raises the limit if need be. Returns how many of the connections fit. */
static int raise_limit(int connections, rlim_t wanted)
{
	struct rlimit limit;
	int fit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return connections;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= wanted)
		return connections;
	fit = limit.rlim_cur > OWN_FILES ? (int)limit.rlim_cur - OWN_FILES : 1;
	log_warn("the limit of open files holds fewer connections than OBPIPE_HTTP_CONNECTIONS; "
	         "raise it (ulimit -Hn, LimitNOFILE= of systemd, ulimits of Compose)",
	        "limit", "i", (int64_t)limit.rlim_cur, "wanted", "i", (int64_t)wanted,
	        "connections", "i", (int64_t)fit);
	return fit;
}

/*
 * Linux doubles a process's table of files at 256, 512, 1,024 ... open ones, and with several
 * threads whoever opens that one waits for 10 to 20 ms (synchronize_rcu): not in the middle of a
 * burst.
 */
static void grow_table(int files)
{
	int highest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, files - 1);

	if (highest >= 0) /* otherwise it grows as it is needed */
		close(highest);
}

int open_files_for(int connections)
{
	int fit = raise_limit(connections, (rlim_t)connections + OWN_FILES);

	grow_table(fit + OWN_FILES);
	return fit;
}

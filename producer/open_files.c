#include "producer/open_files.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include "common/log.h"

/* Files that are no client's: PostgreSQL, Kafka's brokers and pipes, epoll, logs. */
#define OWN_FILES 256

int open_files_for(int connections)
{
	rlim_t wanted = (rlim_t)connections + OWN_FILES;
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

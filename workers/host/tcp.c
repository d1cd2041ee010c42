#include "workers/host/tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A host that lost power does not say so: seconds until the kernel asks, and gives up. */
#define KEEPALIVE_IDLE_S 10
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 3
#define USER_TIMEOUT_MS 25000

static void set_options(int fd)
{
	const struct {
		int level, name, value;
	} options[] = {
	        {SOL_SOCKET, SO_KEEPALIVE, 1},
	        {IPPROTO_TCP, TCP_NODELAY, 1},
	        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
	        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
	        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT},
	        {IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

/* 0, or an errno value; ECANCELED when patience ended (*err is filled). */
static int connect_one(const char *label, const struct addrinfo *a, const struct patience *p,
        int fd, struct err *err)
{
	int error = 0;
	socklen_t bytes = sizeof(error);

	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	while (!patience_poll(p, fd, POLLOUT)) {
		if (patience_check(p, label, "connect", err) < 0)
			return ECANCELED;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0)
		return errno;
	return error;
}

static int no_connection(const char *label, int error, struct err *err)
{
	return err_set(err, ERR_RETRYABLE, "CMP07002",
	        "%s: cannot connect: %s; check that the host is up, that its sshd runs, and the "
	        "address and port in the inventory",
	        label, strerror(error));
}

int tcp_connect(const char *label, const char *address, int port, const struct patience *p,
        int *ret_fd, struct err *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	char service[16];
	int rc, error = EADDRNOTAVAIL;

	snprintf(service, sizeof(service), "%d", port);
	rc = getaddrinfo(address, service, &hints, &list);
	if (rc != 0)
		return err_set(err, rc == EAI_AGAIN ? ERR_RETRYABLE : ERR_PERMANENT, "CMP07002",
		        "%s: its address is of no use: %s; check it in the inventory", label,
		        gai_strerror(rc));
	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		if (fd < 0) {
			error = errno;
			continue;
		}
		set_options(fd);
		error = connect_one(label, a, p, fd, err);
		if (error == 0) {
			*ret_fd = fd;
			break;
		}
		close(fd);
		if (error == ECANCELED)
			break;
	}
	freeaddrinfo(list);
	if (error == 0)
		return 0;
	return error == ECANCELED ? -1 : no_connection(label, error, err);
}

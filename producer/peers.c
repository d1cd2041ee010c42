#include "producer/peers.h"

#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/mem.h"
#include "producer/call.h"

#define LOOK_US INT64_C(1000000)

static struct peer *peer_new(struct peers *peers, struct MHD_Connection *connection)
{
	struct peer *p = xcalloc(1, sizeof(*p));

	p->connection = connection;
	p->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	p->next = peers->first;
	if (p->next)
		p->next->prev = p;
	peers->first = p;
	peers->count++;
	/* Nothing of a new connection was received before its first request. */
	p->looked = true;
	return p;
}

static void peer_free(struct peers *peers, struct peer *p)
{
	if (p->prev)
		p->prev->next = p->next;
	else
		peers->first = p->next;
	if (p->next)
		p->next->prev = p->prev;
	peers->count--;
	free(p);
}

void peers_notify(void *arg, struct MHD_Connection *connection, void **socket_context,
        enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*socket_context = peer_new(arg, connection);
	} else {
		peer_free(arg, *socket_context);
		*socket_context = NULL;
	}
}

struct peer *peer_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
	        ->socket_context;
}

char *peer_address(struct peer *p)
{
	const union MHD_ConnectionInfo *info;

	if (*p->address)
		return p->address;
	info = MHD_get_connection_info(p->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (!info || getnameinfo(info->client_addr,
	                     info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
	                                                              : sizeof(struct sockaddr_in),
	                     p->address, sizeof(p->address), NULL, 0, NI_NUMERICHOST))
		snprintf(p->address, sizeof(p->address), "unknown");
	return p->address;
}

int64_t peer_request_begins(struct peer *p, struct call *call, int64_t now_us)
{
	int64_t first = p->header_us ? p->header_us : now_us;

	p->call = call;
	p->header_us = 0;
	return first;
}

void peer_request_ends(struct peer *p)
{
	p->call = NULL;
	p->looked = false;
	p->header_us = 0;
}

/* Bytes the kernel has received on the connection: MHD does not say what it holds of a header. */
static uint64_t received(const struct peer *p)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(p->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return p->received;
	return info.tcpi_bytes_received;
}

/* No request under way: has one begun that has no whole headers? */
static void look(struct peer *p, int64_t now_us)
{
	uint64_t bytes = received(p);

	if (!p->looked) {
		p->looked = true;
		p->received = bytes;
	} else if (!p->header_us && bytes > p->received) {
		p->header_us = now_us;
	}
}

void peers_sweep(struct peers *peers, int64_t now_us, int64_t timeout_us,
        void (*late)(void *arg, struct peer *p), void *arg)
{
	bool looks = now_us - peers->looked_us >= LOOK_US;

	if (looks)
		peers->looked_us = now_us;
	for (struct peer *p = peers->first; p; p = p->next) {
		int64_t since = 0;

		if (p->dead)
			continue;
		if (p->call) {
			since = p->call->receiving ? p->call->first_byte_us : 0;
		} else {
			if (looks)
				look(p, now_us);
			since = p->header_us;
		}
		if (since && now_us - since >= timeout_us)
			late(arg, p);
	}
}

/*
 * peers: the open client connections, and the deadline of what they send. libmicrohttpd restarts
 * its idle timeout with every byte, so that a client that drips keeps a connection for ever: here
 * a request has http_body_timeout_ms from its first header byte until it is whole. Loop thread.
 */
#ifndef OBPIPE_PRODUCER_PEERS_H
#define OBPIPE_PRODUCER_PEERS_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct call;

struct peer {
	struct MHD_Connection *connection;
	int fd;
	struct call *call; /* the request under way; NULL: none that has whole headers */
	bool dead;         /* answered 408 past MHD: nothing more of it counts */
	/* Between two requests: what the kernel had received when we first looked. */
	bool looked;
	uint64_t received;
	int64_t header_us; /* first header byte seen, monotonic; 0: none */
	char address[64];  /* see peer_address() */
	struct peer *next, *prev;
};

struct peers {
	struct peer *first;
	int count;
	int64_t looked_us;
};

/* MHD_OPTION_NOTIFY_CONNECTION; arg is the struct peers. */
void peers_notify(void *arg, struct MHD_Connection *connection, void **socket_context,
        enum MHD_ConnectionNotificationCode code);
struct peer *peer_of(struct MHD_Connection *connection);

/* The client's address as text, "unknown" when there is none; valid while the connection is. */
char *peer_address(struct peer *p);

/* A request begins (its headers are whole); returns when its first byte came, monotonic us. */
int64_t peer_request_begins(struct peer *p, struct call *call, int64_t now_us);
void peer_request_ends(struct peer *p);

/*
 * Calls late(arg, peer) for each connection whose request began before now_us - timeout_us and is
 * not whole. Looks for half-sent headers once a second, for late bodies at every call.
 */
void peers_sweep(struct peers *peers, int64_t now_us, int64_t timeout_us,
        void (*late)(void *arg, struct peer *p), void *arg);

#endif

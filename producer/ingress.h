/*
 * ingress: what the parts of one obpipe-producer share. Everything runs on the loop's thread,
 * except the two helper threads (passwords in auth.c, Kafka end offsets in log_ends.c).
 */
#ifndef OBPIPE_PRODUCER_INGRESS_H
#define OBPIPE_PRODUCER_INGRESS_H

#include "common/db_async.h"
#include "common/kafka.h"
#include "common/loop.h"
#include "common/settings.h"

struct auth;
struct http_server;
struct id_blocks;
struct inventory_keeper;
struct log_ends;
struct publisher;

#define PG_POOL_MAX 64

struct ingress {
	struct settings settings;
	char *server; /* what answers name as `server` and tasks as `executor` */
	struct loop *loop;
	struct http_server *http;
	struct auth *auth;
	struct inventory_keeper *inventory;
	struct id_blocks *ids;
	struct publisher *publisher;
	struct log_ends *ends;
	struct db_async *pool[PG_POOL_MAX];
	bool draining;
	bool thread_left; /* a helper thread could not be ended: leave without freeing */
};

/* The connection of the pool with the least to do; NULL when PostgreSQL is away. */
struct db_async *ingress_db(struct ingress *in);

#endif

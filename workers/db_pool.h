/*
 * db_pool: a few blocking connections that slot threads borrow, so that many slots do not mean many
 * sessions. Any thread.
 */
#ifndef OBPIPE_WORKERS_DB_POOL_H
#define OBPIPE_WORKERS_DB_POOL_H

#include "common/db.h"

struct db_pool;

struct db_pool *db_pool_new(const struct settings *settings, int connections);
/* All borrowed ones must be back. */
void db_pool_free(struct db_pool *pool);
/* Waits for a free one. */
struct db *db_pool_borrow(struct db_pool *pool);
void db_pool_return(struct db_pool *pool, struct db *db);

#endif

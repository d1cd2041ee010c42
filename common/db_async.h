/*
 * db_async: one PostgreSQL connection in libpq's pipeline mode on a loop; never blocks the loop.
 *
 * A batch is a list of statements and one Sync: one transaction, one round trip. Batches are sent
 * in the order of db_batch_send() and answered in that order; several may be in flight. Lost
 * connections are re-made with backoff (50 ms to 2 s, jitter); batches in flight at the loss end
 * with kind UNKNOWN if they had been sent, RETRYABLE if not. Batches sent while there is no
 * connection fail at once with RETRYABLE. All functions and callbacks on the loop's thread.
 */
#ifndef OBPIPE_COMMON_DB_ASYNC_H
#define OBPIPE_COMMON_DB_ASYNC_H

#include "common/db.h"
#include "common/loop.h"

struct db_async;
struct db_batch;

/* Called once for each statement of a batch that succeeded, in order. res is cleared afterwards.
 * Its effect counts only when the batch's done function gets err NULL. */
typedef void (*db_result_fn)(void *arg, int index, const PGresult *res);
/* Called once a batch: err NULL = committed. The batch is freed afterwards. */
typedef void (*db_done_fn)(void *arg, const struct err *err);
/* Connection came up (up = true; before any batch is sent) or went down. */
typedef void (*db_state_fn)(void *arg, bool up);

/* Starts connecting at once. settings and name are borrowed; on_state may be NULL. */
struct db_async *db_async_new(struct loop *loop, const struct settings *settings, const char *name,
        db_state_fn on_state, void *arg);
/* Closes at once; batches in flight end with CANCELLED. */
void db_async_free(struct db_async *db);
bool db_async_up(const struct db_async *db);
/* Batches sent and not answered yet. */
int db_async_in_flight(const struct db_async *db);
/* Forgets the connection and connects anew (the caller saw something it does not trust). */
void db_async_reset(struct db_async *db);

/* A batch to fill. on_result may be NULL. */
struct db_batch *db_batch_new(
        struct db_async *db, db_result_fn on_result, db_done_fn on_done, void *arg);
/* Adds one statement; params are copied (NULL: none). At most 16 a batch. */
void db_batch_add(struct db_batch *batch, enum query query, const struct db_params *params);
/* The same with only the first `count` of the parameters. */
void db_batch_add_prefix(
        struct db_batch *batch, enum query query, const struct db_params *params, int count);
/* Sends it; the batch belongs to the connection from here on. on_done may run before it returns. */
void db_batch_send(struct db_batch *batch);

#endif

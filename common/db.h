/*
 * db: PostgreSQL by libpq, blocking form, and what both forms share (parameters, result values).
 *
 * Statements are the files of schema/queries, named by enum query (generated into queries.h); they
 * are prepared on first use of each connection. Parameters and results travel in binary.
 * A struct db belongs to one thread at a time. Every connection has connect, statement, lock and
 * TCP timeouts (settings). The non-blocking form is db_async.h.
 */
#ifndef OBPIPE_COMMON_DB_H
#define OBPIPE_COMMON_DB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/settings.h"
#include "queries.h" /* generated: enum query, query_table[] */

/* ---- parameters ---- */

#define DB_PARAMS_MAX 32

/*
 * The parameters of one statement, in order $1, $2, ... Values are copied in. Reusable after
 * db_params_clear(); db_params_release() frees the memory.
 */
struct db_params {
	int count;
	size_t offset[DB_PARAMS_MAX]; /* into data */
	int length[DB_PARAMS_MAX];    /* bytes; -1 is NULL */
	unsigned char *data;
	size_t len, alloc;
};
#define DB_PARAMS_INIT                                                                             \
	{                                                                                          \
		0                                                                                  \
	}

void db_params_clear(struct db_params *p);
void db_params_release(struct db_params *p);
/* Adds all parameters of `from` (NULL: none) behind those that are there. */
void db_params_append(struct db_params *p, const struct db_params *from);
void db_add_null(struct db_params *p);
void db_add_bool(struct db_params *p, bool value);
void db_add_int2(struct db_params *p, int16_t value);
void db_add_int4(struct db_params *p, int32_t value);
void db_add_int8(struct db_params *p, int64_t value);
/* Unix microseconds as timestamptz. */
void db_add_time(struct db_params *p, int64_t unix_us);
/* NULL text is SQL NULL. */
void db_add_text(struct db_params *p, const char *text);
void db_add_bytes(struct db_params *p, const void *data, size_t bytes);
/* One-dimensional arrays; count may be 0. In text arrays a NULL element is SQL NULL. */
void db_add_int2_array(struct db_params *p, const int16_t *values, size_t count);
void db_add_int4_array(struct db_params *p, const int32_t *values, size_t count);
void db_add_int8_array(struct db_params *p, const int64_t *values, size_t count);
void db_add_text_array(struct db_params *p, const char *const *values, size_t count);

/* ---- results (binary). The column must have that type: anything else is a BUG(). ---- */

bool db_is_null(const PGresult *res, int row, int col);
bool db_get_bool(const PGresult *res, int row, int col);
int16_t db_get_int2(const PGresult *res, int row, int col);
int32_t db_get_int4(const PGresult *res, int row, int col);
int64_t db_get_int8(const PGresult *res, int row, int col);
/* timestamptz as Unix microseconds; 0 for NULL. */
int64_t db_get_time(const PGresult *res, int row, int col);
/* text, NUL-terminated, owned by res; NULL for SQL NULL. Use for text and for casts to text. */
const char *db_get_text(const PGresult *res, int row, int col);

static inline void db_result_clear(PGresult **res)
{
	PQclear(*res);
}
#define _cleanup_result_ __attribute__((cleanup(db_result_clear)))

/* Turns a failed result (or, with res NULL, the connection's state) into *err, SQLSTATE in code.
 * Kinds: class 08, 53, 57, 40, 55 and lost connections RETRYABLE, the rest PERMANENT. Returns -1.
 */
int db_result_err(const PGconn *conn, const PGresult *res, struct err *err);

/* ---- blocking connections ---- */

struct db {
	PGconn *conn;                    /* NULL: not connected */
	const struct settings *settings; /* borrowed */
	const char *name;                /* application_name, borrowed */
	int64_t statement_timeout_ms;    /* 0: the setting's */
	bool prepared[QUERY_MAX];
};

/* Prepares the struct; connects on first use. Both pointers must outlive it. */
void db_init(struct db *db, const struct settings *settings, const char *name);
void db_release(struct db *db);
/* Connects when not connected. Blocks up to the connect timeout. */
int db_connect(struct db *db, struct err *err) __attribute__((warn_unused_result));
/* Drops the connection (after a failure the caller does not trust it any more). */
void db_disconnect(struct db *db);

/*
 * Runs one statement in a transaction of its own. *ret_res is the caller's to PQclear (NULL
 * allowed: thrown away). When the connection broke while waiting, kind is UNKNOWN and the
 * connection dropped.
 */
int db_query(struct db *db, enum query query, const struct db_params *params, PGresult **ret_res,
        struct err *err) __attribute__((warn_unused_result));

/* Runs SQL text that is not a query file: migrations, BEGIN, COMMIT, LISTEN. May hold several
 * statements. Never assembled from data. */
int db_exec(struct db *db, const char *sql, struct err *err) __attribute__((warn_unused_result));

/*
 * Runs one statement and hands its rows to `row` one by one as they arrive (libpq single-row mode),
 * so that a large result needs no memory. When `row` returns false the
 * rest is cancelled and the connection dropped (kind CANCELLED).
 */
typedef bool (*db_row_fn)(void *arg, const PGresult *res);
int db_stream(struct db *db, enum query query, const struct db_params *params, db_row_fn row,
        void *arg, struct err *err) __attribute__((warn_unused_result));

/* Builds the connection keywords both forms use (timeouts, application_name, options).
 * Arrays are static per thread and valid until the next call in this thread. */
void db_conninfo(const struct settings *settings, const char *name, int64_t statement_timeout_ms,
        const char *const **ret_keywords, const char *const **ret_values);

#endif

/*
 * mysql_client: what subtask types need of the MySQL protocol to talk to an OBProxy: text queries
 * with mysql_native_password over a stream that is there already (host_tunnel).
 *
 * One thread, that of the host handle. Blocking; looks at cancel and deadline like host.h.
 * Error kinds: RETRYABLE stream lost, time over, nobody listens; PERMANENT the server said no (code
 * is its SQLSTATE, the text has number and message); CANCELLED.
 */
#ifndef OBPIPE_WORKERS_HOST_MYSQL_CLIENT_H
#define OBPIPE_WORKERS_HOST_MYSQL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/strbuf.h"

#define MYSQL_ACCESS_DENIED 1045
/* Of one packet, and of the memory of one result; more is an error. */
#define MYSQL_RESULT_BYTES_MAX ((size_t)8 << 20)

struct host;
struct mysql_client;

/*
 * Logs on at 127.0.0.1:port of the host, no database ("root@proxysys"). password NULL or "": none.
 * timeout_ms for the whole logon, and from then on for each query. Never sends a password in clear:
 * a server that asks for another method than mysql_native_password is PERMANENT. The caller closes
 * it before the host.
 */
int mysql_client_open(struct host *h, int port, const char *user, const char *password,
        int64_t timeout_ms, struct mysql_client **ret, struct err *err)
        __attribute__((warn_unused_result));
/* The same over an fd, which it takes (also when it fails). h NULL: nobody cancels (tests). */
int mysql_client_open_fd(struct host *h, int fd, const char *label, const char *user,
        const char *password, int64_t timeout_ms, struct mysql_client **ret, struct err *err)
        __attribute__((warn_unused_result));
/* NULL is allowed. Says good-bye when the stream is whole. */
void mysql_client_close(struct mysql_client *my);
static inline void mysql_client_close_ptr(struct mysql_client **my)
{
	mysql_client_close(*my);
}
#define _cleanup_mysql_ __attribute__((cleanup(mysql_client_close_ptr)))

/* "5.6.25", as the server's greeting has it. Lives as long as the client. */
const char *mysql_client_server_version(const struct mysql_client *my);
/* Number of the last error the server sent to a query or the logon (1045, 5099, ...); 0: the last
 * failure was none of the server's, or there was none. For a failed mysql_client_open, see
 * err->code. */
int mysql_client_error_number(const struct mysql_client *my);

struct mysql_rows {
	size_t columns, rows;
	uint64_t affected; /* of a statement that returns no rows */
	char **names;      /* [columns] */
	char **values;     /* [rows * columns], NULL is SQL NULL; NUL-terminated */
	size_t *lengths;   /* [rows * columns] bytes, without the NUL */
};
#define MYSQL_ROWS_INIT                                                                            \
	{                                                                                          \
		0                                                                                  \
	}
void mysql_rows_release(struct mysql_rows *rows);
#define _cleanup_mysql_rows_ __attribute__((cleanup(mysql_rows_release)))

/*
 * Runs one statement. ret NULL: rows are thrown away. *ret is initialised here; release it. After a
 * failure that is not the server's answer the connection is of no more use: every call fails.
 */
int mysql_client_query(struct mysql_client *my, const char *statement, struct mysql_rows *ret,
        struct err *err) __attribute__((warn_unused_result));
/* COM_PING. */
int mysql_client_ping(struct mysql_client *my, struct err *err) __attribute__((warn_unused_result));

/* Column by name, without regard to case; -1 when there is none (OBProxy versions differ). */
int mysql_rows_column(const struct mysql_rows *rows, const char *name);
/* A value by row and column name; NULL for SQL NULL and for a column that is not there. */
const char *mysql_rows_value(const struct mysql_rows *rows, size_t row, const char *name);

/* Appends 'text' with its quotes, escaped for a statement. PERMANENT when it holds a NUL. */
int mysql_add_quoted(struct strbuf *sb, const char *text, size_t bytes, struct err *err)
        __attribute__((warn_unused_result));

#endif

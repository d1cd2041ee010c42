/*
 * mysql_server: a MySQL server that follows a script, in a thread of its own, for tests of the
 * client. Fill the script with server_...(), then mysql_server_open(), use v->my, then
 * mysql_server_end() and mysql_server_free(). A struct of zeros is an empty script.
 */
#ifndef OBPIPE_TESTS_SUPPORT_MYSQL_SERVER_H
#define OBPIPE_TESTS_SUPPORT_MYSQL_SERVER_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/strbuf.h"
#include "workers/host/mysql_client.h"

#define MYSQL_SERVER_STEPS 32
#define MYSQL_SERVER_HEARD 8

/* A string with its bytes, NULs included. */
#define BYTES(text) text, sizeof(text) - 1

enum mysql_step_kind {
	SAY,
	SAY_SLOWLY, /* byte by byte */
	HEAR,       /* one packet of the client */
	CLOSE,      /* nothing more will be said */
};

struct mysql_step {
	enum mysql_step_kind kind;
	struct strbuf data;
};

struct mysql_server {
	int fd, client_fd;
	pthread_t thread;
	struct mysql_step steps[MYSQL_SERVER_STEPS];
	size_t count;
	/* Packets of the client in order, with their heads. To be looked at after the end. */
	struct strbuf heard[MYSQL_SERVER_HEARD];
	size_t heard_count;
	struct mysql_client *my;
	struct err err; /* of the client */
};

/* ---- the script ---- */

struct mysql_step *server_add(struct mysql_server *v, enum mysql_step_kind kind);
void server_say_raw(struct mysql_server *v, const void *data, size_t bytes);
/* One packet. */
void server_say(struct mysql_server *v, int sequence, const void *data, size_t bytes);
/* The greeting, and what the client answers. */
void server_greet(struct mysql_server *v);
/* The same, and the logon is good. */
void server_accept_logon(struct mysql_server *v);
/* A column definition of that name. */
void server_say_column(struct mysql_server *v, int sequence, const char *name);
/* After the logon one statement, and up to the first row of a result with the columns name and
 * value: the row has sequence number 5. */
void server_begin_result(struct mysql_server *v);

/* ---- running it ---- */

/* Starts the server and logs on: what mysql_client_open_fd() returned. A server whose script is at
 * its end waits until the client goes. */
int mysql_server_open(struct mysql_server *v, const char *password, int64_t timeout_ms);
/* Closes the client and waits for the server. */
void mysql_server_end(struct mysql_server *v);
/* Forgets script and what was heard. */
void mysql_server_free(struct mysql_server *v);

/* ---- packets ---- */

#define MYSQL_SALT "abcdefghijklmnopqrst"
/* The greeting of OBProxy: protocol 10, version, thread, salt 8, capabilities, charset, status,
 * capabilities, length, zeros, salt 12, plugin. */
#define MYSQL_GREETING_HEAD                                                                        \
	"\x0a"                                                                                     \
	"5.6.25\0"                                                                                 \
	"\x07\0\0\0"                                                                               \
	"abcdefgh\0"                                                                               \
	"\xdf\xf7"                                                                                 \
	"\x2e"                                                                                     \
	"\0\0"                                                                                     \
	"\x9f\0"                                                                                   \
	"\x15"
#define MYSQL_GREETING                                                                             \
	MYSQL_GREETING_HEAD "\0\0\0\0\0\0\0\0\0\0"                                                 \
	                    "ijklmnopqrst\0"                                                       \
	                    "mysql_native_password\0"
#define MYSQL_OK "\0\0\0\x02\0\0\0"
#define MYSQL_END "\xfe\0\0\x02\0"

#endif

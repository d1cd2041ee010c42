/*
 * message: encode and decode of every Kafka message (contracts: schema/messages/). Decoding is
 * strict; what it refuses goes to the dead-letter topic. Pure; any thread.
 */
#ifndef OBPIPE_COMMON_MESSAGE_H
#define OBPIPE_COMMON_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/strbuf.h"

#define MESSAGE_SCHEMA 1 /* newest version this program reads and writes */
/* err.code when a message's schema is newer than MESSAGE_SCHEMA: not undecodable, but not for us.
 */
#define MESSAGE_TOO_NEW "NEWER"

#define REQUEST_TASKS_MAX 1000

struct request_task {
	int64_t task_id;
	int64_t first_subtask_id;
	int64_t host_id;           /* 0: none */
	int64_t obproxy_server_id; /* 0: none */
};

/* A value that is a string, as JSON text without its quotes. */
struct request_value {
	const char *name;
	const char *text;
	size_t bytes;
};

/* One accepted request: the whole of it, atomic. */
struct request {
	bool borrowed;    /* the strings are somebody else's; never set by decode */
	char *request_id; /* 32 lower-case hex digits */
	char *user;
	char *client;           /* address of the caller */
	char *executor;         /* address of the ingress that accepted it */
	char *trace_id;         /* 16 hex */
	int64_t accepted_at_us; /* Unix */
	char *template;
	int32_t version;
	char *sha256;
	int64_t cluster_id; /* 0: none */
	json_t *body;       /* as received; owned */
	/* Valid JSON text that is encoded in place of body when set: spares the ingress printing
	 * what it has just read. Borrowed; never set by decode. */
	const char *body_text;
	size_t body_text_bytes;
	json_t *values; /* for template_context(): strings and arrays of strings; owned */
	/* In place of values when set: strings only. Borrowed; never set by decode. */
	const struct request_value *plain;
	size_t plain_count;
	struct request_task *tasks;
	size_t task_count;
};

void request_release(struct request *r);
/* Appends the JSON form. */
void request_encode(const struct request *r, struct strbuf *sb);
/* Fills *r (release it). Unknown members are allowed, wrong or missing ones are PERMANENT; a newer
 * schema is PERMANENT with the code MESSAGE_TOO_NEW. On failure *r is empty. */
int request_decode(const void *data, size_t bytes, struct request *r, struct err *err)
        __attribute__((warn_unused_result));

/* Adds the values one task has of its own (host_id, obproxy_server_id, task_id as strings) to a
 * copy of r->values or r->plain; caller owns the result. */
json_t *request_task_values(const struct request *r, const struct request_task *task);

struct hint {
	int64_t task_id;
	int64_t subtask_id;
};
#define HINT_BYTES_MAX 80
/* Writes the JSON form into buf (HINT_BYTES_MAX); returns its length. */
size_t hint_encode(const struct hint *h, char *buf);
int hint_decode(const void *data, size_t bytes, struct hint *h, struct err *err)
        __attribute__((warn_unused_result));

/* One row of table event, as the relay reads it. */
struct event_row {
	int64_t task_id;
	int64_t first, sequence; /* numbers of its first and last move */
	int64_t at_us;
	const char *who;      /* "worker/17", "intake/17", "user/admin" */
	const char *moves;    /* "rule:subtask_id:claim ..."; subtask_id 0 is the task */
	const char *template; /* creation only, else NULL */
	int32_t version;
	const char *traceparent; /* may be NULL */
};
/* Appends the CloudEvents JSON (CloudEvents 1.0, structured mode). -1 (PERMANENT, nothing appended)
 * when the row's moves are not what its numbers say, or name a rule that there is not. */
int event_encode(const struct event_row *row, struct strbuf *sb, struct err *err)
        __attribute__((warn_unused_result));

#endif

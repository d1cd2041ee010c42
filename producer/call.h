/*
 * call: one HTTP request from its headers until its answer is queued. A handler gets a call and
 * answers it now or later, exactly once; while it waits the connection is suspended. Loop thread.
 */
#ifndef OBPIPE_PRODUCER_CALL_H
#define OBPIPE_PRODUCER_CALL_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/message.h"
#include "common/strbuf.h"
#include "producer/faults.h"
#include "producer/ingress.h"

#define CALL_PARAMS_MAX 2

struct route;

#define CALL_VALUES_MAX 8

struct call {
	struct ingress *in;
	struct MHD_Connection *connection;
	const struct route *route;       /* NULL: none matched */
	int64_t params[CALL_PARAMS_MAX]; /* numbers of the path */
	unsigned int early_status;       /* refused before the body was whole; 0: not */
	const char *allow;               /* of a 405 */
	bool head;
	bool receiving; /* the body is not whole yet */
	bool too_large;
	struct strbuf body;
	struct strbuf scratch; /* the handler's, kept with the call */
	int64_t started_us;    /* headers were whole, monotonic */
	int64_t first_byte_us; /* the deadline of the body counts from here */
	char *line;            /* method and path for the access log; NULL: not wanted */
	char trace_id[17];
	char traceparent[56];
	char *user;                                   /* once logged on */
	char request_id[33];                          /* of what it publishes */
	struct request_value values[CALL_VALUES_MAX]; /* of what it publishes, in scratch */
	/* the answer */
	bool log_passed; /* intake has passed the request's end of log: the next miss is final */
	bool suspended, answered;
	unsigned int status;
	bool plain;        /* text, not JSON */
	int retry_after_s; /* 0: no such header */
	struct strbuf reply;
	void *state; /* the handler's; freed by free_state */
	void (*free_state)(void *state);
	struct call *next, *prev; /* all calls alive */
};

typedef void (*call_fn)(struct call *c);

/* ---- answers (reply.c) ---- */

/* Starts a good answer: everything appended to c->reply until reply_end() is `data`. */
void reply_begin(struct call *c);
void reply_end(struct call *c, unsigned int status);
/* A good answer without data. */
void reply_empty(struct call *c);
/* Text or JSON outside the envelope: c->reply is complete already. */
void reply_raw(struct call *c, unsigned int status, bool plain);
/* One error. code is OCP's ("CMP07005"). */
void reply_error(struct call *c, unsigned int status, const char *code, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));
/* PostgreSQL or Kafka cannot be asked now: 503 with Retry-After. */
void reply_unavailable(struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Every wrong field of one request, with the status of the worst. */
void reply_faults(struct call *c, const struct faults *f);

/* Where the answer goes once it is complete (http_server.c). */
void call_done(struct call *c);

/* Gives the call a state of its handler; the one it had is freed. */
void call_set_state(struct call *c, void *state, void (*free_state)(void *state));

/* A query parameter, decoded; NULL when absent. */
const char *call_query(const struct call *c, const char *name);

#endif

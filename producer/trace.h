/* trace: trace ids of a call (OCP: 16 hex digits; W3C trace context: traceparent). */
#ifndef OBPIPE_PRODUCER_TRACE_H
#define OBPIPE_PRODUCER_TRACE_H

#include <stddef.h>

#include "producer/call.h"

/*
 * Fills c->trace_id and c->traceparent. x-trace-id (16 hex) wins for the first, then the first 16
 * digits of a valid traceparent's trace-id, then random with 4 as its 13th digit (ocp-api.md 1.2).
 */
void trace_from_headers(struct call *c);
/* The same from the values of the two headers; NULL: absent. */
void trace_fill(struct call *c, const char *own, const char *w3c);
/* Fills c->trace_id at random. */
void trace_draw(struct call *c);
/* Writes `digits` random lower-case hex digits and a NUL. */
void random_hex(char *out, size_t digits);

#endif

#include "producer/trace.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/err.h"

#define HEX "0123456789abcdef"
#define TRACE_DIGITS 16
#define W3C_BYTES 55

/* Drawn in larger portions: one system call a request would show in the figures. */
static unsigned char next_byte(void)
{
	static unsigned char pool[1024];
	static size_t left;

	if (left == 0) {
		if (getrandom(pool, sizeof(pool), 0) != sizeof(pool))
			BUG("no random bytes");
		left = sizeof(pool);
	}
	return pool[--left];
}

void random_hex(char *out, size_t digits)
{
	for (size_t i = 0; i < digits; i += 2) {
		unsigned char byte = next_byte();

		out[i] = HEX[byte >> 4];
		if (i + 1 < digits)
			out[i + 1] = HEX[byte & 15];
	}
	out[digits] = '\0';
}

static bool is_hex(const char *text, size_t digits)
{
	return strspn(text, HEX) >= digits;
}

/* W3C Trace Context 2.2: version 00, neither id all zero. */
static bool is_traceparent(const char *text)
{
	return strlen(text) == W3C_BYTES && !strncmp(text, "00-", 3) && is_hex(text + 3, 32) &&
	       text[35] == '-' && is_hex(text + 36, 16) && text[52] == '-' &&
	       is_hex(text + 53, 2) && strspn(text + 3, "0") < 32 && strspn(text + 36, "0") < 16;
}

void trace_draw(struct call *c)
{
	random_hex(c->trace_id, TRACE_DIGITS);
	c->trace_id[12] = '4';
}

void trace_fill(struct call *c, const char *own, const char *w3c)
{
	if (w3c && !is_traceparent(w3c))
		w3c = NULL;
	if (own && strlen(own) == TRACE_DIGITS && is_hex(own, TRACE_DIGITS))
		memcpy(c->trace_id, own, TRACE_DIGITS);
	else if (w3c)
		memcpy(c->trace_id, w3c + 3, TRACE_DIGITS);
	else
		trace_draw(c);
	if (w3c) {
		memcpy(c->traceparent, w3c, W3C_BYTES);
		return;
	}
	memcpy(c->traceparent, "00-", 3);
	memcpy(c->traceparent + 3, c->trace_id, TRACE_DIGITS);
	random_hex(c->traceparent + 19, 16);
	c->traceparent[35] = '-';
	random_hex(c->traceparent + 36, 16);
	memcpy(c->traceparent + 52, "-01", 4);
}

void trace_from_headers(struct call *c)
{
	trace_fill(c, MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, "x-trace-id"),
	        MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, "traceparent"));
}

/*
 * bench: what the parts of obpipe-bench share. One thread; cheap, so that the load does not eat
 * what it measures. Every part dies with a message when something is wrong or lost. bench/run puts
 * the parts together and does what is SQL.
 */
#ifndef OBPIPE_BENCH_BENCH_H
#define OBPIPE_BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/settings.h"

struct bench {
	struct settings settings; /* where the services are, and who we are */
	char host[64];
	int port;        /* of the ingress */
	char login[512]; /* base64 of user:password */
};

_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Sorts and returns the value at `share` (0.5: the median). */
double percentile(double *values, size_t count, double share);

/* ---- http_load.c ---- */

/* Fills `body` (at most `bytes`) for request n and returns its length; 0: a GET. */
typedef size_t (*body_fn)(void *arg, int64_t n, char *body, size_t bytes);
struct http_result {
	double per_s;
	double p50_ms, p95_ms, p99_ms; /* of all answers; of http_run() of those with 200 */
	int64_t sent, refused;         /* refused: any status but 200 */
	double refused_p50_ms, refused_p99_ms, refused_max_ms;
	int64_t unavailable; /* of the refused: 503 with Retry-After */
	double cpu_us;       /* of this program, a request */
};

/* A load with all its choices; what is 0 or NULL is left out. */
struct http_plan {
	const char *path;
	int connections;
	double seconds;
	int64_t most;
	body_fn body;
	void *arg;
	/* Requests a second whether or not the answers come; a request's time then counts from when
	 * it was due. 0: each connection sends its next request when it has its answer. */
	double rate;
	/* A client that was refused waits that long, as Retry-After asks, or up to twice. */
	int pause_ms;
};
struct http_result http_run(struct bench *b, const struct http_plan *plan);

/* Opens `count` keep-alive connections, each with one answered request behind it. */
int *http_idle_open(struct bench *b, int count);
/* How many of them answer another request; closes them all and frees the array. */
int http_idle_close(struct bench *b, int *fds, int count);
/* Keeps `connections` busy with requests to `path` for `seconds`, at most `most` requests. */
struct http_result http_load(struct bench *b, const char *path, int connections, double seconds,
        int64_t most, body_fn body, void *arg);
/* One request (body NULL: GET); returns the whole answer in a static buffer; dies unless 200. */
const char *http_once(struct bench *b, const char *path, const char *body);

/* ---- kafka_load.c ---- */

struct delays {
	double p50_ms, p95_ms, p99_ms;
};
/* Sorts `ms`. */
struct delays delays_of(double *ms, size_t count);
/* Produce to consume through librdkafka alone, one message at a time. */
struct delays kafka_floor(struct bench *b, int rounds);
/* As many messages as wanted, of a hint's size, all at once: messages/s from the first produce to
 * the last one consumed. Dies when one is lost. */
double kafka_floor_rate(struct bench *b, int messages);
/* Reads new events for `seconds`: ms from the commit's time to our receiving them. Returns the
 * events seen. */
int64_t events_delay(struct bench *b, double seconds, struct delays *ret);

/* ---- produce_load.c ---- */

/* The message of the newest request, produced to a topic like that of requests by a producer like
 * the ingress's, `window` of them under way at any time: messages/s, and how long each took. */
double produce_floor(struct bench *b, int window, double seconds, struct delays *ret_delays);

/* ---- event_check.c ---- */

/*
 * Reads the event topic from its beginning to where it ends now. Dies at a gap or when a task's
 * events stand in the wrong order; exact copies are left out. Writes a line a task: its id, the
 * number of its last move, its events (tabs between).
 */
void events_check(struct bench *b, FILE *out);

#endif

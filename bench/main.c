/* obpipe-bench: one measurement a call, its figures as one JSON object on stdout. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "common/clock.h"
#include "common/exit_code.h"
#include "common/mem.h"

#define POLL_MS 5
#define BATCH_ADD "/api/v2/obproxy/clusters/1/obproxies/batchAdd"

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_FAILED);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double percentile(double *values, size_t count, double share)
{
	if (!count)
		return 0;
	qsort(values, count, sizeof(*values), by_value);
	return values[(size_t)((double)(count - 1) * share)];
}

struct delays delays_of(double *ms, size_t count)
{
	return (struct delays){.p50_ms = percentile(ms, count, 0.5),
	        .p95_ms = percentile(ms, count, 0.95),
	        .p99_ms = percentile(ms, count, 0.99)};
}

static void print_http(struct http_result r)
{
	printf("{\"per_s\":%.0f,\"p50_ms\":%.3f,\"p95_ms\":%.3f,\"p99_ms\":%.3f,"
	       "\"sent\":%" PRId64 ",\"refused\":%" PRId64 ",\"refused_p50_ms\":%.3f,"
	       "\"refused_p99_ms\":%.3f,\"refused_max_ms\":%.3f,\"unavailable\":%" PRId64
	       ",\"cpu_us\":%.1f}\n",
	        r.per_s, r.p50_ms, r.p95_ms, r.p99_ms, r.sent, r.refused, r.refused_p50_ms,
	        r.refused_p99_ms, r.refused_max_ms, r.unavailable, r.cpu_us);
}

/* http PATH CONNECTIONS SECONDS: GETs. */
static void measure_get(struct bench *b, char **argv)
{
	print_http(http_load(b, argv[0], atoi(argv[1]), atof(argv[2]), INT64_MAX, NULL, NULL));
}

static size_t batch_add_body(void *arg, int64_t n, char *body, size_t bytes)
{
	const int64_t *first_host = arg;

	return (size_t)snprintf(body, bytes,
	        "{\"hostIds\":[%" PRId64 "],\"sqlPort\":2883,\"exporterPort\":2884,"
	        "\"version\":\"obproxy-1.9.1.1-1919579.el7.x86_64.rpm\"}",
	        *first_host + n);
}

/* post FIRST_HOST HOSTS CONNECTIONS SECONDS: batchAdd, each for another host. */
static void measure_post(struct bench *b, char **argv)
{
	int64_t first = atoll(argv[0]);

	print_http(http_load(b, BATCH_ADD, atoi(argv[2]), atof(argv[3]), atoll(argv[1]),
	        batch_add_body, &first));
}

/* rate FIRST_HOST RATE CONNECTIONS SECONDS PAUSE_MS: batchAdd at a rate (0: as answers come). */
static void measure_rate(struct bench *b, char **argv)
{
	int64_t first = atoll(argv[0]);
	const struct http_plan plan = {.path = BATCH_ADD,
	        .connections = atoi(argv[2]),
	        .seconds = atof(argv[3]),
	        .most = INT64_MAX,
	        .body = batch_add_body,
	        .arg = &first,
	        .rate = atof(argv[1]),
	        .pause_ms = atoi(argv[4])};

	print_http(http_run(b, &plan));
}

/* idle COUNT FIRST_HOST RATE CONNECTIONS SECONDS: batchAdd at a rate beside idle connections. */
static void measure_idle(struct bench *b, char **argv)
{
	int count = atoi(argv[0]);
	int *fds = http_idle_open(b, count);
	int64_t first = atoll(argv[1]);
	const struct http_plan plan = {.path = BATCH_ADD,
	        .connections = atoi(argv[3]),
	        .seconds = atof(argv[4]),
	        .most = INT64_MAX,
	        .body = batch_add_body,
	        .arg = &first,
	        .rate = atof(argv[2])};
	struct http_result r = http_run(b, &plan);

	printf("{\"held\":%d,\"per_s\":%.0f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"sent\":%" PRId64
	       ",\"refused\":%" PRId64 "}\n",
	        http_idle_close(b, fds, count), r.per_s, r.p50_ms, r.p99_ms, r.sent, r.refused);
}

static int64_t first_id(const char *answer)
{
	const char *at = strstr(answer, "\"id\":");

	/* The first "id" is the task's: its context and creator have none. */
	if (!at)
		die("an answer without a task: %s", answer);
	return atoll(at + 5);
}

/* chain TEMPLATE TIMES: one after the other, each waited for. Prints the first and last task id. */
static void run_chains(struct bench *b, char **argv)
{
	_cleanup_free_ char *body = xasprintf("{\"template\":\"%s\"}", argv[0]);
	int64_t first = 0, last = 0;

	for (int i = 0; i < atoi(argv[1]); i++) {
		char path[96];

		last = first_id(http_once(b, "/api/v2/obpipe/tasks", body));
		first = first ? first : last;
		snprintf(path, sizeof(path), "/api/v2/tasks/instances/%" PRId64, last);
		while (strstr(http_once(b, path, NULL), "\"status\":\"RUNNING\",\"subtasks\""))
			clock_sleep_ms(POLL_MS);
	}
	printf("{\"first\":%" PRId64 ",\"last\":%" PRId64 "}\n", first, last);
}

/* submit TEMPLATE COUNT TIMES EVERY_MS SLEEP_MS: COUNT tasks a request, SLEEP_MS each subtask. */
static void run_submit(struct bench *b, char **argv)
{
	int sleep_ms = atoi(argv[4]);
	_cleanup_free_ char *context =
	        sleep_ms ? xasprintf(",\"context\":{\"sleep_ms\":%d}", sleep_ms) : xstrdup("");
	_cleanup_free_ char *body = xasprintf(
	        "{\"template\":\"%s\",\"count\":%d%s}", argv[0], atoi(argv[1]), context);
	int64_t first = 0, last = 0, next_ms = clock_mono_ms();

	for (int i = 0; i < atoi(argv[2]); i++) {
		int64_t id = first_id(http_once(b, "/api/v2/obpipe/tasks", body));

		first = first ? first : id;
		last = id + atoi(argv[1]) - 1;
		next_ms += atoi(argv[3]);
		if (next_ms > clock_mono_ms())
			clock_sleep_ms(next_ms - clock_mono_ms());
	}
	printf("{\"first\":%" PRId64 ",\"last\":%" PRId64 "}\n", first, last);
}

static void measure_kafka(struct bench *b, char **argv)
{
	struct delays d = kafka_floor(b, atoi(argv[0]));

	printf("{\"p50_ms\":%.3f,\"p95_ms\":%.3f,\"p99_ms\":%.3f,\"per_s\":%.0f}\n", d.p50_ms,
	        d.p95_ms, d.p99_ms, kafka_floor_rate(b, atoi(argv[1])));
}

static void measure_produce(struct bench *b, char **argv)
{
	struct delays d;
	double per_s = produce_floor(b, atoi(argv[0]), atof(argv[1]), &d);

	printf("{\"per_s\":%.0f,\"p50_ms\":%.3f,\"p95_ms\":%.3f,\"p99_ms\":%.3f}\n", per_s,
	        d.p50_ms, d.p95_ms, d.p99_ms);
}

static void measure_events(struct bench *b, char **argv)
{
	struct delays d;
	int64_t seen = events_delay(b, atof(argv[0]), &d);

	printf("{\"events\":%" PRId64 ",\"p50_ms\":%.3f,\"p95_ms\":%.3f,\"p99_ms\":%.3f}\n", seen,
	        d.p50_ms, d.p95_ms, d.p99_ms);
}

static void check_events(struct bench *b, char **argv)
{
	FILE *out = fopen(argv[0], "we");

	if (!out)
		die("%s cannot be written", argv[0]);
	events_check(b, out);
	if (fclose(out) != 0)
		die("%s cannot be written", argv[0]);
}

static const struct measurement {
	const char *name;
	void (*run)(struct bench *b, char **argv);
	int arguments;
	const char *usage;
} measurements[] = {
        {"get", measure_get, 3, "PATH CONNECTIONS SECONDS"},
        {"post", measure_post, 4, "FIRST_HOST HOSTS CONNECTIONS SECONDS"},
        {"rate", measure_rate, 5, "FIRST_HOST RATE CONNECTIONS SECONDS PAUSE_MS"},
        {"idle", measure_idle, 5, "COUNT FIRST_HOST RATE CONNECTIONS SECONDS"},
        {"chain", run_chains, 2, "TEMPLATE TIMES"},
        {"submit", run_submit, 5, "TEMPLATE COUNT TIMES EVERY_MS SLEEP_MS"},
        {"kafka", measure_kafka, 2, "ROUNDS MESSAGES"},
        {"produce", measure_produce, 2, "WINDOW SECONDS"},
        {"events", measure_events, 1, "SECONDS"},
        {"check", check_events, 1, "FILE"},
};

static void read_settings(struct bench *b)
{
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	char user[256];
	int n;

	if (settings_load(&b->settings, SETTING_CLI, NULL, NULL, &errors) < 0)
		die("%s", errors.buf);
	if (sscanf(b->settings.url, "http://%63[^:]:%d", b->host, &b->port) != 2)
		die("OBPIPE_URL must be http://ADDRESS:PORT");
	n = snprintf(user, sizeof(user), "%s:%s", b->settings.user, b->settings.password);
	EVP_EncodeBlock((unsigned char *)b->login, (unsigned char *)user, n);
}

int main(int argc, char **argv)
{
	static struct bench b;

	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(measurements); i++) {
		const struct measurement *m = &measurements[i];

		if (strcmp(argv[1], m->name) != 0 || argc != 2 + m->arguments)
			continue;
		read_settings(&b);
		m->run(&b, argv + 2);
		settings_release(&b.settings);
		return EXIT_OK;
	}
	fputs("Usage: obpipe-bench MEASUREMENT ARGUMENTS\n", stderr);
	for (size_t i = 0; i < ARRAY_SIZE(measurements); i++)
		fprintf(stderr, "  %-8s %s\n", measurements[i].name, measurements[i].usage);
	return EXIT_USAGE;
}

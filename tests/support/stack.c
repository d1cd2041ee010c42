#include "tests/support/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/kafka.h"
#include "common/mem.h"
#include "common/strbuf.h"
#include "tests/support/http.h"
#include "tests/support/test.h"
#include "tests/support/topics.h"
#include "tests/support/wait_until.h"

#define PASSWORD "test-password"

static struct program *programs[64]; /* alive or stopped by a test; freed at the end */

static const char *need_env(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		fail_msg("%s is not set: integration tests need PostgreSQL and Kafka "
		         "(tests/run integration starts them)",
		        name);
	return value;
}

static const char *build_dir(void)
{
	const char *dir = getenv("OBPIPE_BUILD");

	return dir ? dir : "build";
}

/* ---- SQL ---- */

static PGresult *query(struct stack *s, const char *text)
{
	PGresult *res = PQexec(s->conn, text);

	if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK) {
		char *error = xstrdup(PQerrorMessage(s->conn));

		PQclear(res);
		PQreset(s->conn); /* a test may have restarted the server */
		res = PQexec(s->conn, text);
		if (PQresultStatus(res) != PGRES_TUPLES_OK)
			fail_msg("%s: %s", text, error);
		free(error);
	}
	return res;
}

static const char *vsql(struct stack *s, const char *fmt, va_list ap)
{
	static char *value;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	PGresult *res;
	bool found;

	strbuf_vaddf(&text, fmt, ap);
	res = query(s, text.buf);
	found = PQntuples(res) > 0;
	if (found) {
		free(value);
		value = xstrdup(PQgetvalue(res, 0, 0));
	}
	PQclear(res);
	return found ? value : NULL;
}

const char *sql(struct stack *s, const char *fmt, ...)
{
	const char *value;
	va_list ap;

	va_start(ap, fmt);
	value = vsql(s, fmt, ap);
	va_end(ap);
	return value;
}

int64_t sql_int(struct stack *s, const char *fmt, ...)
{
	const char *value;
	va_list ap;

	va_start(ap, fmt);
	value = vsql(s, fmt, ap);
	va_end(ap);
	return value ? strtoll(value, NULL, 10) : -1;
}

struct sql_wait {
	struct stack *s;
	char *text;
};

static bool sql_is_true(void *arg)
{
	struct sql_wait *w = arg;
	const char *value = sql(w->s, "%s", w->text);

	return value && *value == 't';
}

void wait_sql(struct stack *s, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	struct sql_wait w = {.s = s};
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	w.text = text.buf;
	if (!wait_until(sql_is_true, &w, SOON_MS))
		fail_msg("never true: %s", text.buf);
	strbuf_release(&text);
}

/* ---- programs ---- */

static void child_env(struct stack *s, const char *const *env)
{
	_cleanup_free_ char *prefix = xasprintf("%s.", s->name);

	setenv("OBPIPE_PG_DSN", s->dsn, 1);
	setenv("OBPIPE_KAFKA_BROKERS", s->brokers, 1);
	setenv("OBPIPE_TOPIC_PREFIX", prefix, 1);
	setenv("OBPIPE_HTTP_LISTEN", "127.0.0.1:0", 1);
	setenv("OBPIPE_WORKER_HTTP_LISTEN", "127.0.0.1:0", 1);
	setenv("OBPIPE_HEARTBEAT_MS", "100", 1);
	setenv("OBPIPE_VERDICT_MS", "2000", 1);
	/* A worker that was killed keeps its partitions this long, and new ones wait for it: 6 s
	 * unless set. */
	setenv("OBPIPE_KAFKA_OPTIONS", "session.timeout.ms=2000;heartbeat.interval.ms=300", 1);
	for (; env && *env; env++)
		putenv(xstrdup(*env));
}

/* The port it logged as "listening". */
static bool has_port(void *arg)
{
	struct program *p = arg;
	char *log = program_log(p), *at = strstr(log, "\"listening\"");
	char *port = at ? strstr(at, "\"port\":") : NULL;

	if (port)
		p->port = atoi(port + 7);
	else if (at && (port = strstr(at, "127.0.0.1:")))
		p->port = atoi(port + 10);
	free(log);
	return p->port != 0;
}

struct program *stack_start_only(struct stack *s, const char *program, const char *const *env)
{
	struct program *p = xcalloc(1, sizeof(*p));
	_cleanup_free_ char *path = xasprintf("%s/%s", build_dir(), program);
	char log[] = "/tmp/obpipe-test-XXXXXX";
	int fd = mkstemp(log);

	p->log = xstrdup(log);
	p->pid = fork();
	if (p->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd, STDERR_FILENO);
		child_env(s, env);
		execl(path, program, (char *)NULL);
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		_exit(127);
	}
	close(fd);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (!programs[i]) {
			programs[i] = p;
			break;
		}
	if (!wait_until(has_port, p, SOON_MS)) {
		char *text = program_log(p);

		fail_msg("%s did not start: %s", program, text);
	}
	return p;
}

static bool is_ready(void *arg)
{
	return program_ready(arg);
}

bool program_ready(struct program *p)
{
	_cleanup_free_ char *url = xasprintf("http://127.0.0.1:%d/readyz", p->port);

	return http_request("GET", url, NULL, NULL, NULL) == 200;
}

struct program *stack_start(struct stack *s, const char *program, const char *const *env)
{
	struct program *p = stack_start_only(s, program, env);

	if (!wait_until(is_ready, p, SOON_MS)) {
		char *text = program_log(p);

		fail_msg("%s is never ready: %s", program, text);
	}
	if (!strcmp(program, "obpipe-producer") && !s->url)
		s->url = xasprintf("http://127.0.0.1:%d", p->port);
	return p;
}

int program_signal(struct program *p, int number)
{
	int status = 0;

	kill(p->pid, number);
	if (number != SIGTERM && number != SIGKILL)
		return 0;
	waitpid(p->pid, &status, 0);
	p->pid = 0;
	return status;
}

static void program_free(struct program *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (programs[i] == p)
			programs[i] = NULL;
	if (!getenv("OBPIPE_KEEP_LOGS"))
		unlink(p->log);
	free(p->log);
	free(p);
}

void program_stop(struct program *p)
{
	if (p->pid) {
		kill(p->pid, SIGCONT);
		program_signal(p, SIGTERM);
	}
	program_free(p);
}

char *program_log(const struct program *p)
{
	return test_read_file(p->log, NULL);
}

int64_t program_status(const struct program *p, const char *name)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/status", p->pid);
	_cleanup_free_ char *text = test_read_file(path, NULL);
	_cleanup_free_ char *line = xasprintf("\n%s:", name);
	const char *at = strstr(text, line);

	if (at)
		return strtoll(at + strlen(line), NULL, 10);
	fail_msg("%s has no %s", path, name);
	return 0;
}

double program_metric(const struct program *p, const char *name)
{
	_cleanup_free_ char *url = xasprintf("http://127.0.0.1:%d/metrics", p->port);
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	size_t len = strlen(name);

	if (http_request("GET", url, NULL, NULL, &text) != 200)
		return 0;
	for (char *line = text.buf; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, len) && line[len] == ' ')
			return atof(line + len);
	}
	return 0;
}

/* ---- the stack ---- */

static int run(struct stack *s, char *const *argv, const char *input)
{
	_cleanup_free_ char *path = xasprintf("%s/obpipe", build_dir());
	int in[2], status;
	pid_t pid;

	if (pipe(in) < 0)
		fail_msg("pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(in[0], STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		close(in[1]);
		child_env(s, NULL);
		if (s->url)
			setenv("OBPIPE_URL", s->url, 1);
		setenv("OBPIPE_USER", "admin", 1);
		setenv("OBPIPE_PASSWORD", PASSWORD, 1);
		execv(path, argv);
		_exit(127);
	}
	close(in[0]);
	if (input && write(in[1], input, strlen(input)) < 0)
		fail_msg("write: %s", strerror(errno));
	close(in[1]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int obpipe(struct stack *s, const char *first, ...)
{
	char *argv[16] = {(char *)"obpipe", (char *)first};
	int n = 2;
	va_list ap;

	va_start(ap, first);
	while (n < 15 && (argv[n] = va_arg(ap, char *)))
		n++;
	va_end(ap);
	return run(s, argv, NULL);
}

static void admin_sql(const char *dsn, const char *fmt, const char *name)
{
	PGconn *conn = PQconnectdb(dsn);
	_cleanup_free_ char *text = NULL;
	PGresult *res;

	if (PQstatus(conn) != CONNECTION_OK)
		fail_msg("PostgreSQL: %s", PQerrorMessage(conn));
	if (asprintf(&text, fmt, name) < 0)
		abort();
	res = PQexec(conn, text);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", text, PQerrorMessage(conn));
	PQclear(res);
	PQfinish(conn);
}

/* The DSN with another database: a URI's path, or a later dbname=. */
static char *dsn_of(const char *dsn, const char *name)
{
	const char *slash = strstr(dsn, "://") ? strrchr(dsn, '/') : NULL;
	const char *query_part = slash ? strchr(slash, '?') : NULL;

	if (!slash)
		return xasprintf("%s dbname=%s", dsn, name);
	return xasprintf("%.*s/%s%s", (int)(slash - dsn), dsn, name, query_part ? query_part : "");
}

struct stack *stack_up(const char *name)
{
	struct stack *s = xcalloc(1, sizeof(*s));
	const char *dsn = need_env("OBPIPE_PG_DSN");
	char *user[] = {(char *)"obpipe", (char *)"user", (char *)"add", (char *)"admin", NULL};

	s->brokers = xstrdup(need_env("OBPIPE_KAFKA_BROKERS"));
	/* Process ids come round again, and topics of a run that died stay. */
	s->name = xasprintf("t_%s_%d_%lld", name, (int)getpid(), (long long)time(NULL));
	s->dsn = dsn_of(dsn, s->name);
	admin_sql(dsn, "CREATE DATABASE %s", s->name);
	s->conn = PQconnectdb(s->dsn);
	assert_int_equal(PQstatus(s->conn), CONNECTION_OK);
	assert_int_equal(obpipe(s, "migrate", NULL), 0);
	assert_int_equal(obpipe(s, "topics", NULL), 0);
	assert_int_equal(run(s, user, PASSWORD "\n"), 0);
	return s;
}

const char *stack_folder(struct stack *s)
{
	if (!s->folder) {
		char made[] = "/tmp/obpipe-test-XXXXXX";

		assert_non_null(mkdtemp(made));
		s->folder = xstrdup(made);
	}
	return s->folder;
}

static void remove_folder(struct stack *s)
{
	_cleanup_free_ char *line = NULL;

	if (!s->folder)
		return;
	line = xasprintf("rm -r %s", s->folder);
	assert_int_equal(system(line), 0);
	free(s->folder);
}

void stack_down(struct stack *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (programs[i])
			program_stop(programs[i]);
	remove_folder(s);
	PQfinish(s->conn);
	topics_delete(s);
	admin_sql(need_env("OBPIPE_PG_DSN"), "DROP DATABASE %s WITH (FORCE)", s->name);
	free(s->name);
	free(s->dsn);
	free(s->brokers);
	free(s->url);
	free(s);
}

/* ---- HTTP ---- */

long http(
        struct stack *s, const char *method, const char *path, const char *body, json_t **ret_json)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *url = xasprintf("%s%s", s->url, path);
	long status = http_request(method, url, "admin:" PASSWORD, body, &text);

	if (ret_json)
		*ret_json = json_loadb(text.buf ? text.buf : "", text.len, 0, NULL);
	return status;
}

int64_t submit(struct stack *s, const char *template, int count, const char *context)
{
	_cleanup_free_ char *body = xasprintf("{\"template\":\"%s\",\"count\":%d,\"context\":%s}",
	        template, count, context ? context : "{}");
	json_t *answer;
	long status = http(s, "POST", "/api/v2/obpipe/tasks", body, &answer);
	int64_t id;

	if (status != 200)
		fail_msg("submit answered %ld: %s", status,
		        json_string_value(
		                json_object_get(json_object_get(answer, "error"), "message")));
	id = json_integer_value(json_object_get(
	        json_array_get(json_object_get(json_object_get(answer, "data"), "contents"), 0),
	        "id"));
	json_decref(answer);
	return id;
}

void wait_tasks(struct stack *s, int64_t first, int count, const char *state)
{
	wait_sql(s,
	        "SELECT count(*) = %d FROM task_view WHERE task_id >= %lld AND task_id < %lld "
	        "AND state = '%s'",
	        count, (long long)first, (long long)first + count, state);
}

static void on_report(void *arg, void *opaque, enum kafka_outcome outcome, int32_t partition,
        int64_t offset, const char *error)
{
	*(enum kafka_outcome *)arg = outcome;
}

void publish(struct stack *s, const char *topic, const char *key, const char *value)
{
	struct settings settings = {.kafka_brokers = s->brokers,
	        .kafka_options = (char *)"",
	        .topic_prefix = xasprintf("%s.", s->name),
	        .publish_timeout_ms = 10000};
	struct err err = {0};
	enum kafka_outcome outcome = KAFKA_UNKNOWN;
	struct kafka_producer *p = kafka_producer_new(
	        &settings, KAFKA_REQUESTS, on_report, &outcome, &err);
	_cleanup_free_ char *full = kafka_topic(&settings, topic);

	assert_non_null(p);
	assert_int_equal(kafka_produce(p, full, KAFKA_ANY_PARTITION, key, key ? strlen(key) : 0,
	                         value, strlen(value), NULL, 0, NULL, &err),
	        0);
	kafka_producer_free(p, 10000);
	assert_int_equal(outcome, KAFKA_PERSISTED);
	free(settings.topic_prefix);
}

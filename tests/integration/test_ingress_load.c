/* The ingress under more than it can take: a full queue, many idle connections, too few files. */
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/strbuf.h"
#include "tests/support/stack.h"
#include "tests/support/wait_until.h"

#define IN_FLIGHT 4
#define IDLE 2000
/* admin:test-password, the stack's, as the header wants it. */
#define TEST_LOGIN_BASE64 "YWRtaW46dGVzdC1wYXNzd29yZA=="

static struct stack *s;

static int set_up(void **state)
{
	s = stack_up("ingress_load");
	return 0;
}

static int tear_down(void **state)
{
	stack_down(s);
	return 0;
}

static int dial(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	        .sin_port = htons((uint16_t)port),
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval timeout = {.tv_sec = 20};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Takes connections and never says a word: a broker that hangs. Returns its port. */
static int silent_broker(int *ret_fd)
{
	struct sockaddr_in address = {
	        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*ret_fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(*ret_fd, 64), 0);
	getsockname(*ret_fd, (struct sockaddr *)&address, &len);
	return ntohs(address.sin_port);
}

static void say(int fd, const char *path, const char *body)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "%s %s HTTP/1.1\r\nHost: t\r\nAuthorization: Basic %s\r\n",
	        body ? "POST" : "GET", path, TEST_LOGIN_BASE64);
	if (body)
		strbuf_addf(&text, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
		        strlen(body));
	strbuf_addf(&text, "\r\n%s", body ? body : "");
	assert_int_equal(write(fd, text.buf, text.len), (ssize_t)text.len);
}

/* The head of the next answer, whose body is short. */
static const char *hear(int fd)
{
	static char text[4096];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	assert_true(n > 12);
	text[n] = '\0';
	return text;
}

static bool knows_users_and_templates(void *arg)
{
	struct program *p = arg;
	int fd = dial(p->port);
	bool knows;

	/* Anything but "not read yet" and "not loaded": this one is refused for its count. */
	say(fd, "/api/v2/obpipe/tasks", "{\"template\":\"noop-chain\",\"count\":0}");
	knows = !strncmp(hear(fd) + 9, "400", 3) && program_metric(p, "obpipe_task_ids_left") > 0;
	close(fd);
	return knows;
}

static bool is_full(void *arg)
{
	return program_metric(arg, "obpipe_http_in_flight") >= IN_FLIGHT;
}

static void a_full_queue_is_answered_503(void **state)
{
	int broker, port = silent_broker(&broker), waiting[IN_FLIGHT];
	_cleanup_free_ char *brokers = xasprintf("OBPIPE_KAFKA_BROKERS=127.0.0.1:%d", port);
	const char *const env[] = {
	        brokers, "OBPIPE_HTTP_IN_FLIGHT=4", "OBPIPE_PUBLISH_TIMEOUT_MS=300000", NULL};
	struct program *p = stack_start_only(s, "obpipe-producer", env);
	const char *answer;

	assert_true(wait_until(knows_users_and_templates, p, SOON_MS));
	for (int i = 0; i < IN_FLIGHT; i++) {
		waiting[i] = dial(p->port);
		say(waiting[i], "/api/v2/obpipe/tasks", "{\"template\":\"noop-chain\"}");
	}
	assert_true(wait_until(is_full, p, SOON_MS));
	for (int i = 0; i < 10; i++) {
		int fd = dial(p->port);

		/* Twice: the connection is kept, so that clients need not dial to ask again. */
		for (int again = 0; again < 2; again++) {
			say(fd, "/api/v2/obpipe/tasks", "{\"template\":\"noop-chain\"}");
			answer = hear(fd);
			assert_memory_equal(answer + 9, "503", 3);
			assert_non_null(strcasestr(answer, "\r\nRetry-After: "));
			assert_non_null(strstr(answer, "COM10004"));
		}
		close(fd);
	}
	/* Nothing queued behind the door, and who asks for its health is told. */
	assert_int_equal(program_metric(p, "obpipe_http_in_flight"), IN_FLIGHT);
	assert_int_equal(program_metric(p, "obpipe_requests_refused_total{reason=\"busy\"}"), 20);
	for (int i = 0; i < IN_FLIGHT; i++)
		close(waiting[i]);
	program_signal(p, SIGKILL);
	close(broker);
}

static void idle_connections_are_held(void **state)
{
	const char *const env[] = {"OBPIPE_HTTP_CONNECTIONS=2048", NULL};
	struct program *p = stack_start(s, "obpipe-producer", env);
	int *idle = xcalloc(IDLE, sizeof(*idle));

	/* Before they come: the table grows slowly once there are threads. */
	assert_in_range(program_status(p, "FDSize"), IDLE, 100000);
	for (int i = 0; i < IDLE; i++) {
		idle[i] = dial(p->port);
		say(idle[i], "/healthz", NULL);
		assert_memory_equal(hear(idle[i]) + 9, "200", 3);
	}
	assert_true(submit(s, "noop-chain", 3, NULL) > 0);
	for (int i = 0; i < IDLE; i++) {
		say(idle[i], "/healthz", NULL);
		assert_memory_equal(hear(idle[i]) + 9, "200", 3);
		close(idle[i]);
	}
	free(idle);
	program_stop(p);
}

static void too_few_open_files_are_told(void **state)
{
	const char *const env[] = {"OBPIPE_HTTP_CONNECTIONS=12000", NULL};
	const struct rlimit low = {.rlim_cur = 300, .rlim_max = 300};
	struct program *p;
	char *log;

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0); /* for good: the last test */
	p = stack_start(s, "obpipe-producer", env);
	log = program_log(p);
	assert_non_null(strstr(log, "OBPIPE_HTTP_CONNECTIONS"));
	assert_non_null(strstr(log, "ulimit -Hn"));
	free(log);
	program_stop(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_full_queue_is_answered_503),
	        cmocka_unit_test(idle_connections_are_held),
	        cmocka_unit_test(too_few_open_files_are_told),
	};

	return cmocka_run_group_tests_name("ingress_load", tests, set_up, tear_down);
}

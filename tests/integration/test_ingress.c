/* The ingress: the seed's answer member by member, every bad input, credentials, two ingresses. */
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"
#include "tests/support/http.h"
#include "tests/support/stack.h"
#include "tests/support/wait_until.h"

#define BATCH_ADD "/api/v2/obproxy/clusters/1/obproxies/batchAdd"
#define VERSION "\"version\":\"obproxy-1.9.1.1-1919579.el7.x86_64.rpm\""
#define PORTS "\"sqlPort\":2883,\"exporterPort\":2884,"

static struct stack *s;
static struct program *ingress;

static void load_inventory(void)
{
	sql(s, "INSERT INTO obproxy_cluster (cluster_id, name, version, work_mode) VALUES "
	       "(1, 'test', '3.1.1', 'RS_LIST'), (4, 'four', '4.1.0', 'RS_LIST'), "
	       "(5, 'ports', '3.1.1', 'RS_LIST') RETURNING 1");
	sql(s, "UPDATE obproxy_cluster SET sql_port = 3000, exporter_port = 3001 "
	       "WHERE cluster_id = 5 RETURNING 1");
	sql(s, "INSERT INTO credential VALUES (1, 'root', 'root', '/nowhere') RETURNING 1");
	sql(s, "INSERT INTO host (host_id, name, address, host_key, credential_id, status, "
	       "architecture, operating_system, operating_system_release) "
	       "SELECT i, 'host' || i, '127.0.0.' || i, 'k', 1, "
	       "CASE i WHEN 90 THEN 'OFFLINE' WHEN 91 THEN 'DELETING' ELSE 'AVAILABLE' END, "
	       "CASE i WHEN 92 THEN 'aarch64' ELSE 'x86_64' END, 'Linux', 'el7' "
	       "FROM generate_series(1, 99) i RETURNING 1");
	sql(s, "INSERT INTO software_package (package_id, file_name, name, version, build_number, "
	       "operating_system, architecture, size, sha256, path) SELECT row_number() OVER (), "
	       "'obproxy-' || v || '-1919579.el7.x86_64.rpm', 'obproxy', v, '1919579', 'el7', "
	       "'x86_64', 1, '', '' FROM unnest(ARRAY['1.9.1.1','1.7.0','4.1.0']) v RETURNING 1");
	sql(s, "INSERT INTO obproxy (obproxy_id, cluster_id, host_id, sql_port, exporter_port, "
	       "version, architecture, status, operate_status) VALUES (900, 4, 93, 2883, 2884, "
	       "'v', "
	       "'x86_64', 'RUNNING', 'NORMAL') RETURNING 1");
	sql(s, "UPDATE inventory_version SET version = version + 1 RETURNING 1");
}

static bool has_inventory(void *arg)
{
	json_t *answer;
	bool has = http(s, "GET", "/api/v2/obproxy/clusters/5", NULL, &answer) == 200;

	json_decref(answer);
	return has;
}

static int set_up(void **state)
{
	s = stack_up("ingress");
	ingress = stack_start(s, "obpipe-producer", NULL);
	load_inventory();
	assert_true(wait_until(has_inventory, NULL, SOON_MS)); /* read without a restart */
	return 0;
}

static int tear_down(void **state)
{
	stack_down(s);
	return 0;
}

/* ---- the seed ---- */

static void shift_ids(json_t *subtasks, int64_t by)
{
	size_t i, n;
	json_t *subtask, *id;

	json_array_foreach (subtasks, i, subtask) {
		json_t *lists[] = {json_object_get(subtask, "upstreams"),
		        json_object_get(subtask, "downstreams")};

		json_integer_set(json_object_get(subtask, "id"),
		        json_integer_value(json_object_get(subtask, "id")) + by);
		for (int l = 0; l < 2; l++)
			json_array_foreach (lists[l], n, id)
				json_integer_set(id, json_integer_value(id) + by);
	}
}

static int64_t lowest_id(const json_t *subtasks)
{
	int64_t lowest = INT64_MAX;
	size_t i;
	json_t *subtask;

	json_array_foreach (subtasks, i, subtask) {
		int64_t id = json_integer_value(json_object_get(subtask, "id"));

		lowest = id < lowest ? id : lowest;
	}
	return lowest;
}

static void same_members(const json_t *is, const json_t *expected, const char *skip)
{
	const char *name;
	json_t *value;

	assert_int_equal(json_object_size(is), json_object_size(expected));
	json_object_foreach ((json_t *)expected, name, value) {
		const json_t *mine = json_object_get(is, name);

		if (!mine) {
			fail_msg("member %s is missing", name);
			return;
		}
		assert_int_equal(json_typeof(mine), json_typeof(value));
		if (!strstr(skip, name) && !json_equal(mine, value))
			fail_msg("member %s is not the seed's", name);
	}
}

static void the_seed_is_answered_field_for_field(void **state)
{
	char *text = test_read_file("tests/fixtures/seed/response.json", NULL);
	char *request = test_read_file("tests/fixtures/seed/request.json", NULL);
	json_t *seed = json_loads(text, 0, NULL), *answer, *mine, *theirs, *context;

	assert_int_equal(http(s, "POST", BATCH_ADD, request, &answer), 200);
	same_members(answer, seed, "data duration server timestamp traceId");
	theirs = json_array_get(json_object_get(json_object_get(seed, "data"), "contents"), 0);
	mine = json_array_get(json_object_get(json_object_get(answer, "data"), "contents"), 0);
	same_members(mine, theirs, "context id executor startTime subtasks");
	/* Ids are real ones; their order and every edge are the seed's. */
	shift_ids(json_object_get(theirs, "subtasks"),
	        lowest_id(json_object_get(mine, "subtasks")) -
	                lowest_id(json_object_get(theirs, "subtasks")));
	assert_true(
	        json_equal(json_object_get(mine, "subtasks"), json_object_get(theirs, "subtasks")));
	context = json_object_get(mine, "context");
	same_members(json_object_get(context, "stringMap"),
	        json_object_get(json_object_get(theirs, "context"), "stringMap"),
	        "obproxy_server_id");
	assert_true(json_equal(json_object_get(context, "listMap"),
	        json_object_get(json_object_get(theirs, "context"), "listMap")));
	assert_int_equal(strlen(json_string_value(json_object_get(answer, "traceId"))), 16);
	json_decref(answer);
	json_decref(seed);
	free(text);
	free(request);
}

/* ---- bad input ---- */

struct bad {
	const char *path, *body;
	long status;
	const char *code;   /* of the error; NULL: any */
	const char *fields; /* of the subErrors, comma separated; NULL: any */
};

#define HOST "\"hostIds\":[10],"
#define BAD(body, status, code, fields)                                                            \
	{                                                                                          \
		BATCH_ADD, body, status, code, fields                                              \
	}
static const struct bad bad_input[] = {
        BAD("{\"hostIds\":[10]", 400, "COM10001", ""),
        BAD("[]", 400, "COM10001", ""),
        BAD("{\"sqlPort\":1,\"sqlPort\":2}", 400, "COM10001", ""),
        BAD("{\"a\":\"\\u0000\"}", 400, "COM10001", ""),
        BAD("{\"a\":\"\xff\"}", 400, "COM10001", ""),
        BAD("\xef\xbb\xbf{}", 400, "COM10001", ""),
        BAD("{} x", 400, "COM10001", ""),
        BAD("{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", 400,
                "COM10001", ""),
        BAD("{}", 400, NULL, "hostIds,sqlPort,exporterPort,version"),
        BAD("{\"hostIds\":null,\"sqlPort\":null,\"exporterPort\":null,\"version\":null}", 400, NULL,
                "hostIds,sqlPort,exporterPort,version"),
        BAD("{" HOST "\"sqlPort\":\"2883\",\"exporterPort\":2884," VERSION "}", 400, NULL,
                "sqlPort"),
        BAD("{" HOST "\"sqlPort\":2883.5,\"exporterPort\":true," VERSION "}", 400, NULL,
                "sqlPort,exporterPort"),
        BAD("{" HOST "\"sqlPort\":2883.0,\"exporterPort\":3e3," VERSION "}", 400, NULL,
                "sqlPort,exporterPort"),
        BAD("{\"hostIds\":[]," PORTS VERSION "}", 400, NULL, "hostIds"),
        BAD("{\"hostIds\":[10,11,10]," PORTS VERSION "}", 400, NULL, "hostIds"),
        BAD("{\"hostIds\":[0,-1,9007199254740992]," PORTS VERSION "}", 400, NULL,
                "hostIds[0],hostIds[1],hostIds[2]"),
        BAD("{" HOST "\"sqlPort\":1024,\"exporterPort\":65536," VERSION "}", 400, NULL,
                "sqlPort,exporterPort"),
        BAD("{" HOST "\"sqlPort\":2883,\"exporterPort\":2883," VERSION "}", 400, NULL,
                "exporterPort"),
        BAD("{" HOST PORTS "\"version\":\"obproxy\"}", 400, "PKG10016", "version"),
        BAD("{" HOST PORTS "\"version\":\"../obproxy-1-1.el7.x86_64.rpm\"}", 400, "PKG10016",
                "version"),
        BAD("{" HOST PORTS "\"version\":\"obproxy-1.7.0-1919579.el7.x86_64.rpm\"}", 400, "ODP21110",
                "version"),
        BAD("{" HOST PORTS "\"version\":\"obproxy-4.1.0-1919579.el7.x86_64.rpm\"}", 400, "ODP21110",
                "version"),
        {"/api/v2/obproxy/clusters/4/obproxies/batchAdd", "{" HOST PORTS VERSION "}", 400,
                "ODP21110", "version"},
        {"/api/v2/obproxy/clusters/5/obproxies/batchAdd", "{" HOST PORTS VERSION "}", 400, NULL,
                "sqlPort,exporterPort"},
        BAD("{\"hostIds\":[92]," PORTS VERSION "}", 400, "CMP07025", "version"),
        BAD("{\"hostIds\":[10,777,778]," PORTS VERSION "}", 404, "CMP07005", "hostIds,hostIds"),
        BAD("{" HOST PORTS "\"version\":\"obproxy-9.9.9-1.el7.x86_64.rpm\"}", 404, "PKG10014",
                "version"),
        {"/api/v2/obproxy/clusters/77/obproxies/batchAdd", "{" HOST PORTS VERSION "}", 404,
                "ODP21001", "id"},
        BAD("{\"hostIds\":[90,91,93]," PORTS VERSION "}", 409, NULL, "hostIds,hostIds,hostIds"),
        {"/api/v2/obpipe/tasks", "{\"template\":\"nope\"}", 404, "COM10002", "template"},
        {"/api/v2/obpipe/tasks", "{\"template\":\"add-obproxy\"}", 400, NULL, "template"},
        {"/api/v2/obpipe/tasks",
                "{\"template\":\"noop-chain\",\"count\":0,\"context\":{\"a\":1.5}}", 400, NULL,
                "count,context.a"},
        {"/api/v2/nothing", "{}", 404, NULL, ""},
        {"/api/v2/obproxy/clusters/x/obproxies/batchAdd", "{}", 404, NULL, ""},
        {"/api/v2/tasks/instances/1", "{}", 405, NULL, ""},
        {"/api/v2/tasks/instances/99999999/subtasks/1/retry", NULL, 404, "TSK10001", ""},
};

static char *fields_of(const json_t *error)
{
	struct strbuf fields = STRBUF_INIT;
	size_t i;
	json_t *sub;

	json_array_foreach (json_object_get(error, "subErrors"), i, sub) {
		strbuf_adds(&fields, i ? "," : "");
		strbuf_adds(&fields, json_string_value(json_object_get(sub, "field")));
		assert_true(json_is_string(json_object_get(sub, "message")));
		assert_non_null(json_object_get(sub, "rejectedValue"));
	}
	return strbuf_detach(&fields, NULL);
}

static void bad_input_names_every_fault_and_changes_nothing(void **state)
{
	int64_t offset = sql_int(s, "SELECT count(*) FROM request");

	for (size_t i = 0; i < ARRAY_SIZE(bad_input); i++) {
		const struct bad *b = &bad_input[i];
		json_t *answer = NULL, *error;
		long status = http(s, "POST", b->path, b->body, &answer);
		_cleanup_free_ char *fields = NULL;

		if (status != b->status)
			fail_msg("%s: answered %ld, not %ld", b->body, status, b->status);
		error = json_object_get(answer, "error");
		fields = fields_of(error);
		if (b->fields && strcmp(fields, b->fields) != 0)
			fail_msg("%s: names %s, not %s", b->body, fields, b->fields);
		if (b->code)
			assert_string_equal(
			        json_string_value(json_object_get(error, "code")), b->code);
		assert_true(json_is_false(json_object_get(answer, "successful")));
		json_decref(answer);
	}
	assert_int_equal(sql_int(s, "SELECT count(*) FROM request"), offset);
}

static void credentials_are_checked(void **state)
{
	_cleanup_free_ char *url = xasprintf("%s/api/v2/obproxy/clusters", s->url);
	_cleanup_free_ char *open = xasprintf("%s/api/v2/time", s->url);

	assert_int_equal(http_request("GET", url, NULL, NULL, NULL), 401);
	assert_int_equal(http_request("GET", url, "admin:wrong", NULL, NULL), 401);
	assert_int_equal(http_request("GET", url, "nobody:test-password", NULL, NULL), 401);
	assert_int_equal(http_request("GET", url, "admin:test-password", NULL, NULL), 200);
	assert_int_equal(http_request("GET", open, NULL, NULL, NULL), 200);
}

static void a_host_is_taken_once(void **state)
{
	assert_int_equal(
	        http(s, "POST", BATCH_ADD, "{\"hostIds\":[20]," PORTS VERSION "}", NULL), 200);
	assert_int_equal(
	        http(s, "POST", BATCH_ADD, "{\"hostIds\":[21,20]," PORTS VERSION "}", NULL), 409);
	/* The refused one took nothing. */
	assert_int_equal(
	        http(s, "POST", BATCH_ADD, "{\"hostIds\":[21]," PORTS VERSION "}", NULL), 200);
}

/* ---- the wire ---- */

static int dial(const struct program *p)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	        .sin_port = htons((uint16_t)p->port),
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval timeout = {.tv_sec = 20};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void expect_status(int fd, const char *status)
{
	char answer[64] = "";
	ssize_t n = read(fd, answer, sizeof(answer) - 1);

	assert_true(n > 12);
	answer[12] = '\0';
	assert_string_equal(answer + 9, status);
	close(fd);
}

static void limits_hold_on_the_wire(void **state)
{
	struct strbuf flood = STRBUF_INIT;
	int fd = dial(ingress);

	say(fd, "POST " BATCH_ADD " HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
	        "Content-Length: 2\r\n\r\n{}");
	expect_status(fd, "415");
	fd = dial(ingress);
	say(fd, "POST " BATCH_ADD " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	        "Content-Length: 2000000\r\n\r\n");
	expect_status(fd, "413");
	strbuf_adds(&flood, "GET /healthz HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < 2000; i++)
		strbuf_addf(&flood, "X-Header-%d: %040d\r\n", i, i);
	fd = dial(ingress);
	(void)!write(fd, flood.buf, flood.len);
	expect_status(fd, "431");
	strbuf_release(&flood);
}

static void a_body_that_drips_is_answered_408(void **state)
{
	const char *const env[] = {"OBPIPE_HTTP_BODY_TIMEOUT_MS=500", NULL};
	struct program *strict = stack_start(s, "obpipe-producer", env);
	int fd;

	fd = dial(strict);
	say(fd, "POST " BATCH_ADD " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	        "Content-Length: 200\r\n\r\n{");
	expect_status(fd, "408");
	program_stop(strict);
}

static void two_ingresses_give_different_ids(void **state)
{
	struct program *second = stack_start(s, "obpipe-producer", NULL);
	_cleanup_free_ char *url = xasprintf("http://127.0.0.1:%d", second->port);
	char *first_url = s->url;
	int64_t a = submit(s, "noop-chain", 1, NULL), b;

	s->url = url;
	b = submit(s, "noop-chain", 1, NULL);
	s->url = first_url;
	assert_int_not_equal(a, b);
	program_stop(second);
}

static void bad_settings_are_all_named(void **state)
{
	const char *build = getenv("OBPIPE_BUILD") ? getenv("OBPIPE_BUILD") : "build";
	_cleanup_free_ char *command = xasprintf("env -u OBPIPE_PG_DSN OBPIPE_HTTP_LISTEN=nowhere "
	                                         "OBPIPE_PG_POOL=0 OBPIPE_KAFKA_BROKERS=x "
	                                         "%s/obpipe-producer 2>&1; echo code $?",
	        build);
	FILE *out = popen(command, "r");
	char text[8192] = "";
	size_t n = fread(text, 1, sizeof(text) - 1, out);

	pclose(out);
	assert_true(n > 0);
	assert_contains(text, "OBPIPE_PG_DSN");
	assert_contains(text, "OBPIPE_HTTP_LISTEN");
	assert_contains(text, "OBPIPE_PG_POOL");
	assert_contains(text, "code 2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_seed_is_answered_field_for_field),
	        cmocka_unit_test(bad_input_names_every_fault_and_changes_nothing),
	        cmocka_unit_test(credentials_are_checked),
	        cmocka_unit_test(a_host_is_taken_once),
	        cmocka_unit_test(limits_hold_on_the_wire),
	        cmocka_unit_test(a_body_that_drips_is_answered_408),
	        cmocka_unit_test(two_ingresses_give_different_ids),
	        cmocka_unit_test(bad_settings_are_all_named),
	};

	return cmocka_run_group_tests_name("ingress", tests, set_up, tear_down);
}

#include "tests/support/test.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "common/message.h"
#include "common/state.h"

#define SAMPLES "schema/messages/samples/"

/* ---- samples: the decoder accepts exactly what the JSON Schema accepts ---- */

typedef int (*decode_fn)(const char *text, size_t bytes, struct err *err);

static int decode_request(const char *text, size_t bytes, struct err *err)
{
	struct request r;
	int rc = request_decode(text, bytes, &r, err);
	if (rc == 0)
		request_release(&r);
	else
		assert_null(r.tasks);
	return rc;
}

static int decode_hint(const char *text, size_t bytes, struct err *err)
{
	struct hint h;
	return hint_decode(text, bytes, &h, err);
}

static void check_samples(const char *pattern, decode_fn decode, int expected)
{
	glob_t found;
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 3);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		size_t bytes;
		_cleanup_free_ char *text = test_read_file(found.gl_pathv[i], &bytes);
		struct err err = {0};
		if (decode(text, bytes, &err) != expected)
			fail_msg("%s: %s", found.gl_pathv[i], expected ? "accepted" : err.text);
		if (expected == 0)
			continue;
		assert_int_equal(err.kind, ERR_PERMANENT);
		assert_true(strlen(err.text) > 0);
		bool newer = strstr(found.gl_pathv[i], "schema-newer") != NULL;
		assert_string_equal(err.code, newer ? MESSAGE_TOO_NEW : "");
	}
	globfree(&found);
}

static void valid_requests_are_accepted(void **state)
{
	check_samples(SAMPLES "request/valid-*.json", decode_request, 0);
}

static void invalid_requests_are_refused(void **state)
{
	check_samples(SAMPLES "request/invalid-*.json", decode_request, -1);
}

static void valid_hints_are_accepted(void **state)
{
	check_samples(SAMPLES "hint/valid-*.json", decode_hint, 0);
}

static void invalid_hints_are_refused(void **state)
{
	check_samples(SAMPLES "hint/invalid-*.json", decode_hint, -1);
}

/* ---- requests ---- */

static struct request read_request(const char *path)
{
	size_t bytes;
	_cleanup_free_ char *text = test_read_file(path, &bytes);
	struct request r;
	struct err err = {0};
	if (request_decode(text, bytes, &r, &err) != 0)
		fail_msg("%s: %s", path, err.text);
	return r;
}

static void a_request_is_read(void **state)
{
	struct request r = read_request(SAMPLES "request/valid-seed.json");
	assert_string_equal(r.request_id, "5f0c7d9e2b1a4c3d8e6f7a8b9c0d1e2f");
	assert_string_equal(r.user, "admin");
	assert_string_equal(r.executor, "192.168.0.1");
	assert_int_equal(r.accepted_at_us, 1630657508004000);
	assert_string_equal(r.template, "add-obproxy");
	assert_int_equal(r.version, 1);
	assert_int_equal(r.cluster_id, 1);
	assert_int_equal(json_int(r.body, "sqlPort", 0), 2883);
	assert_int_equal(r.task_count, 1);
	assert_int_equal(r.tasks[0].task_id, 33001);
	assert_int_equal(r.tasks[0].first_subtask_id, 34796);
	assert_int_equal(r.tasks[0].host_id, 2);
	assert_int_equal(r.tasks[0].obproxy_server_id, 2);
	request_release(&r);
}

/* What is written is what was read, for every valid sample. */
static void requests_survive_the_way(void **state)
{
	glob_t found;
	assert_int_equal(glob(SAMPLES "request/valid-*.json", 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct request r = read_request(found.gl_pathv[i]);
		_cleanup_strbuf_ struct strbuf first = STRBUF_INIT;
		request_encode(&r, &first);
		request_release(&r);
		struct err err = {0};
		assert_int_equal(request_decode(first.buf, first.len, &r, &err), 0);
		_cleanup_strbuf_ struct strbuf second = STRBUF_INIT;
		request_encode(&r, &second);
		request_release(&r);
		assert_string_equal(first.buf, second.buf);
	}
	globfree(&found);
}

static void a_body_in_text_is_sent_as_it_is(void **state)
{
	static const char body[] = "{ \"hostIds\": [2],\n \"b\": 1.50 }";
	struct request r = read_request(SAMPLES "request/valid-seed.json");
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	r.body_text = body;
	r.body_text_bytes = strlen(body);
	request_encode(&r, &sb);
	assert_contains(sb.buf, body);
	request_release(&r);
	struct err err = {0};
	assert_int_equal(request_decode(sb.buf, sb.len, &r, &err), 0);
	assert_true(json_real_value(json_object_get(r.body, "b")) == 1.5);
	request_release(&r);
}

static void one_task_id_twice_is_refused(void **state)
{
	struct request r = read_request(SAMPLES "request/valid-noop-two-tasks.json");
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	r.tasks[1].task_id = r.tasks[0].task_id;
	request_encode(&r, &sb);
	request_release(&r);
	struct err err = {0};
	assert_int_equal(request_decode(sb.buf, sb.len, &r, &err), -1);
	assert_contains(err.text, "two tasks have the same \"task_id\"");
}

static void tasks_in_falling_order_are_accepted(void **state)
{
	struct request r = read_request(SAMPLES "request/valid-noop-two-tasks.json");
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	r.tasks[1].task_id = r.tasks[0].task_id;
	r.tasks[0].task_id = 50;
	request_encode(&r, &sb);
	request_release(&r);
	struct err err = {0};
	assert_int_equal(request_decode(sb.buf, sb.len, &r, &err), 0);
	request_release(&r);
}

static void faults_name_their_place(void **state)
{
	struct request r = read_request(SAMPLES "request/valid-noop-two-tasks.json");
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	r.tasks[1].host_id = -1;
	request_encode(&r, &sb);
	request_release(&r);
	struct err err = {0};
	assert_int_equal(request_decode(sb.buf, sb.len, &r, &err), -1);
	assert_contains(err.text, "task 2: \"host_id\" must be an integer from 0");
}

static void each_task_has_its_own_values(void **state)
{
	struct request r = read_request(SAMPLES "request/valid-seed.json");
	json_t *values = request_task_values(&r, &r.tasks[0]);
	assert_string_equal(json_text(values, "host_id"), "2");
	assert_string_equal(json_text(values, "obproxy_server_id"), "2");
	assert_string_equal(json_text(values, "task_id"), "33001");
	assert_string_equal(json_text(values, "cluster_name"), "test");
	assert_null(json_text(r.values, "host_id"));
	json_decref(values);
	request_release(&r);
}

/* ---- hints ---- */

static void hints_survive_the_way(void **state)
{
	static const struct hint hints[] = {
	        {1, 1}, {33001, 34801}, {JSON_SAFE_INTEGER_MAX, JSON_SAFE_INTEGER_MAX}};
	for (size_t i = 0; i < ARRAY_SIZE(hints); i++) {
		char text[HINT_BYTES_MAX];
		size_t bytes = hint_encode(&hints[i], text);
		struct hint again = {0};
		struct err err = {0};
		assert_true(bytes < HINT_BYTES_MAX);
		assert_int_equal(hint_decode(text, bytes, &again, &err), 0);
		assert_int_equal(again.task_id, hints[i].task_id);
		assert_int_equal(again.subtask_id, hints[i].subtask_id);
	}
}

/* ---- events: the samples are what the encoder writes ---- */

struct event_case {
	const char *sample;
	struct event_row row;
};

#define TRACEPARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static const struct event_case event_cases[] = {
        {"valid-created", {33001, 1, 3, 1630657508021000, "intake/17",
                                  "110:0:0 12:34801:0 10:34806:0", "add-obproxy", 1, TRACEPARENT}},
        {"valid-claimed",
                {33001, 14, 14, 1630657508024056, "worker/17", "30:34801:5", NULL, 0, NULL}},
        {"valid-succeeded-and-ready", {33001, 15, 16, 1630657509000001, "worker/17",
                                              "40:34801:5 20:34806:0", NULL, 0, TRACEPARENT}},
        {"valid-failed-with-task", {9007199254740991, 40, 41, 1630657510999999, "user/ad\"min",
                                           "42:9007199254740990:77 120:0:0", NULL, 0, NULL}},
};

static void events_are_their_samples(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(event_cases); i++) {
		_cleanup_free_ char *path = xasprintf(
		        SAMPLES "event/%s.json", event_cases[i].sample);
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
		struct err err = {0};
		if (event_encode(&event_cases[i].row, &sb, &err) != 0)
			fail_msg("%s: %s", path, err.text);
		strbuf_addc(&sb, '\n');
		size_t bytes;
		_cleanup_free_ char *sample = test_read_file(path, &bytes);
		assert_string_equal(sb.buf, sample);
	}
}

/* Every rule of the table can stand in an event, with its own states and reason. */
static void every_rule_can_be_told(void **state)
{
	for (size_t i = 0; i < state_rule_count; i++) {
		const struct state_rule *rule = &state_rules[i];
		bool task = rule->object == RULE_OF_TASK;
		_cleanup_free_ char *moves = xasprintf("%d:%d:9", (int)rule->rule, task ? 0 : 12);
		struct event_row row = {7, 3, 3, 1, "worker/1", moves, NULL, 0, NULL};
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
		struct err err = {0};
		assert_int_equal(event_encode(&row, &sb, &err), 0);
		json_t *event = json_parse_strict(sb.buf, sb.len, &err);
		assert_non_null(event);
		const json_t *move = json_array_get(
		        json_object_get(json_object_get(event, "data"), "moves"), 0);
		assert_int_equal(json_int(move, "number", 0), 3);
		assert_int_equal(json_int(move, "rule", 0), rule->rule);
		assert_int_equal(json_int(move, "subtask_id", 0), task ? 0 : 12);
		assert_int_equal(json_int(move, "claim", 0), 9);
		assert_string_equal(json_text(move, "object"), task ? "task" : "subtask");
		assert_string_equal(json_text(move, "reason"), rule->reason);
		const char *to = task ? task_state_name(rule->to) : subtask_state_name(rule->to);
		assert_string_equal(json_text(move, "to"), to);
		assert_int_equal(json_is_null(json_object_get(move, "from")), rule->from == 0);
		json_decref(event);
	}
}

static void wrong_moves_are_refused(void **state)
{
	static const struct {
		int64_t first, sequence;
		const char *moves;
	} rows[] = {
	        {1, 1, ""},
	        {1, 0, ""},
	        {0, 0, "30:1:1"},
	        {1, 2, "30:1:1"},
	        {1, 1, "30:1:1 40:1:1"},
	        {1, 1, "31:1:1"},
	        {1, 1, "999:1:1"},
	        {1, 1, "30:0:1"},
	        {1, 1, "110:5:0"},
	        {1, 1, "30:1"},
	        {1, 1, "30:1:"},
	        {1, 1, "30::1"},
	        {1, 1, "30:1:1 "},
	        {1, 2, "30:1:1  40:1:1"},
	        {1, 1, " 30:1:1"},
	        {1, 1, "30:-1:1"},
	        {1, 1, "30:1:99999999999999999999"},
	        {1, 1, "x"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct event_row row = {.task_id = 5,
		        .first = rows[i].first,
		        .sequence = rows[i].sequence,
		        .who = "worker/1",
		        .moves = rows[i].moves};
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
		strbuf_adds(&sb, "kept");
		struct err err = {0};
		if (event_encode(&row, &sb, &err) != -1)
			fail_msg("\"%s\" was accepted", rows[i].moves);
		assert_int_equal(err.kind, ERR_PERMANENT);
		assert_contains(err.text, "event 5/");
		assert_string_equal(sb.buf, "kept");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(valid_requests_are_accepted),
	        cmocka_unit_test(invalid_requests_are_refused),
	        cmocka_unit_test(valid_hints_are_accepted),
	        cmocka_unit_test(invalid_hints_are_refused),
	        cmocka_unit_test(a_request_is_read),
	        cmocka_unit_test(requests_survive_the_way),
	        cmocka_unit_test(a_body_in_text_is_sent_as_it_is),
	        cmocka_unit_test(one_task_id_twice_is_refused),
	        cmocka_unit_test(tasks_in_falling_order_are_accepted),
	        cmocka_unit_test(faults_name_their_place),
	        cmocka_unit_test(each_task_has_its_own_values),
	        cmocka_unit_test(hints_survive_the_way),
	        cmocka_unit_test(events_are_their_samples),
	        cmocka_unit_test(every_rule_can_be_told),
	        cmocka_unit_test(wrong_moves_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

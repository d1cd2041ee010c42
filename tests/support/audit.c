/* audit: the event topic against the rows (see stack.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/kafka.h"
#include "common/mem.h"
#include "common/state.h"
#include "tests/support/stack.h"
#include "tests/support/test.h"

#define NODES_MAX 64
#define POLL_MS 50

/* A task as its events tell it. */
struct replay {
	int64_t next; /* number of the move expected next */
	int state, operation;
	int64_t first_subtask;
	int subtasks[NODES_MAX];
	int operations[NODES_MAX]; /* of the subtasks */
};

struct auditor {
	struct stack *s;
	int64_t first;
	int count;
	struct replay *tasks;
};

static void apply(struct auditor *a, struct replay *r, const json_t *move)
{
	const struct state_rule *rule = state_rule_find(
	        (int)json_integer_value(json_object_get(move, "rule")));
	const json_t *subtask = json_object_get(move, "subtask_id");
	int *state = &r->state, *operation = &r->operation;

	if (!rule) {
		fail_msg("a move by a rule that is not in the table");
		return;
	}
	if (subtask) {
		int64_t id = json_integer_value(subtask);

		if (!r->first_subtask)
			r->first_subtask = id;
		assert_in_range(id - r->first_subtask, 0, NODES_MAX - 1);
		state = &r->subtasks[id - r->first_subtask];
		operation = &r->operations[id - r->first_subtask];
	}
	assert_int_equal(rule->object, subtask ? RULE_OF_SUBTASK : RULE_OF_TASK);
	if (*state != rule->from)
		fail_msg("rule %d moves from %d, the object is in %d", rule->rule, rule->from,
		        *state);
	*state = rule->to;
	if (rule->operation != OPERATION_NONE)
		*operation = (int)rule->operation;
}

/* By its key, which costs less than reading a million events of others. */
static bool is_ours(const struct auditor *a, const struct kafka_message *msg)
{
	char key[24] = "";
	int64_t task;

	assert_in_range(msg->key_bytes, 1, sizeof(key) - 1);
	memcpy(key, msg->key, msg->key_bytes);
	task = strtoll(key, NULL, 10);
	return task >= a->first && task < a->first + a->count;
}

static void take_event(struct auditor *a, const struct kafka_message *msg)
{
	json_t *event = json_loadb(msg->value, msg->value_bytes, 0, NULL);
	const json_t *data = json_object_get(event, "data");
	int64_t task = json_integer_value(json_object_get(data, "task_id"));
	int64_t first = json_integer_value(json_object_get(data, "first"));
	struct replay *r;
	size_t i;
	json_t *move;

	assert_non_null(event);
	assert_in_range(task, a->first, a->first + a->count - 1); /* as its key says */
	r = &a->tasks[task - a->first];
	if (first > r->next)
		fail_msg("task %lld: move %lld came when %lld was expected", (long long)task,
		        (long long)first, (long long)r->next);
	/* An exact copy of an earlier one is allowed. */
	json_array_foreach (json_object_get(data, "moves"), i, move)
		if (json_integer_value(json_object_get(move, "number")) == r->next) {
			apply(a, r, move);
			r->next++;
		}
	json_decref(event);
}

static bool complete(struct auditor *a)
{
	for (int i = 0; i < a->count; i++)
		if (a->tasks[i].next !=
		        1 + sql_int(a->s, "SELECT sequence FROM task WHERE task_id = %lld",
		                    (long long)a->first + i))
			return false;
	return true;
}

static void compare_rows(struct auditor *a, const struct replay *r, long long task)
{
	int nodes = (int)sql_int(a->s,
	        "SELECT node_count FROM template JOIN task USING (template_id) WHERE task_id = "
	        "%lld",
	        task);

	assert_string_equal("t",
	        sql(a->s, "SELECT (state, operation) = (%d, %d) FROM task WHERE task_id = %lld",
	                r->state, r->operation, task));
	for (int n = 0; n < nodes; n++)
		assert_string_equal(
		        "t", sql(a->s,
		                     /* Without a row it is PENDING. */
		                     "SELECT coalesce((SELECT (state, operation) FROM subtask "
		                     "WHERE task_id = %lld AND node = %d), (1::smallint, "
		                     "1::smallint)) = (%d::smallint, %d::smallint)",
		                     task, n, r->subtasks[n], r->operations[n]));
}

/* The counters of a task row must be what its subtasks say. */
static void compare_counters(struct auditor *a, long long task)
{
	assert_string_equal(
	        "t", sql(a->s,
	                     "SELECT (t.active, t.ready, t.failed, t.unfinished) = (SELECT "
	                     "count(*) FILTER (WHERE state IN (2,3,4)), "
	                     "count(*) FILTER (WHERE state = 2), "
	                     "count(*) FILTER (WHERE state = 5), "
	                     "p.node_count - count(*) FILTER (WHERE state = 6) "
	                     "FROM subtask s WHERE s.task_id = t.task_id) "
	                     "FROM task t JOIN template p USING (template_id) "
	                     "WHERE task_id = %lld",
	                     task));
}

static void compare(struct auditor *a)
{
	for (int i = 0; i < a->count; i++) {
		compare_rows(a, &a->tasks[i], (long long)a->first + i);
		compare_counters(a, (long long)a->first + i);
	}
}

void audit(struct stack *s, int64_t first, int count)
{
	struct auditor a = {.s = s,
	        .first = first,
	        .count = count,
	        .tasks = xcalloc((size_t)count, sizeof(*a.tasks))};
	struct settings settings = {.kafka_brokers = s->brokers,
	        .kafka_options = (char *)"",
	        .topic_prefix = xasprintf("%s.", s->name)};
	char *topic = kafka_topic(&settings, "events");
	struct kafka_partition parts[16];
	struct err err = {0};
	int n = 0;
	int64_t until = clock_mono_ms() + SOON_MS;
	struct kafka_consumer *c = kafka_consumer_new(
	        &settings, NULL, KAFKA_AHEAD_HISTORY_KIB, NULL, NULL, &err);

	assert_non_null(c);
	assert_int_equal(kafka_partition_count(&settings, topic, 10000, &n, &err), 0);
	assert_in_range(n, 1, 16);
	for (int i = 0; i < n; i++)
		parts[i] = (struct kafka_partition){topic, i, KAFKA_OFFSET_BEGINNING};
	for (int i = 0; i < count; i++)
		a.tasks[i].next = 1;
	assert_int_equal(kafka_consumer_assign(c, parts, (size_t)n, &err), 0);
	while (!complete(&a)) {
		struct kafka_message msg;

		while (kafka_consumer_poll(c, POLL_MS, &msg, &err) == 1) {
			if (is_ours(&a, &msg))
				take_event(&a, &msg);
			kafka_message_done(&msg);
			until = clock_mono_ms() + SOON_MS;
		}
		if (clock_mono_ms() > until)
			fail_msg("events are missing: task %lld has %lld moves on the topic",
			        (long long)first, (long long)a.tasks[0].next - 1);
	}
	compare(&a);
	kafka_consumer_free(c, 1000);
	free(settings.topic_prefix);
	free(topic);
	free(a.tasks);
}

/* The hint topic deleted while work goes on; a template whose types are served by two workers. */
#include "tests/support/test.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/kafka.h"
#include "common/mem.h"
#include "tests/support/stack.h"
#include "tests/support/wait_until.h"

#define ADMIN_MS 20000

static struct stack *s;

static int set_up(void **state)
{
	s = stack_up("topics");
	stack_start(s, "obpipe-producer", NULL);
	return 0;
}

static int tear_down(void **state)
{
	stack_down(s);
	return 0;
}

static struct settings settings_of(void)
{
	return (struct settings){.kafka_brokers = s->brokers,
	        .kafka_options = (char *)"",
	        .topic_prefix = xasprintf("%s.", s->name)};
}

static void check_deleted(rd_kafka_queue_t *queue)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ADMIN_MS);
	const rd_kafka_topic_result_t **results;
	size_t n = 0;

	assert_non_null(event);
	assert_int_equal(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR);
	results = rd_kafka_DeleteTopics_result_topics(
	        rd_kafka_event_DeleteTopics_result(event), &n);
	assert_int_equal(n, 1);
	assert_int_equal(rd_kafka_topic_result_error(results[0]), RD_KAFKA_RESP_ERR_NO_ERROR);
	rd_kafka_event_destroy(event);
}

static void delete_topic(const char *topic)
{
	char errstr[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_DeleteTopic_t *doomed = rd_kafka_DeleteTopic_new(topic);
	rd_kafka_queue_t *queue;
	rd_kafka_t *rk;

	assert_int_equal(
	        rd_kafka_conf_set(conf, "bootstrap.servers", s->brokers, errstr, sizeof(errstr)),
	        RD_KAFKA_CONF_OK);
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, errstr, sizeof(errstr));
	assert_non_null(rk);
	queue = rd_kafka_queue_new(rk);
	rd_kafka_DeleteTopics(rk, &doomed, 1, NULL, queue);
	check_deleted(queue);
	rd_kafka_queue_destroy(queue);
	rd_kafka_DeleteTopic_destroy(doomed);
	rd_kafka_destroy(rk);
}

static bool topic_is_gone(void *arg)
{
	struct settings settings = settings_of();
	struct err err = {0};
	int n = 0, rc = kafka_partition_count(&settings, arg, 5000, &n, &err);

	free(settings.topic_prefix);
	return rc != 0 || n == 0;
}

/* Does a chain of 12 run without one steal, by hints alone? */
static bool hints_arrive(void *arg)
{
	const struct program *worker = arg;
	double before = program_metric(worker, "obpipe_steals_total");
	int64_t id = submit(s, "noop-chain", 1, NULL);

	wait_tasks(s, id, 1, "SUCCESSFUL");
	return program_metric(worker, "obpipe_steals_total") == before;
}

static void a_deleted_hint_topic_only_slows_work_down(void **state)
{
	const char *const env[] = {"OBPIPE_STEAL_AFTER_MS=300", NULL};
	struct program *worker = stack_start(s, "obpipe-worker", env);
	struct settings settings = settings_of();
	_cleanup_free_ char *topic = kafka_subtask_topic(&settings, "noop");
	int64_t id = submit(s, "noop-chain", 20, "{\"sleep_ms\":50}"), more;
	double steals;

	free(settings.topic_prefix);
	wait_sql(s, "SELECT count(*) >= 40 FROM subtask WHERE task_id >= %lld AND state = 6",
	        (long long)id);
	delete_topic(topic);
	assert_true(wait_until(topic_is_gone, topic, SOON_MS));
	steals = program_metric(worker, "obpipe_steals_total");
	more = submit(s, "noop-diamond", 5, NULL);
	wait_tasks(s, id, 20, "SUCCESSFUL");
	wait_tasks(s, more, 5, "SUCCESSFUL");
	assert_true(program_metric(worker, "obpipe_steals_total") > steals);
	audit(s, id, 20);
	audit(s, more, 5);
	/* Made again, it is found by the worker that has been running all along. */
	assert_int_equal(obpipe(s, "topics", NULL), 0);
	assert_true(wait_until(hints_arrive, worker, 2 * SOON_MS));
	program_stop(worker);
}

/* ---- two workers, two types ---- */

/* noop-diamond with its join made a finish: a template of two types that need no host. */
static void load_two_types(void)
{
	const char *folder = stack_folder(s);
	_cleanup_free_ char *file = xasprintf("%s/two-types.json", folder);
	char *text = test_read_file("schema/templates/noop-diamond.json", NULL);
	json_t *template = json_loads(text, 0, NULL), *nodes = json_object_get(template, "nodes");

	free(text);
	assert_true(json_array_size(nodes) > 1);
	json_object_set_new(template, "name", json_string("two-types"));
	json_object_set_new(
	        json_array_get(nodes, json_array_size(nodes) - 1), "type", json_string("finish"));
	assert_int_equal(json_dump_file(template, file, 0), 0);
	json_decref(template);
	assert_int_equal(obpipe(s, "migrate", "--templates", folder, NULL), 0);
}

static bool knows_template(void *arg)
{
	return http(s, "POST", "/api/v2/obpipe/tasks", "{\"template\":\"two-types\"}", NULL) == 200;
}

static void two_workers_of_different_types_share_a_task(void **state)
{
	const char *const noops[] = {"OBPIPE_TYPES=noop", "OBPIPE_WORKER_NAME=noops", NULL};
	const char *const finishes[] = {"OBPIPE_TYPES=finish", "OBPIPE_WORKER_NAME=finishes", NULL};
	struct program *a, *b;
	int64_t id;

	load_two_types();
	assert_true(wait_until(knows_template, NULL, SOON_MS));
	a = stack_start(s, "obpipe-worker", noops);
	b = stack_start(s, "obpipe-worker", finishes);
	id = submit(s, "two-types", 20, NULL);
	wait_tasks(s, id, 20, "SUCCESSFUL");
	assert_int_equal(sql_int(s,
	                         "SELECT count(*) FROM subtask_view v JOIN worker w USING "
	                         "(worker_id) WHERE v.task_id >= %lld AND w.name <> v.type || "
	                         "CASE v.type WHEN 'noop' THEN 's' ELSE 'es' END",
	                         (long long)id),
	        0);
	audit(s, id, 20);
	program_stop(a);
	program_stop(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(two_workers_of_different_types_share_a_task),
	        cmocka_unit_test(a_deleted_hint_topic_only_slows_work_down),
	};

	return cmocka_run_group_tests_name("topics", tests, set_up, tear_down);
}

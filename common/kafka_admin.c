/* kafka_admin: making and verifying topics, and questions about the cluster. Blocking. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/kafka_internal.h"
#include "common/mem.h"

static rd_kafka_t *admin_open(const struct settings *settings, struct err *err)
{
	static const struct property own[] = {{NULL, NULL}};
	char text[256];
	rd_kafka_conf_t *conf = kafka_conf_new(settings, own, err);
	rd_kafka_t *rk;

	if (!conf)
		return NULL;
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
	if (!rk) {
		rd_kafka_conf_destroy(conf);
		err_set(err, ERR_FATAL, "", "Kafka: %s", text);
	}
	return rk;
}

static int metadata(
        rd_kafka_t *rk, int timeout_ms, const struct rd_kafka_metadata **ret, struct err *err)
{
	rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 1, NULL, ret, timeout_ms);

	return code ? kafka_err(err, code, "asking for the topics") : 0;
}

static const struct rd_kafka_metadata_topic *topic_in(
        const struct rd_kafka_metadata *md, const char *topic)
{
	for (int i = 0; i < md->topic_cnt; i++)
		if (!strcmp(md->topics[i].topic, topic))
			return &md->topics[i];
	return NULL;
}

static int partitions_in(const struct rd_kafka_metadata *md, const char *topic)
{
	const struct rd_kafka_metadata_topic *t = topic_in(md, topic);

	return t ? t->partition_cnt : 0;
}

/* Copies that its partition with the fewest has. */
static int replicas_in(const struct rd_kafka_metadata *md, const char *topic)
{
	const struct rd_kafka_metadata_topic *t = topic_in(md, topic);
	int fewest = 0;

	for (int i = 0; t && i < t->partition_cnt; i++)
		if (i == 0 || t->partitions[i].replica_cnt < fewest)
			fewest = t->partitions[i].replica_cnt;
	return fewest;
}

int kafka_partition_count(const struct settings *settings, const char *topic, int timeout_ms,
        int *ret_count, struct err *err)
{
	const struct rd_kafka_metadata *md;
	rd_kafka_t *rk = admin_open(settings, err);
	int rc;

	if (!rk)
		return -1;
	rc = metadata(rk, timeout_ms, &md, err);
	if (rc == 0) {
		*ret_count = partitions_in(md, topic);
		rd_kafka_metadata_destroy(md);
	}
	rd_kafka_destroy(rk);
	return rc;
}

int kafka_broker_count(
        const struct settings *settings, int timeout_ms, int *ret_count, struct err *err)
{
	const struct rd_kafka_metadata *md;
	rd_kafka_t *rk = admin_open(settings, err);
	int rc;

	if (!rk)
		return -1;
	rc = metadata(rk, timeout_ms, &md, err);
	if (rc == 0) {
		*ret_count = md->broker_cnt;
		rd_kafka_metadata_destroy(md);
	}
	rd_kafka_destroy(rk);
	return rc;
}

static rd_kafka_NewTopic_t *new_topic(const struct kafka_topic_spec *spec)
{
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
	        spec->name, spec->partitions, spec->replicas, NULL, 0);

	for (int i = 0; topic && spec->config[i]; i += 2)
		rd_kafka_NewTopic_set_config(topic, spec->config[i], spec->config[i + 1]);
	return topic;
}

static int created(rd_kafka_event_t *event, struct err *err)
{
	const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
	const rd_kafka_topic_result_t **topics;
	size_t count;

	if (rd_kafka_event_error(event))
		return kafka_err(err, rd_kafka_event_error(event), "making topics");
	topics = rd_kafka_CreateTopics_result_topics(result, &count);
	for (size_t i = 0; i < count; i++) {
		rd_kafka_resp_err_t code = rd_kafka_topic_result_error(topics[i]);

		/* Somebody else may be making them at the same moment. */
		if (code && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
			return err_set(err, ERR_PERMANENT, "", "Kafka: making topic %s: %s",
			        rd_kafka_topic_result_name(topics[i]),
			        rd_kafka_topic_result_error_string(topics[i]));
	}
	return 0;
}

static int create_missing(rd_kafka_t *rk, const struct rd_kafka_metadata *md,
        const struct kafka_topic_spec *specs, size_t count, int timeout_ms, struct err *err)
{
	rd_kafka_NewTopic_t **topics = xcalloc(count + 1, sizeof(*topics));
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_event_t *event;
	size_t missing = 0;
	int rc = 0;

	for (size_t i = 0; i < count; i++)
		if (partitions_in(md, specs[i].name) == 0)
			topics[missing++] = new_topic(&specs[i]);
	if (missing) {
		rd_kafka_CreateTopics(rk, topics, missing, NULL, queue);
		event = rd_kafka_queue_poll(queue, timeout_ms);
		rc = event ? created(event, err)
		           : err_set(err, ERR_RETRYABLE, "",
		                     "Kafka: no answer to making topics within %d ms", timeout_ms);
		if (event)
			rd_kafka_event_destroy(event);
	}
	rd_kafka_NewTopic_destroy_array(topics, missing);
	free(topics);
	rd_kafka_queue_destroy(queue);
	return rc;
}

static int compare_config(const struct kafka_topic_spec *spec,
        const rd_kafka_ConfigResource_t *resource, struct err *err)
{
	size_t count;
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);

	for (int i = 0; spec->config[i]; i += 2) {
		const char *is = NULL;

		for (size_t j = 0; j < count; j++)
			if (!strcmp(rd_kafka_ConfigEntry_name(entries[j]), spec->config[i]))
				is = rd_kafka_ConfigEntry_value(entries[j]);
		if (!is || strcmp(is, spec->config[i + 1]) != 0)
			return err_set(err, ERR_PERMANENT, "",
			        "topic %s has %s=%s but needs %s; change it with your Kafka tools "
			        "or remove the topic while it is empty",
			        spec->name, spec->config[i], is ? is : "(none)",
			        spec->config[i + 1]);
	}
	return 0;
}

static int described(rd_kafka_event_t *event, const struct kafka_topic_spec *specs, size_t count,
        struct err *err)
{
	const rd_kafka_ConfigResource_t **resources;
	size_t n;

	if (rd_kafka_event_error(event))
		return kafka_err(err, rd_kafka_event_error(event), "reading topic settings");
	resources = rd_kafka_DescribeConfigs_result_resources(
	        rd_kafka_event_DescribeConfigs_result(event), &n);
	for (size_t i = 0; i < n && i < count; i++) {
		/* A topic made a moment ago may not be known everywhere yet. */
		if (rd_kafka_ConfigResource_error(resources[i]))
			return kafka_err(
			        err, rd_kafka_ConfigResource_error(resources[i]), specs[i].name);
		if (compare_config(&specs[i], resources[i], err) < 0)
			return -1;
	}
	return 0;
}

static int describe(rd_kafka_t *rk, const struct kafka_topic_spec *specs, size_t count,
        int timeout_ms, struct err *err)
{
	rd_kafka_ConfigResource_t **resources = xcalloc(count, sizeof(*resources));
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_event_t *event;
	int rc;

	for (size_t i = 0; i < count; i++)
		resources[i] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, specs[i].name);
	rd_kafka_DescribeConfigs(rk, resources, count, NULL, queue);
	event = rd_kafka_queue_poll(queue, timeout_ms);
	rc = event ? described(event, specs, count, err)
	           : err_set(err, ERR_RETRYABLE, "",
	                     "Kafka: no answer about topic settings within %d ms", timeout_ms);
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_ConfigResource_destroy_array(resources, count);
	free(resources);
	rd_kafka_queue_destroy(queue);
	return rc;
}

static int verify_config(rd_kafka_t *rk, const struct kafka_topic_spec *specs, size_t count,
        int timeout_ms, struct err *err)
{
	int64_t until = clock_mono_ms() + timeout_ms;
	int rc = describe(rk, specs, count, timeout_ms, err);

	while (rc < 0 && strstr(err->text, "Unknown topic") && clock_mono_ms() < until) {
		clock_sleep_ms(50);
		rc = describe(rk, specs, count, timeout_ms, err);
	}
	return rc;
}

/* A topic that is there, by the metadata: partitions and replicas. */
static int verify_shape(
        const struct rd_kafka_metadata *md, const struct kafka_topic_spec *spec, struct err *err)
{
	int partitions = partitions_in(md, spec->name), replicas = replicas_in(md, spec->name);

	if (partitions != spec->partitions)
		return err_set(err, ERR_PERMANENT, "",
		        "topic %s has %d partitions but the settings say %d; the count is fixed "
		        "once a topic is made: set the setting back",
		        spec->name, partitions, spec->partitions);
	if (replicas < spec->replicas)
		return err_set(err, ERR_PERMANENT, "",
		        "topic %s has %d replicas but needs %d in a cluster of this size; add "
		        "replicas with your Kafka tools",
		        spec->name, replicas, spec->replicas);
	return 0;
}

static int verify_shapes(const struct rd_kafka_metadata *md, const struct kafka_topic_spec *specs,
        size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (partitions_in(md, specs[i].name) && verify_shape(md, &specs[i], err) < 0)
			return -1;
	return 0;
}

int kafka_topics_ensure(const struct settings *settings, const struct kafka_topic_spec *specs,
        size_t count, int timeout_ms, struct err *err)
{
	const struct rd_kafka_metadata *md;
	rd_kafka_t *rk = admin_open(settings, err);
	int rc;

	if (!rk)
		return -1;
	rc = metadata(rk, timeout_ms, &md, err);
	if (rc == 0) {
		rc = verify_shapes(md, specs, count, err);
		if (rc == 0)
			rc = create_missing(rk, md, specs, count, timeout_ms, err);
		rd_kafka_metadata_destroy(md);
	}
	if (rc == 0)
		rc = verify_config(rk, specs, count, timeout_ms, err);
	rd_kafka_destroy(rk);
	return rc;
}

/* One topic; -1: Kafka could not be asked. */
static int check_topic(rd_kafka_t *rk, const struct rd_kafka_metadata *md,
        const struct kafka_topic_spec *spec, int timeout_ms, kafka_topic_fn fn, void *arg,
        struct err *err)
{
	struct err problem = {0};
	int rc;

	if (!partitions_in(md, spec->name)) {
		fn(arg, spec, "it is missing");
		return 0;
	}
	rc = verify_shape(md, spec, &problem);
	if (rc == 0)
		rc = describe(rk, spec, 1, timeout_ms, &problem);
	if (rc < 0 && err_is_retryable(&problem)) {
		*err = problem;
		return -1;
	}
	fn(arg, spec, rc < 0 ? problem.text : NULL);
	return 0;
}

int kafka_topics_check(const struct settings *settings, const struct kafka_topic_spec *specs,
        size_t count, int timeout_ms, kafka_topic_fn fn, void *arg, struct err *err)
{
	const struct rd_kafka_metadata *md;
	rd_kafka_t *rk = admin_open(settings, err);
	int rc;

	if (!rk)
		return -1;
	rc = metadata(rk, timeout_ms, &md, err);
	if (rc == 0) {
		for (size_t i = 0; i < count && rc == 0; i++)
			rc = check_topic(rk, md, &specs[i], timeout_ms, fn, arg, err);
		rd_kafka_metadata_destroy(md);
	}
	rd_kafka_destroy(rk);
	return rc;
}

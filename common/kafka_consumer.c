#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/kafka_internal.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

struct kafka_consumer {
	kafka_assign_fn on_assign;
	void *arg;
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	int fd;
	bool in_group;
};

static rd_kafka_topic_partition_list_t *list_of(const struct kafka_partition *parts, size_t count)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

	for (size_t i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(list, parts[i].topic, parts[i].partition)
		        ->offset = parts[i].offset;
	return list;
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
        rd_kafka_topic_partition_list_t *list, void *opaque)
{
	struct kafka_consumer *c = opaque;
	bool assigned = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
	struct kafka_partition *parts = xcalloc((size_t)list->cnt + 1, sizeof(*parts));

	if (assigned)
		metric_add(METRIC_KAFKA_ASSIGNMENTS, 1);
	for (int i = 0; i < list->cnt; i++)
		parts[i] = (struct kafka_partition){.topic = list->elems[i].topic,
		        .partition = list->elems[i].partition,
		        .offset = KAFKA_OFFSET_COMMITTED};
	if (c->on_assign)
		c->on_assign(c->arg, assigned, parts, (size_t)list->cnt);
	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = parts[i].offset;
	code = rd_kafka_assign(rk, assigned ? list : NULL);
	if (code)
		log_warn("Kafka assignment refused", "reason", "s", rd_kafka_err2str(code));
	free(parts);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	metric_add_label(METRIC_KAFKA_ERRORS, rd_kafka_err2name((rd_kafka_resp_err_t)code), 1);
	log_debug("Kafka consumer", "reason", "s", reason);
}

struct kafka_consumer *kafka_consumer_new(const struct settings *settings, const char *group,
        int ahead_kib, kafka_assign_fn on_assign, void *arg, struct err *err)
{
	char kib[16], messages[16];
	const struct property own[] = {
	        {"enable.auto.commit", "false"},
	        {"enable.auto.offset.store", "false"},
	        {"auto.offset.reset", "earliest"},
	        /* The cooperative assignor of 2.0.2 loses assignments (kafka-postgres.md 3). */
	        {"partition.assignment.strategy", "roundrobin"},
	        {"session.timeout.ms", "6000"},
	        {"heartbeat.interval.ms", "1000"},
	        {"fetch.min.bytes", "1"},
	        /* A partition that was paused or just assigned waits so long for the fetch under
	         * way to return; at rest each return is work for both sides. */
	        {"fetch.wait.max.ms", "250"},
	        {"fetch.error.backoff.ms", "50"},
	        {"queued.min.messages", messages},
	        {"queued.max.messages.kbytes", kib},
	        {NULL, NULL},
	};
	const struct property grouped[] = {{"group.id", group}, {NULL, NULL}};
	struct kafka_consumer *c = xcalloc(1, sizeof(*c));
	char text[256];
	rd_kafka_conf_t *conf;

	snprintf(kib, sizeof(kib), "%d", ahead_kib);
	snprintf(messages, sizeof(messages), "%d", ahead_kib + ahead_kib / 4);
	conf = kafka_conf_new(settings, own, err);

	if (!conf)
		goto failed;
	/* Without a group librdkafka still wants a name for manual assignment; it never joins. */
	rd_kafka_conf_set(conf, "group.id", group ? grouped[0].value : "obpipe-no-group", NULL, 0);
	rd_kafka_conf_set_opaque(conf, c);
	rd_kafka_conf_set_error_cb(conf, on_error);
	if (group)
		rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
	c->on_assign = on_assign;
	c->arg = arg;
	c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
	if (!c->rk) {
		rd_kafka_conf_destroy(conf);
		err_set(err, ERR_FATAL, "", "Kafka consumer: %s", text);
		goto failed;
	}
	rd_kafka_poll_set_consumer(c->rk);
	c->queue = rd_kafka_queue_get_consumer(c->rk);
	c->fd = kafka_queue_fd(c->queue);
	return c;
failed:
	free(c);
	return NULL;
}

static void *close_thread(void *arg)
{
	struct kafka_consumer *c = arg;

	rd_kafka_consumer_close(c->rk);
	rd_kafka_queue_io_event_enable(c->queue, -1, NULL, 0);
	rd_kafka_queue_destroy(c->queue);
	rd_kafka_destroy(c->rk);
	close(c->fd);
	free(c);
	return NULL;
}

/* In a thread: closing can hang in 2.0.2 when a partition was lost, and may not hang the exit. */
void kafka_consumer_free(struct kafka_consumer *c, int close_ms)
{
	pthread_t thread;
	struct timespec until;

	if (!c)
		return;
	c->on_assign = NULL; /* the owner's state is not touched from the thread */
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += close_ms / 1000;
	until.tv_nsec += close_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	if (pthread_create(&thread, NULL, close_thread, c) != 0) {
		close_thread(c);
		return;
	}
	if (pthread_timedjoin_np(thread, NULL, &until) != 0) {
		log_warn("Kafka consumer did not close in time; left behind", "ms", "i",
		        (int64_t)close_ms);
		pthread_detach(thread);
	}
}

int kafka_consumer_fd(const struct kafka_consumer *c)
{
	return c->fd;
}

void kafka_consumer_drain(struct kafka_consumer *c)
{
	kafka_drain_fd(c->fd);
}

void kafka_consumer_again(struct kafka_consumer *c)
{
	static const uint64_t one = 1;
	ssize_t n = write(c->fd, &one, sizeof(one));

	(void)n; /* full counter: readable anyway */
}

int kafka_consumer_subscribe(
        struct kafka_consumer *c, const char *const *topics, size_t count, struct err *err)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
	rd_kafka_resp_err_t code;

	for (size_t i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(list, topics[i], RD_KAFKA_PARTITION_UA);
	code = rd_kafka_subscribe(c->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return code ? kafka_err(err, code, "subscribe") : 0;
}

int kafka_consumer_assign(struct kafka_consumer *c, const struct kafka_partition *parts,
        size_t count, struct err *err)
{
	rd_kafka_topic_partition_list_t *list = list_of(parts, count);
	rd_kafka_resp_err_t code = rd_kafka_assign(c->rk, list);

	rd_kafka_topic_partition_list_destroy(list);
	return code ? kafka_err(err, code, "assign") : 0;
}

int kafka_consumer_poll(
        struct kafka_consumer *c, int wait_ms, struct kafka_message *ret_msg, struct err *err)
{
	rd_kafka_message_t *m = rd_kafka_consumer_poll(c->rk, wait_ms);

	if (!m)
		return 0;
	if (m->err) {
		bool fatal = m->err == RD_KAFKA_RESP_ERR__FATAL;

		kafka_err(err, m->err, m->rkt ? rd_kafka_topic_name(m->rkt) : "consumer");
		if (fatal)
			err->kind = ERR_FATAL;
		rd_kafka_message_destroy(m);
		return -1;
	}
	*ret_msg = (struct kafka_message){
	        .topic = rd_kafka_topic_name(m->rkt),
	        .partition = m->partition,
	        .offset = m->offset,
	        .timestamp_ms = rd_kafka_message_timestamp(m, NULL),
	        .key = m->key,
	        .key_bytes = m->key_len,
	        .value = m->payload,
	        .value_bytes = m->len,
	        .opaque = m,
	};
	return 1;
}

void kafka_message_done(struct kafka_message *msg)
{
	rd_kafka_message_destroy(msg->opaque);
	msg->opaque = NULL;
}

const void *kafka_message_header(
        const struct kafka_message *msg, const char *name, size_t *ret_bytes)
{
	rd_kafka_headers_t *headers;
	const void *value;

	if (rd_kafka_message_headers(msg->opaque, &headers) ||
	        rd_kafka_header_get_last(headers, name, &value, ret_bytes))
		return NULL;
	return value;
}

void kafka_consumer_commit(
        struct kafka_consumer *c, const struct kafka_partition *parts, size_t count)
{
	rd_kafka_topic_partition_list_t *list = list_of(parts, count);

	/* Without waiting and without a report: a lost commit means hints are read twice. */
	rd_kafka_commit(c->rk, list, 1);
	rd_kafka_topic_partition_list_destroy(list);
}

void kafka_consumer_pause(
        struct kafka_consumer *c, const char *topic, int32_t partition, bool pause)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, topic, partition);
	if (pause)
		rd_kafka_pause_partitions(c->rk, list);
	else
		rd_kafka_resume_partitions(c->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
}

int kafka_consumer_seek(struct kafka_consumer *c, const char *topic, int32_t partition,
        int64_t offset, struct err *err)
{
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(c->rk, topic, NULL);
	rd_kafka_resp_err_t code;

	if (!rkt)
		return kafka_err(err, rd_kafka_last_error(), topic);
	code = rd_kafka_seek(rkt, partition, offset, 5000);
	rd_kafka_topic_destroy(rkt);
	return code ? kafka_err(err, code, topic) : 0;
}

int kafka_consumer_watermarks(struct kafka_consumer *c, const char *topic, int32_t partition,
        int timeout_ms, int64_t *ret_low, int64_t *ret_high, struct err *err)
{
	rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
	        c->rk, topic, partition, ret_low, ret_high, timeout_ms);

	return code ? kafka_err(err, code, topic) : 0;
}

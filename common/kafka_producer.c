#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/kafka_internal.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

#define TOPICS_MAX 256

struct kafka_producer {
	const struct settings *settings;
	enum kafka_producer_kind kind;
	kafka_report_fn on_report;
	void *arg;
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	int fd;
	bool fatal;                           /* set by a callback, acted on after the poll */
	rd_kafka_topic_t *topics[TOPICS_MAX]; /* known ones, so that their metadata stay */
	int topic_count;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *msg, void *opaque)
{
	struct kafka_producer *p = opaque;
	enum kafka_outcome outcome = KAFKA_PERSISTED;
	bool stored;

	if (!p->on_report)
		return;
	switch (rd_kafka_message_status(msg)) {
	case RD_KAFKA_MSG_STATUS_PERSISTED:
		break;
	case RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED:
		outcome = KAFKA_UNKNOWN;
		break;
	case RD_KAFKA_MSG_STATUS_NOT_PERSISTED:
		outcome = KAFKA_NOT_PERSISTED;
		break;
	}
	stored = outcome == KAFKA_PERSISTED;
	p->on_report(p->arg, msg->_private, outcome, stored ? msg->partition : -1,
	        stored ? msg->offset : -1, msg->err ? rd_kafka_err2str(msg->err) : "");
}

/* Of hints never: several threads use that producer, so it cannot be rebuilt under them. */
static void meet_fatal(struct kafka_producer *p)
{
	if (p->kind != KAFKA_HINTS)
		p->fatal = true;
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	struct kafka_producer *p = opaque;

	metric_add_label(METRIC_KAFKA_ERRORS, rd_kafka_err2name((rd_kafka_resp_err_t)code), 1);
	if (code == RD_KAFKA_RESP_ERR__FATAL)
		meet_fatal(p);
	else
		log_debug("Kafka producer", "reason", "s", reason);
}

static int open_handle(struct kafka_producer *p, struct err *err)
{
	char timeout[24];
	const struct property durable[] = {
	        {"enable.idempotence", "true"},
	        /* A batch goes when it is whole (flush): sent at once, its first message would go
	         * alone and the others wait for a round trip. */
	        {"linger.ms", p->kind == KAFKA_BATCHES ? "50" : "0"},
	        /*
	         * What comes while one produce request is out goes into the next: batching without
	         * delay. With the default 5 librdkafka's broker thread spins on a full window.
	         */
	        {"max.in.flight", "1"},
	        {"message.timeout.ms", timeout},
	        /* Batches come as fast as rows are read, however many wait: 100,000 events would
	         * be more memory than a worker is to have. */
	        {"queue.buffering.max.messages", p->kind == KAFKA_BATCHES ? "10000" : "100000"},
	        {"partitioner", "murmur2_random"},
	        {NULL, NULL},
	};
	const struct property hints[] = {
	        {"acks", "1"},
	        {"linger.ms", "0"},
	        {"max.in.flight", "1"}, /* as above */
	        {"message.timeout.ms", "2000"},
	        {"queue.buffering.max.messages", "100000"},
	        {"partitioner", "murmur2_random"},
	        /* A hint is worth less than the memory to remember it for longer. */
	        {"message.send.max.retries", "2"},
	        {NULL, NULL},
	};
	char text[256];
	rd_kafka_conf_t *conf;

	snprintf(timeout, sizeof(timeout), "%lld",
	        p->kind == KAFKA_REQUESTS ? (long long)p->settings->publish_timeout_ms : 300000LL);
	conf = kafka_conf_new(p->settings, p->kind == KAFKA_HINTS ? hints : durable, err);
	if (!conf)
		return -1;
	rd_kafka_conf_set_opaque(conf, p);
	rd_kafka_conf_set_error_cb(conf, on_error);
	if (p->on_report)
		rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
	if (!p->rk) {
		rd_kafka_conf_destroy(conf);
		return err_set(err, ERR_FATAL, "", "Kafka producer: %s", text);
	}
	p->queue = rd_kafka_queue_get_main(p->rk);
	p->fd = kafka_queue_fd(p->queue);
	return 0;
}

static void close_handle(struct kafka_producer *p)
{
	rd_kafka_queue_io_event_enable(p->queue, -1, NULL, 0);
	rd_kafka_queue_destroy(p->queue);
	for (int i = 0; i < p->topic_count; i++)
		rd_kafka_topic_destroy(p->topics[i]);
	p->topic_count = 0;
	rd_kafka_destroy(p->rk);
}

struct kafka_producer *kafka_producer_new(const struct settings *settings,
        enum kafka_producer_kind kind, kafka_report_fn on_report, void *arg, struct err *err)
{
	struct kafka_producer *p = xcalloc(1, sizeof(*p));

	p->settings = settings;
	p->kind = kind;
	p->on_report = on_report;
	p->arg = arg;
	if (open_handle(p, err) == 0)
		return p;
	free(p);
	return NULL;
}

void kafka_producer_free(struct kafka_producer *p, int flush_ms)
{
	if (!p)
		return;
	rd_kafka_flush(p->rk, flush_ms);
	rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	while (rd_kafka_poll(p->rk, 0) > 0)
		;
	close_handle(p);
	close(p->fd);
	free(p);
}

void kafka_producer_know(struct kafka_producer *p, const char *topic)
{
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(p->rk, topic, NULL);

	if (!rkt)
		return; /* producing to it reports why */
	if (p->topic_count == TOPICS_MAX)
		rd_kafka_topic_destroy(rkt);
	else
		p->topics[p->topic_count++] = rkt;
}

int kafka_producer_fd(const struct kafka_producer *p)
{
	return p->fd;
}

/*
 * An idempotent producer that met a fatal error never sends again (librdkafka before 2.3 also on a
 * timeout after sending). Its messages are reported, then a new handle takes its place behind the
 * same fd number, so that the loop's watch stays valid.
 */
static void rebuild(struct kafka_producer *p)
{
	char text[256];
	struct err err = {0};
	int old_fd = p->fd;

	rd_kafka_fatal_error(p->rk, text, sizeof(text));
	log_error("Kafka producer is rebuilt after a fatal error", "reason", "s", text);
	metric_add(METRIC_KAFKA_REBUILDS, 1);
	rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	for (int i = 0; i < 100 && rd_kafka_outq_len(p->rk) > 0; i++)
		rd_kafka_poll(p->rk, 10);
	close_handle(p);
	p->fatal = false;
	if (open_handle(p, &err) < 0)
		BUG("cannot rebuild the Kafka producer: %s", err.text);
	rd_kafka_queue_io_event_enable(p->queue, -1, NULL, 0);
	close(p->fd);
	p->fd = old_fd;
	static const uint64_t one = 1;
	rd_kafka_queue_io_event_enable(p->queue, old_fd, &one, sizeof(one));
	/* What the new handle has to say already: see kafka_queue_fd(). */
	eventfd_write(old_fd, one);
}

int kafka_producer_poll(struct kafka_producer *p)
{
	int served, all = 0;

	kafka_drain_fd(p->fd);
	while ((served = rd_kafka_poll(p->rk, 0)) > 0)
		all += served;
	if (p->fatal)
		rebuild(p);
	return all;
}

void kafka_producer_flush(struct kafka_producer *p, int wait_ms)
{
	rd_kafka_flush(p->rk, wait_ms);
	kafka_producer_poll(p);
}

int kafka_producer_queued(const struct kafka_producer *p)
{
	return rd_kafka_outq_len(p->rk);
}

static rd_kafka_headers_t *make_headers(const struct kafka_header *headers, size_t count)
{
	rd_kafka_headers_t *list = NULL;

	for (size_t i = 0; i < count; i++) {
		if (!headers[i].value)
			continue;
		if (!list)
			list = rd_kafka_headers_new(count);
		rd_kafka_header_add(
		        list, headers[i].name, -1, headers[i].value, (ssize_t)headers[i].bytes);
	}
	return list;
}

int kafka_produce(struct kafka_producer *p, const char *topic, int32_t partition, const void *key,
        size_t key_bytes, const void *value, size_t value_bytes, const struct kafka_header *headers,
        size_t header_count, void *opaque, struct err *err)
{
	rd_kafka_headers_t *list = make_headers(headers, header_count);
	rd_kafka_resp_err_t code = rd_kafka_producev(p->rk, RD_KAFKA_V_TOPIC(topic),
	        RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
	        RD_KAFKA_V_KEY(key, key_bytes), RD_KAFKA_V_VALUE((void *)value, value_bytes),
	        RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_HEADERS(list), RD_KAFKA_V_END);

	if (!code)
		return 0;
	if (list)
		rd_kafka_headers_destroy(list);
	if (code == RD_KAFKA_RESP_ERR__FATAL)
		meet_fatal(p);
	return kafka_err(err, code, topic);
}

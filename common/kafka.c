#include "common/kafka.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/kafka_internal.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

char *kafka_topic(const struct settings *settings, const char *name)
{
	return xasprintf("%s%s", settings->topic_prefix, name);
}

char *kafka_subtask_topic(const struct settings *settings, const char *type_name)
{
	return xasprintf("%ssubtasks.%s", settings->topic_prefix, type_name);
}

/* Errors that no second try by the caller mends. */
static bool is_permanent(rd_kafka_resp_err_t code)
{
	switch (code) {
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR__INVALID_ARG:
		return true;
	default:
		return false;
	}
}

int kafka_err(struct err *err, rd_kafka_resp_err_t code, const char *what)
{
	return err_set(err, is_permanent(code) ? ERR_PERMANENT : ERR_RETRYABLE, "", "Kafka: %s: %s",
	        what, rd_kafka_err2str(code));
}

static void on_log(const rd_kafka_t *rk, int level, const char *fac, const char *buf)
{
	/* syslog levels: 3 error, 4 warning; broker loss is counted and reported by who waits. */
	log_event(level <= 2 ? LOG_ERROR : LOG_DEBUG, buf, "client", "s",
	        rk ? rd_kafka_name(rk) : "", "facility", "s", fac, NULL);
}

static int set_property(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err)
{
	char text[256];

	if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK)
		return 0;
	return err_set(err, ERR_FATAL, "", "Kafka property %s: %s", name, text);
}

/* name=value[;name=value...] */
static int set_options(rd_kafka_conf_t *conf, const char *options, struct err *err)
{
	_cleanup_free_ char *copy = xstrdup(options);
	char *save = NULL;

	for (char *pair = strtok_r(copy, ";", &save); pair; pair = strtok_r(NULL, ";", &save)) {
		char *equals = strchr(pair, '=');

		if (!equals)
			return err_set(err, ERR_FATAL, "",
			        "OBPIPE_KAFKA_OPTIONS: \"%s\" is not name=value", pair);
		*equals = '\0';
		if (set_property(conf, pair, equals + 1, err) < 0)
			return -1;
	}
	return 0;
}

rd_kafka_conf_t *kafka_conf_new(
        const struct settings *settings, const struct property *own, struct err *err)
{
	static const struct property everywhere[] = {
	        /* A long client id can crash 2.0.2 in buffer handling; a short one is enough. */
	        {"client.id", "obpipe"},
	        {"socket.nagle.disable", "true"},
	        {"socket.keepalive.enable", "true"},
	        {"reconnect.backoff.ms", "50"},
	        {"reconnect.backoff.max.ms", "1000"},
	        {"allow.auto.create.topics", "false"},
	        {"log.connection.close", "false"},
	        {"topic.metadata.refresh.interval.ms", "10000"},
	        {NULL, NULL},
	};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	rd_kafka_conf_set_log_cb(conf, on_log);
	if (set_property(conf, "bootstrap.servers", settings->kafka_brokers, err) < 0)
		goto refused;
	for (const struct property *p = everywhere; p->name; p++)
		if (set_property(conf, p->name, p->value, err) < 0)
			goto refused;
	for (const struct property *p = own; p->name; p++)
		if (set_property(conf, p->name, p->value, err) < 0)
			goto refused;
	if (set_options(conf, settings->kafka_options, err) < 0)
		goto refused;
	return conf;
refused:
	rd_kafka_conf_destroy(conf);
	return NULL;
}

int kafka_queue_fd(rd_kafka_queue_t *queue)
{
	static const uint64_t one = 1;
	/*
	 * Readable from the start: librdkafka writes when an empty queue gets its first event, and
	 * this one can have some already (brokers that are away). Nobody would be woken ever after.
	 */
	int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		BUG("eventfd: %s", strerror(errno));
	rd_kafka_queue_io_event_enable(queue, fd, &one, sizeof(one));
	return fd;
}

void kafka_drain_fd(int fd)
{
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));

	(void)n; /* empty: nothing to drain */
}

#include "tests/support/topics.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"

#define ANSWER_MS 20000

static rd_kafka_t *connect_to(const struct stack *s)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[256];

	if (rd_kafka_conf_set(conf, "bootstrap.servers", s->brokers, text, sizeof(text)) !=
	        RD_KAFKA_CONF_OK)
		BUG("bootstrap.servers=%s: %s", s->brokers, text);
	return rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
}

/* Those of the stack; *ret has room for all there are. */
static size_t find(
        const struct stack *s, const struct rd_kafka_metadata *md, rd_kafka_DeleteTopic_t **ret)
{
	_cleanup_free_ char *prefix = xasprintf("%s.", s->name);
	size_t count = 0;

	for (int i = 0; i < md->topic_cnt; i++)
		if (!strncmp(md->topics[i].topic, prefix, strlen(prefix)))
			ret[count++] = rd_kafka_DeleteTopic_new(md->topics[i].topic);
	return count;
}

static void delete_all(rd_kafka_t *rk, rd_kafka_DeleteTopic_t **topics, size_t count)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_event_t *event;

	rd_kafka_DeleteTopics(rk, topics, count, NULL, queue);
	event = rd_kafka_queue_poll(queue, ANSWER_MS);
	if (!event || rd_kafka_event_error(event))
		fprintf(stderr, "topics were not deleted: %s\n",
		        event ? rd_kafka_event_error_string(event) : "no answer");
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
}

void topics_delete(const struct stack *s)
{
	rd_kafka_t *rk = connect_to(s);
	const struct rd_kafka_metadata *md;
	rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 1, NULL, &md, ANSWER_MS);

	if (code) {
		fprintf(stderr, "topics were not deleted: %s\n", rd_kafka_err2str(code));
	} else {
		rd_kafka_DeleteTopic_t **topics = xcalloc(
		        (size_t)md->topic_cnt + 1, sizeof(rd_kafka_DeleteTopic_t *));
		size_t count = find(s, md, topics);

		if (count)
			delete_all(rk, topics, count);
		rd_kafka_DeleteTopic_destroy_array(topics, count);
		free(topics);
		rd_kafka_metadata_destroy(md);
	}
	rd_kafka_destroy(rk);
}

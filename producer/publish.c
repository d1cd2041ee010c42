#include "producer/publish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "producer/inventory_keeper.h"

/* Below message.max.bytes of librdkafka and of brokers (1,000,000 and 1,048,588 by default), with
 * room for key and headers. */
#define MESSAGE_BYTES_MAX 990000

/* What a call waits for while its message is under way. */
struct pending {
	struct request request;
	const struct task_form *form;
};

struct publisher {
	struct ingress *in;
	struct kafka_producer *requests, *hints;
	char *topic;
	struct strbuf text;
};

static void pending_free(void *state)
{
	struct pending *p = state;

	request_release(&p->request);
	free(p);
}

static void give_hosts_back(struct ingress *in, const struct request *r)
{
	for (size_t i = 0; i < r->task_count; i++)
		if (r->tasks[i].host_id)
			taken_hosts_give_back(keeper_taken(in->inventory), r->tasks[i].host_id);
}

static void answer_accepted(struct call *c, const struct pending *p)
{
	const struct request *r = &p->request;

	metric_add(METRIC_ACCEPTED, 1);
	metric_add(METRIC_ACCEPTED_TASKS, (int64_t)r->task_count);
	reply_begin(c);
	strbuf_adds(&c->reply, "{\"contents\":[");
	for (size_t i = 0; i < r->task_count; i++) {
		if (i)
			strbuf_addc(&c->reply, ',');
		render_new_task(&c->reply, p->form, r, &r->tasks[i]);
	}
	strbuf_adds(&c->reply, "]}");
	reply_end(c, MHD_HTTP_OK);
}

static void answer_unknown(struct call *c, const struct pending *p, const char *error)
{
	_cleanup_strbuf_ struct strbuf ids = STRBUF_INIT;

	for (size_t i = 0; i < p->request.task_count; i++) {
		strbuf_adds(&ids, i ? ", " : "");
		strbuf_add_i64(&ids, p->request.tasks[i].task_id);
	}
	metric_add(METRIC_PUBLISH_UNKNOWN, 1);
	reply_error(c, MHD_HTTP_GATEWAY_TIMEOUT, "COM10004",
	        "Kafka did not say whether it has the request (%s); ask for task %s in a while "
	        "before sending it again",
	        error, ids.buf);
}

static void on_report(void *arg, void *opaque, enum kafka_outcome outcome, int32_t partition,
        int64_t offset, const char *error)
{
	struct call *c = opaque;
	struct pending *p = c->state;

	switch (outcome) {
	case KAFKA_PERSISTED:
		answer_accepted(c, p);
		break;
	case KAFKA_NOT_PERSISTED:
		give_hosts_back(c->in, &p->request);
		metric_add_label(METRIC_REFUSED, "kafka", 1);
		reply_unavailable(c, "Kafka is away (%s); nothing was accepted, try again", error);
		break;
	case KAFKA_UNKNOWN:
		answer_unknown(c, p, error);
		break;
	}
}

/* Not queued: nothing was accepted. */
static void answer_refused(struct call *c, const struct pending *p, const struct err *err)
{
	give_hosts_back(c->in, &p->request);
	if (err) {
		metric_add_label(METRIC_REFUSED, "kafka", 1);
		reply_unavailable(c, "nothing was accepted, try again: %s", err->text);
	} else {
		metric_add_label(METRIC_REFUSED, "invalid", 1);
		reply_error(c, MHD_HTTP_CONTENT_TOO_LARGE, "COM10003",
		        "nothing was accepted: the request is too large for one message of %d "
		        "bytes; send a smaller context or fewer hosts",
		        MESSAGE_BYTES_MAX);
	}
}

void publish_request(struct call *c, struct request *r, const struct task_form *form)
{
	struct publisher *pub = c->in->publisher;
	struct pending *p = xcalloc(1, sizeof(*p));
	const struct kafka_header header = {"traceparent", c->traceparent, strlen(c->traceparent)};
	struct err err = {0};

	p->request = *r;
	*r = (struct request){0};
	p->form = form;
	call_set_state(c, p, pending_free);
	strbuf_reset(&pub->text);
	request_encode(&p->request, &pub->text);
	p->request.body_text = NULL; /* the caller's */
	if (pub->text.len > MESSAGE_BYTES_MAX)
		answer_refused(c, p, NULL);
	else if (kafka_produce(pub->requests, pub->topic, KAFKA_ANY_PARTITION,
	                 p->request.request_id, strlen(p->request.request_id), pub->text.buf,
	                 pub->text.len, &header, 1, c, &err) < 0)
		answer_refused(c, p, &err); /* otherwise answered by the report */
}

void publish_hint(struct ingress *in, const char *type_name, int64_t task_id, int64_t subtask_id,
        const char *traceparent)
{
	_cleanup_free_ char *topic = kafka_subtask_topic(&in->settings, type_name);
	const struct hint hint = {.task_id = task_id, .subtask_id = subtask_id};
	const struct kafka_header header = {"traceparent", traceparent, strlen(traceparent)};
	char key[24], value[HINT_BYTES_MAX];
	size_t value_bytes = hint_encode(&hint, value);
	int key_bytes = snprintf(key, sizeof(key), "%lld", (long long)task_id);
	struct err err;

	/* Lost: stealing finds the row after steal_after. */
	(void)!kafka_produce(in->publisher->hints, topic, KAFKA_ANY_PARTITION, key,
	        (size_t)key_bytes, value, value_bytes, &header, 1, NULL, &err);
}

static void on_requests(void *arg, uint32_t events)
{
	struct publisher *p = arg;

	kafka_producer_poll(p->requests);
}

static void on_hints(void *arg, uint32_t events)
{
	struct publisher *p = arg;

	kafka_producer_poll(p->hints);
}

struct publisher *publisher_new(struct ingress *in, struct err *err)
{
	struct publisher *p = xcalloc(1, sizeof(*p));

	p->in = in;
	p->topic = kafka_topic(&in->settings, "requests");
	p->requests = kafka_producer_new(&in->settings, KAFKA_REQUESTS, on_report, p, err);
	p->hints = kafka_producer_new(&in->settings, KAFKA_HINTS, NULL, NULL, err);
	if (!p->requests || !p->hints)
		return NULL; /* start-up ends the process */
	kafka_producer_know(p->requests, p->topic);
	loop_add(in->loop, kafka_producer_fd(p->requests), EPOLLIN, on_requests, p);
	loop_add(in->loop, kafka_producer_fd(p->hints), EPOLLIN, on_hints, p);
	return p;
}

void publisher_free(struct publisher *p, int flush_ms)
{
	if (!p)
		return;
	loop_del(p->in->loop, kafka_producer_fd(p->requests));
	loop_del(p->in->loop, kafka_producer_fd(p->hints));
	kafka_producer_free(p->requests, flush_ms);
	kafka_producer_free(p->hints, flush_ms);
	strbuf_release(&p->text);
	free(p->topic);
	free(p);
}

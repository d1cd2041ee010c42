/* events: reads the event topic. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/task_view.h"
#include "common/json.h"
#include "common/kafka.h"
#include "common/mem.h"

#define ASK_MS 5000
#define POLL_MS 100

struct reader {
	struct cli *cli;
	int64_t task_id; /* 0: all */
	bool follow, from_end;
	struct kafka_consumer *consumer;
	struct kafka_partition *parts;
	int64_t *ends; /* next offset of each partition at the start */
	int count;
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	stopped = 1;
}

static void print_moves(const json_t *event)
{
	const json_t *data = json_object_get(event, "data");
	size_t i;
	json_t *m;

	json_array_foreach (json_object_get(data, "moves"), i, m) {
		const char *from = json_text(m, "from");

		printf("%s  task %" PRId64 " #%" PRId64 "  ", json_text(event, "time"),
		        json_int(data, "task_id", 0), json_int(m, "number", 0));
		if (json_object_get(m, "subtask_id"))
			printf("subtask %" PRId64 "  ", json_int(m, "subtask_id", 0));
		printf("%s -> %s  (%s; %s)\n", from ? from : "new", json_text(m, "to"),
		        json_text(m, "reason"), json_text(data, "who"));
	}
}

static void print_event(const struct reader *r, const struct kafka_message *msg)
{
	json_t *event = json_loadb(msg->value, msg->value_bytes, 0, NULL);
	int64_t task = json_int(json_object_get(event, "data"), "task_id", 0);

	if (!event)
		fprintf(stderr, "an event that is not JSON at %d:%" PRId64 "\n", msg->partition,
		        msg->offset);
	else if (r->task_id && r->task_id != task)
		; /* another task's */
	else if (r->cli->json)
		printf("%.*s\n", (int)msg->value_bytes, (const char *)msg->value);
	else
		print_moves(event);
	fflush(stdout);
	json_decref(event);
}

static int open_reader(struct reader *r, const char *topic, struct err *err)
{
	if (kafka_partition_count(&r->cli->settings, topic, ASK_MS, &r->count, err) < 0)
		return -1;
	if (r->count == 0)
		return err_set(
		        err, ERR_PERMANENT, "", "topic %s is missing: run `obpipe topics`", topic);
	r->consumer = kafka_consumer_new(&r->cli->settings, NULL, NULL, NULL, err);
	if (!r->consumer)
		return -1;
	r->parts = xcalloc((size_t)r->count, sizeof(*r->parts));
	r->ends = xcalloc((size_t)r->count, sizeof(*r->ends));
	for (int i = 0; i < r->count; i++) {
		int64_t low;

		if (kafka_consumer_watermarks(
		            r->consumer, topic, i, ASK_MS, &low, &r->ends[i], err) < 0)
			return -1;
		r->parts[i] = (struct kafka_partition){
		        (char *)topic, i, r->from_end ? KAFKA_OFFSET_END : KAFKA_OFFSET_BEGINNING};
		if (low == r->ends[i])
			r->ends[i] = 0; /* empty */
	}
	return kafka_consumer_assign(r->consumer, r->parts, (size_t)r->count, err);
}

static bool at_end(const struct reader *r)
{
	for (int i = 0; i < r->count; i++)
		if (r->ends[i])
			return false;
	return true;
}

static int read_all(struct reader *r, struct err *err)
{
	while (!stopped && (r->follow || !at_end(r))) {
		struct kafka_message msg;
		int got = kafka_consumer_poll(r->consumer, POLL_MS, &msg, err);

		if (got < 0 && !err_is_retryable(err))
			return -1;
		if (got <= 0)
			continue;
		if (r->follow || r->ends[msg.partition])
			print_event(r, &msg);
		if (msg.offset + 1 >= r->ends[msg.partition])
			r->ends[msg.partition] = 0;
		kafka_message_done(&msg);
	}
	return 0;
}

int cmd_events(struct cli *cli, int argc, char **argv)
{
	_cleanup_free_ char *topic = kafka_topic(&cli->settings, "events");
	struct reader r = {.cli = cli};
	struct err err = {0};
	int rc;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--follow"))
			r.follow = true;
		else if (!strcmp(argv[i], "--json"))
			cli->json = true;
		else if (!strcmp(argv[i], "--new"))
			r.from_end = r.follow = true;
		else if (!strcmp(argv[i], "--task") && i + 1 < argc && cli_id(argv[i + 1]) > 0)
			r.task_id = cli_id(argv[++i]);
		else
			return cli_usage(cli, "unknown argument \"%s\"", argv[i]);
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	rc = open_reader(&r, topic, &err);
	if (rc == 0)
		rc = read_all(&r, &err);
	kafka_consumer_free(r.consumer, 1000);
	free(r.parts);
	free(r.ends);
	return rc < 0 ? cli_fail(cli, &err) : EXIT_OK;
}

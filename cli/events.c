/* events: reads the event topic. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/event_view.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/kafka.h"
#include "common/mem.h"

#define ASK_MS 10000
#define POLL_MS 100
/* Without --follow: a topic whose end does not come any nearer. */
#define STALL_MS 30000

struct reader {
	struct cli *cli;
	char task_key[24]; /* of --task, as the relay writes keys; "": all */
	bool follow, from_end;
	struct kafka_consumer *consumer;
	struct kafka_partition *parts;
	int64_t *ends; /* next offset of each partition at the start; 0: reached */
	int count;
	struct strbuf text;
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	stopped = 1;
}

static bool is_wanted(const struct reader *r, const struct kafka_message *msg)
{
	size_t len = strlen(r->task_key);

	return !len || (msg->key && msg->key_bytes == len && !memcmp(msg->key, r->task_key, len));
}

static void print_event(struct reader *r, const struct kafka_message *msg)
{
	json_t *event = NULL;

	if (!is_wanted(r, msg))
		return;
	if (msg->value)
		event = json_loadb(msg->value, msg->value_bytes, 0, NULL);
	strbuf_reset(&r->text);
	if (!event) {
		fprintf(stderr, "what stands at partition %d offset %" PRId64 " is no JSON\n",
		        msg->partition, msg->offset);
	} else if (r->cli->json) {
		fwrite(msg->value, 1, msg->value_bytes, stdout);
		putchar('\n');
	} else {
		event_view_add(&r->text, event);
		fwrite(r->text.buf, 1, r->text.len, stdout);
	}
	json_decref(event);
}

static int find_ends(struct reader *r, const char *topic, struct err *err)
{
	for (int i = 0; i < r->count; i++) {
		int64_t low;

		if (kafka_consumer_watermarks(
		            r->consumer, topic, i, ASK_MS, &low, &r->ends[i], err) < 0)
			return -1;
		/* From the end means: the end as it is now, not as it is when the fetch starts. */
		r->parts[i] = (struct kafka_partition){
		        (char *)topic, i, r->from_end ? r->ends[i] : KAFKA_OFFSET_BEGINNING};
		if (low == r->ends[i])
			r->ends[i] = 0; /* empty */
	}
	return 0;
}

static int open_reader(struct reader *r, const char *topic, struct err *err)
{
	if (kafka_partition_count(&r->cli->settings, topic, ASK_MS, &r->count, err) < 0)
		return -1;
	if (r->count == 0)
		return err_set(
		        err, ERR_PERMANENT, "", "topic %s is missing: run `obpipe topics`", topic);
	r->consumer = kafka_consumer_new(
	        &r->cli->settings, NULL, KAFKA_AHEAD_HISTORY_KIB, NULL, NULL, err);
	if (!r->consumer)
		return -1;
	r->parts = xcalloc((size_t)r->count, sizeof(*r->parts));
	r->ends = xcalloc((size_t)r->count, sizeof(*r->ends));
	if (find_ends(r, topic, err) < 0)
		return -1;
	return kafka_consumer_assign(r->consumer, r->parts, (size_t)r->count, err);
}

static bool at_end(const struct reader *r)
{
	for (int i = 0; i < r->count; i++)
		if (r->ends[i])
			return false;
	return true;
}

static void take(struct reader *r, struct kafka_message *msg)
{
	if (msg->partition >= 0 && msg->partition < r->count) {
		int64_t *end = &r->ends[msg->partition];

		if (r->follow || *end)
			print_event(r, msg);
		if (msg->offset + 1 >= *end)
			*end = 0;
	}
	kafka_message_done(msg);
}

static int read_all(struct reader *r, struct err *err)
{
	int64_t seen_ms = clock_mono_ms();

	while (!stopped && !ferror(stdout) && (r->follow || !at_end(r))) {
		struct kafka_message msg;
		int got = kafka_consumer_poll(r->consumer, POLL_MS, &msg, err);

		if (got > 0) {
			take(r, &msg);
			seen_ms = clock_mono_ms();
			continue;
		}
		fflush(stdout); /* nothing more for the moment */
		/* A broker that is away comes back; librdkafka keeps trying. */
		if (got < 0 && !err_is_retryable(err))
			return -1;
		if (!r->follow && clock_mono_ms() - seen_ms > STALL_MS)
			return got < 0 ? -1
			               : err_set(err, ERR_RETRYABLE, "",
			                         "Kafka: the end of the topic was not reached, "
			                         "nothing came for %d s",
			                         STALL_MS / 1000);
	}
	return 0;
}

static int read_options(struct reader *r, int argc, char **argv)
{
	static const struct option options[] = {{"follow", no_argument, NULL, 'f'},
	        {"from", required_argument, NULL, 'b'}, {"task", required_argument, NULL, 't'},
	        {"json", no_argument, NULL, 'j'}, {0}};
	struct cli *cli = r->cli;
	int option;

	for (bool first = true; (option = cli_option(cli, argc, argv, options, first)) != -1;
	        first = false) {
		if (option == '?')
			return EXIT_USAGE;
		if (option == 'f')
			r->follow = true;
		else if (option == 'j')
			cli->json = true;
		else if (option == 't' && cli_id(optarg) > 0)
			snprintf(r->task_key, sizeof(r->task_key), "%" PRId64, cli_id(optarg));
		else if (option == 't')
			return cli_usage(cli, "\"%s\" is no task id", optarg);
		else if (!strcmp(optarg, "end"))
			r->from_end = true;
		else if (strcmp(optarg, "beginning") != 0)
			return cli_usage(cli, "--from takes beginning or end, not \"%s\"", optarg);
	}
	if (optind < argc)
		return cli_usage(
		        cli, "unexpected argument \"%s\"; one task is --task ID", argv[optind]);
	if (r->from_end && !r->follow)
		return cli_usage(cli, "nothing stands behind the end: add --follow");
	return EXIT_OK;
}

int cmd_events(struct cli *cli, int argc, char **argv)
{
	_cleanup_free_ char *topic = kafka_topic(&cli->settings, "events");
	struct reader r = {.cli = cli};
	struct err err = {0};
	int rc, code = read_options(&r, argc, argv);

	if (code)
		return code;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	rc = open_reader(&r, topic, &err);
	if (rc == 0)
		rc = read_all(&r, &err);
	if (r.consumer)
		kafka_consumer_free(r.consumer, 1000);
	free(r.parts);
	free(r.ends);
	strbuf_release(&r.text);
	return rc < 0 ? cli_fail(cli, &err) : EXIT_OK;
}

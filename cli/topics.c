/* topics: makes and verifies the topics of schema/topics.json. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "common/db.h"
#include "common/json.h"
#include "common/kafka.h"
#include "common/mem.h"
#include "embedded.h"

#define TIMEOUT_MS 30000
#define SPECS_MAX 600

#define SUBTASK_TYPE(symbol, name) name,
static const char *const type_names[] = {
#include "workers/subtasks/registry.def"
        NULL,
};
#undef SUBTASK_TYPE

struct specs {
	struct kafka_topic_spec list[SPECS_MAX];
	char *names[SPECS_MAX]; /* without prefix */
	size_t count;
	const struct settings *settings;
	int brokers;
};

struct wanted {
	const char *env;
	char *value;
};

static void match_setting(void *arg, const char *env, const char *value, const char *help)
{
	struct wanted *wanted = arg;

	if (!strcmp(env, wanted->env))
		wanted->value = xstrdup(value);
}

/* A number, or the name of the setting that holds it. Caller frees. */
static char *value_of(const struct settings *settings, const json_t *value)
{
	struct wanted wanted = {.env = json_string_value(value)};

	if (json_is_integer(value))
		return xasprintf("%lld", (long long)json_integer_value(value));
	settings_each(settings, match_setting, &wanted);
	return wanted.value ? wanted.value : xstrdup(wanted.env);
}

static void add(struct specs *s, const json_t *topic, const char *name)
{
	struct kafka_topic_spec *spec = &s->list[s->count];
	char *partitions = value_of(s->settings, json_object_get(topic, "partitions"));
	bool durable = json_is_true(json_object_get(topic, "durable"));
	const char *key;
	json_t *value;
	int n = 0;

	if (s->count == SPECS_MAX)
		BUG("more than %d topics", SPECS_MAX);
	s->names[s->count++] = xstrdup(name);
	spec->name = kafka_topic(s->settings, name);
	spec->partitions = atoi(partitions);
	spec->replicas = s->brokers >= 3 ? 3 : 1;
	free(partitions);
	json_object_foreach (json_object_get(topic, "config"), key, value) {
		spec->config[n++] = key;
		spec->config[n++] = value_of(s->settings, value);
	}
	if (durable) {
		/* Power loss: one broker must write through; three hold copies. */
		spec->config[n++] = s->brokers >= 3 ? "min.insync.replicas" : "flush.messages";
		spec->config[n++] = s->brokers >= 3 ? xstrdup("2") : xstrdup("1");
	}
}

static void build(struct specs *s, const json_t *topics)
{
	size_t i;
	json_t *topic;

	json_array_foreach (topics, i, topic) {
		const char *name = json_text(topic, "name");

		if (strcmp(name, "subtasks.*") != 0) {
			add(s, topic, name);
			continue;
		}
		for (const char *const *t = type_names; *t; t++) {
			_cleanup_free_ char *full = xasprintf("subtasks.%s", *t);

			add(s, topic, full);
		}
	}
}

static void release(struct specs *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->list[i].name);
		free(s->names[i]);
		for (int n = 1; n < 16 && s->list[i].config[n]; n += 2)
			free((char *)s->list[i].config[n]);
	}
	free(s);
}

static int record(const struct specs *s, struct db *db, struct err *err)
{
	for (size_t i = 0; i < s->count; i++) {
		struct db_params p = DB_PARAMS_INIT;
		int rc;

		db_add_text(&p, s->names[i]);
		db_add_int4(&p, s->list[i].partitions);
		rc = db_query(db, QUERY_MIG_TOPIC, &p, NULL, err);
		db_params_release(&p);
		if (rc < 0)
			return -1;
		printf("topic %-45s %d partition%s\n", s->list[i].name, s->list[i].partitions,
		        s->list[i].partitions == 1 ? "" : "s");
	}
	return 0;
}

int cmd_topics(struct cli *cli, int argc, char **argv)
{
	struct specs *s = xcalloc(1, sizeof(*s));
	json_t *root = json_loads(embedded_topics[0].text, 0, NULL);
	struct db db;
	struct err err = {0};
	int rc;

	if (argc > 1) {
		json_decref(root);
		free(s);
		return cli_usage(cli, "unknown argument \"%s\"", argv[1]);
	}
	s->settings = &cli->settings;
	rc = kafka_broker_count(s->settings, TIMEOUT_MS, &s->brokers, &err);
	if (rc == 0) {
		build(s, json_object_get(root, "topics"));
		rc = kafka_topics_ensure(s->settings, s->list, s->count, TIMEOUT_MS, &err);
	}
	db_init(&db, s->settings, "obpipe-topics");
	if (rc == 0)
		rc = record(s, &db, &err);
	db_release(&db);
	release(s);
	json_decref(root);
	return rc < 0 ? cli_fail(cli, &err) : EXIT_OK;
}

/* topics: makes and verifies the topics of schema/topics.json. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/type_names.h"
#include "common/db.h"
#include "common/json.h"
#include "common/kafka.h"
#include "common/mem.h"
#include "embedded.h"

#define TIMEOUT_MS 30000
/* A cluster of this size keeps copies; a smaller one must write through to survive power loss. */
#define BROKERS_FOR_COPIES 3

struct specs {
	struct kafka_topic_spec *list;
	char **names; /* without prefix */
	size_t count, bad;
	const struct settings *settings;
	int brokers;
	bool check; /* --check: nothing is changed */
	struct db db;
	struct err err; /* of asking PostgreSQL within a check */
};

/* ---- what there should be ---- */

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

/* A number, or the value of the setting it names, or the text itself. Caller frees. */
static char *value_of(const struct settings *settings, const json_t *value)
{
	struct wanted wanted = {.env = json_string_value(value)};

	if (json_is_integer(value))
		return xasprintf("%lld", (long long)json_integer_value(value));
	settings_each(settings, match_setting, &wanted);
	return wanted.value ? wanted.value : xstrdup(wanted.env);
}

static void add_config(struct kafka_topic_spec *spec, const char *name, char *value)
{
	size_t n = 0;

	while (spec->config[n])
		n += 2;
	if (n + 2 >= ARRAY_SIZE(spec->config))
		BUG("topic %s has too many properties in schema/topics.json", spec->name);
	spec->config[n] = name;
	spec->config[n + 1] = value;
}

static void add(struct specs *s, const json_t *topic, const char *name)
{
	struct kafka_topic_spec *spec = &s->list[s->count];
	char *partitions = value_of(s->settings, json_object_get(topic, "partitions"));
	bool copies = s->brokers >= BROKERS_FOR_COPIES;
	const char *key;
	json_t *value;

	s->names[s->count++] = xstrdup(name);
	spec->name = kafka_topic(s->settings, name);
	spec->partitions = atoi(partitions);
	spec->replicas = copies ? 3 : 1;
	free(partitions);
	json_object_foreach (json_object_get(topic, "config"), key, value)
		add_config(spec, key, value_of(s->settings, value));
	if (!json_is_true(json_object_get(topic, "durable")))
		return;
	if (copies)
		add_config(spec, "min.insync.replicas", xstrdup("2"));
	else
		add_config(spec, "flush.messages", xstrdup("1"));
}

static void build(struct specs *s, const json_t *topics)
{
	size_t room = json_array_size(topics) + cli_type_count, i;
	json_t *topic;

	s->list = xcalloc(room, sizeof(*s->list));
	s->names = xcalloc(room, sizeof(*s->names));
	json_array_foreach (topics, i, topic) {
		const char *name = json_text(topic, "name");

		if (strcmp(name, "subtasks.*") != 0) {
			add(s, topic, name);
			continue;
		}
		for (const char *const *type = cli_type_names; *type; type++) {
			_cleanup_free_ char *full = xasprintf("subtasks.%s", *type);

			add(s, topic, full);
		}
	}
}

static void release(struct specs *s)
{
	for (size_t i = 0; i < s->count; i++) {
		for (size_t n = 1; n < ARRAY_SIZE(s->list[i].config) && s->list[i].config[n];
		        n += 2)
			free((char *)s->list[i].config[n]);
		free(s->list[i].name);
		free(s->names[i]);
	}
	free(s->list);
	free(s->names);
	db_release(&s->db);
}

/* ---- what there is ---- */

static void print_good(const struct kafka_topic_spec *spec)
{
	printf("topic %-45s %d partition%s, %d replica%s\n", spec->name, spec->partitions,
	        spec->partitions == 1 ? "" : "s", spec->replicas, spec->replicas == 1 ? "" : "s");
}

/* Keys find their partition by the count that PostgreSQL holds. -1: it could not be asked. */
static int recorded_partitions(struct specs *s, const char *name, int *ret, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	PGresult *res;
	int rc;

	db_add_text(&p, name);
	rc = db_query(&s->db, QUERY_TOPIC_PARTITIONS, &p, &res, err);
	db_params_release(&p);
	if (rc < 0)
		return -1;
	*ret = PQntuples(res) ? db_get_int4(res, 0, 0) : 0;
	PQclear(res);
	return 0;
}

static void on_checked(void *arg, const struct kafka_topic_spec *spec, const char *problem)
{
	struct specs *s = arg;
	size_t place = (size_t)(spec - s->list);
	int recorded = 0;

	if (!problem && s->err.kind == ERR_NONE &&
	        recorded_partitions(s, s->names[place], &recorded, &s->err) == 0 &&
	        recorded != spec->partitions)
		problem = recorded ? "PostgreSQL has another number of partitions for it: run "
		                     "`obpipe topics`"
		                   : "PostgreSQL does not know it: run `obpipe topics`";
	if (!problem) {
		print_good(spec);
		return;
	}
	s->bad++;
	printf("topic %-45s WRONG: %s\n", spec->name, problem);
}

static int check(struct specs *s, struct err *err)
{
	int rc = kafka_topics_check(s->settings, s->list, s->count, TIMEOUT_MS, on_checked, s, err);

	if (rc == 0 && s->err.kind != ERR_NONE) {
		*err = s->err;
		return -1;
	}
	if (rc == 0 && s->bad)
		return err_set(err, ERR_PERMANENT, "",
		        "%zu of %zu topics are not as they should be; `obpipe topics` makes "
		        "those that are missing",
		        s->bad, s->count);
	return rc;
}

static int ensure(struct specs *s, struct err *err)
{
	if (kafka_topics_ensure(s->settings, s->list, s->count, TIMEOUT_MS, err) < 0)
		return -1;
	for (size_t i = 0; i < s->count; i++) {
		struct db_params p = DB_PARAMS_INIT;
		int rc;

		db_add_text(&p, s->names[i]);
		db_add_int4(&p, s->list[i].partitions);
		rc = db_query(&s->db, QUERY_MIG_TOPIC, &p, NULL, err);
		db_params_release(&p);
		if (rc < 0)
			return -1;
		print_good(&s->list[i]);
	}
	return 0;
}

static int run(struct specs *s, struct err *err)
{
	json_t *root = json_loads(embedded_topics[0].text, 0, NULL);
	int rc = kafka_broker_count(s->settings, TIMEOUT_MS, &s->brokers, err);

	if (!root)
		BUG("schema/topics.json is no JSON");
	if (rc == 0) {
		build(s, json_object_get(root, "topics"));
		rc = s->check ? check(s, err) : ensure(s, err);
	}
	release(s); /* the names of properties stand in root */
	json_decref(root);
	return rc;
}

int cmd_topics(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {{"check", no_argument, NULL, 'c'}, {0}};
	struct specs s = {.settings = &cli->settings};
	struct err err = {0};
	int option;

	for (bool first = true; (option = cli_option(cli, argc, argv, options, first)) != -1;
	        first = false) {
		if (option == '?')
			return EXIT_USAGE;
		s.check = true;
	}
	if (optind < argc)
		return cli_usage(cli, "unexpected argument \"%s\"", argv[optind]);
	db_init(&s.db, s.settings, "obpipe-topics");
	return run(&s, &err) < 0 ? cli_fail(cli, &err) : EXIT_OK;
}

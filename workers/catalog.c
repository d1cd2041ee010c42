#include "workers/catalog.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/kafka.h"
#include "common/log.h"
#include "common/mem.h"

#define TYPES_MAX 512
#define TEMPLATES_MAX 4096

struct catalog {
	const struct settings *settings;
	pthread_mutex_t lock;
	struct catalog_type *types[TYPES_MAX];     /* by type id */
	struct template *templates[TEMPLATES_MAX]; /* by template id */
	int32_t last_template;
};

struct catalog *catalog_new(const struct settings *settings)
{
	struct catalog *c = xcalloc(1, sizeof(*c));

	c->settings = settings;
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void catalog_free(struct catalog *c)
{
	if (!c)
		return;
	for (int i = 0; i < TYPES_MAX; i++) {
		if (!c->types[i])
			continue;
		free(c->types[i]->name);
		free(c->types[i]->topic);
		free(c->types[i]);
	}
	for (int i = 0; i < TEMPLATES_MAX; i++)
		template_free(c->templates[i]);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static bool in_list(const char *list, const char *name)
{
	size_t name_len = strlen(name);

	if (!strcmp(list, "all"))
		return true;
	while (*list) {
		size_t len = strcspn(list, ",");

		if (len == name_len && !strncmp(list, name, len))
			return true;
		list += len + (list[len] == ',');
	}
	return false;
}

static void take_types(struct catalog *c, const PGresult *res)
{
	for (int row = 0; row < PQntuples(res); row++) {
		int16_t id = db_get_int2(res, row, 0);
		const char *name = db_get_text(res, row, 1);
		struct catalog_type *type;

		if (id < 0 || id >= TYPES_MAX || c->types[id])
			continue;
		type = xcalloc(1, sizeof(*type));
		type->type_id = id;
		type->name = xstrdup(name);
		type->topic = kafka_subtask_topic(c->settings, name);
		type->type = subtask_type_find(name);
		type->served = type->type && in_list(c->settings->types, name);
		c->types[id] = type;
	}
}

/* The types of a template are rows before its own row is. */
static void number_types(struct catalog *c, struct template *t)
{
	for (int16_t n = 0; n < t->node_count; n++)
		for (int16_t i = 0; i < TYPES_MAX; i++)
			if (c->types[i] && !strcmp(c->types[i]->name, t->nodes[n].type))
				t->nodes[n].type_id = i;
}

static void take_templates(struct catalog *c, const PGresult *res)
{
	for (int row = 0; row < PQntuples(res); row++) {
		int32_t id = db_get_int4(res, row, 0);
		const char *body = db_get_text(res, row, 4);
		struct template *t;
		struct err err = {0};

		if (id <= 0 || id >= TEMPLATES_MAX)
			continue;
		c->last_template = id;
		/* A newer program may have stored a form this one cannot read: it stays unknown,
		 * and whoever meets a task of it waits instead of guessing. */
		if (template_parse(body, strlen(body), NULL, &t, &err) < 0) {
			log_error("template cannot be read", "template", "s",
			        db_get_text(res, row, 1), "error", "e", &err);
			continue;
		}
		t->id = id;
		number_types(c, t);
		c->templates[id] = t;
	}
}

int catalog_load(struct catalog *c, struct db *db, struct err *err)
{
	struct db_params params = DB_PARAMS_INIT;
	PGresult *types = NULL, *templates = NULL;
	int rc = -1;

	db_add_int4(&params, c->last_template);
	if (db_query(db, QUERY_TYPE_LIST, NULL, &types, err) == 0 &&
	        db_query(db, QUERY_TEMPLATE_LIST, &params, &templates, err) == 0) {
		pthread_mutex_lock(&c->lock);
		take_types(c, types);
		take_templates(c, templates);
		pthread_mutex_unlock(&c->lock);
		rc = 0;
	}
	db_params_release(&params);
	PQclear(types);
	PQclear(templates);
	return rc;
}

const struct catalog_type *catalog_type(struct catalog *c, int16_t type_id)
{
	const struct catalog_type *type;

	if (type_id < 0 || type_id >= TYPES_MAX)
		return NULL;
	pthread_mutex_lock(&c->lock);
	type = c->types[type_id];
	pthread_mutex_unlock(&c->lock);
	return type;
}

const struct catalog_type *catalog_type_of_topic(struct catalog *c, const char *topic)
{
	const struct catalog_type *found = NULL;

	pthread_mutex_lock(&c->lock);
	for (int i = 0; i < TYPES_MAX && !found; i++)
		if (c->types[i] && !strcmp(c->types[i]->topic, topic))
			found = c->types[i];
	pthread_mutex_unlock(&c->lock);
	return found;
}

const struct template *catalog_template(struct catalog *c, int32_t template_id)
{
	const struct template *t;

	if (template_id <= 0 || template_id >= TEMPLATES_MAX)
		return NULL;
	pthread_mutex_lock(&c->lock);
	t = c->templates[template_id];
	pthread_mutex_unlock(&c->lock);
	return t;
}

const struct template *catalog_template_find(
        struct catalog *c, const char *name, int32_t version, const char *sha256)
{
	const struct template *found = NULL;

	pthread_mutex_lock(&c->lock);
	for (int i = 1; i <= c->last_template && !found; i++) {
		const struct template *t = c->templates[i];

		if (t && t->version == version && !strcmp(t->name, name) &&
		        !strcmp(t->sha256, sha256))
			found = t;
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

void catalog_each_type(
        struct catalog *c, void (*fn)(void *arg, const struct catalog_type *type), void *arg)
{
	for (int16_t i = 0; i < TYPES_MAX; i++) {
		const struct catalog_type *type = catalog_type(c, i);

		if (type)
			fn(arg, type);
	}
}

/*
 * catalog: subtask types and templates by their database numbers, loaded on demand. Entries are
 * never freed or changed while the process lives, so pointers stay valid. Any thread.
 */
#ifndef OBPIPE_WORKERS_CATALOG_H
#define OBPIPE_WORKERS_CATALOG_H

#include "common/db.h"
#include "common/template.h"
#include "workers/subtask_type.h"

struct catalog;

struct catalog_type {
	int16_t type_id;
	char *name;
	char *topic;                     /* of its hints */
	const struct subtask_type *type; /* NULL: this program has no such type */
	bool served;                     /* this worker runs it (--types) */
};

/* `served`: "all" or a comma separated list, checked already. */
struct catalog *catalog_new(const struct settings *settings);
void catalog_free(struct catalog *c);
/* Reads what is new in the database. */
int catalog_load(struct catalog *c, struct db *db, struct err *err)
        __attribute__((warn_unused_result));
/* NULL when unknown (so far). */
const struct catalog_type *catalog_type(struct catalog *c, int16_t type_id);
const struct catalog_type *catalog_type_of_topic(struct catalog *c, const char *topic);
const struct template *catalog_template(struct catalog *c, int32_t template_id);
/* The template of that name, version and hash; NULL when unknown (so far). */
const struct template *catalog_template_find(
        struct catalog *c, const char *name, int32_t version, const char *sha256);
/* Calls fn for each type loaded. */
void catalog_each_type(
        struct catalog *c, void (*fn)(void *arg, const struct catalog_type *type), void *arg);

#endif

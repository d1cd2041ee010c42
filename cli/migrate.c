/* migrate: brings a database to this program's schema, state table and templates. */
#include <dirent.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/file.h"
#include "common/db.h"
#include "common/mem.h"
#include "common/state.h"
#include "common/template.h"
#include "embedded.h"

#define SUBTASK_TYPE(symbol, name) name,
static const char *const type_names[] = {
#include "workers/subtasks/registry.def"
        NULL,
};
#undef SUBTASK_TYPE

static void sha256_text(const char *text, char *hex)
{
	unsigned char digest[32];
	unsigned int len = sizeof(digest);

	if (EVP_Digest(text, strlen(text), digest, &len, EVP_sha256(), NULL) != 1)
		BUG("SHA-256 is not available");
	for (unsigned int i = 0; i < len; i++)
		snprintf(hex + i * 2, 3, "%02x", digest[i]);
}

/* Runs `fn` in a transaction; rolls back when it fails. */
static int in_transaction(struct db *db, int (*fn)(struct db *db, void *arg, struct err *err),
        void *arg, struct err *err)
{
	struct err ignored;

	if (db_exec(db, "BEGIN", err) < 0)
		return -1;
	if (fn(db, arg, err) == 0)
		return db_exec(db, "COMMIT", err);
	if (db_exec(db, "ROLLBACK", &ignored) < 0)
		db_disconnect(db);
	return -1;
}

/* ---- migrations ---- */

static int apply(struct db *db, void *arg, struct err *err)
{
	const struct embedded_file *file = arg;
	struct db_params p = DB_PARAMS_INIT;
	char sha[65];
	int rc;

	sha256_text(file->text, sha);
	if (db_exec(db, file->text, err) < 0)
		return err_prefix(err, "migration %s", file->name);
	db_add_int4(&p, atoi(file->name));
	db_add_text(&p, file->name);
	db_add_text(&p, sha);
	rc = db_query(db, QUERY_MIG_RECORD, &p, NULL, err);
	db_params_release(&p);
	return rc;
}

/* 1: applied before, 0: not yet, -1: its text has changed since. */
static int was_applied(const PGresult *applied, const struct embedded_file *file, struct err *err)
{
	char sha[65];

	sha256_text(file->text, sha);
	for (int row = 0; row < PQntuples(applied); row++) {
		if (db_get_int4(applied, row, 0) != atoi(file->name))
			continue;
		if (!strcmp(db_get_text(applied, row, 2), sha))
			return 1;
		return err_set(err, ERR_PERMANENT, "",
		        "migration %s was applied with another text; migrations never change: "
		        "put the change into a new one",
		        file->name);
	}
	return 0;
}

static int migrate_schema(struct db *db, struct err *err)
{
	PGresult *applied;
	int rc = 0;

	if (db_query(db, QUERY_MIG_LOCK, NULL, NULL, err) < 0 ||
	        db_query(db, QUERY_MIG_TABLE, NULL, NULL, err) < 0 ||
	        db_query(db, QUERY_MIG_APPLIED, NULL, &applied, err) < 0)
		return -1;
	for (const struct embedded_file *f = embedded_migrations; f->name && rc >= 0; f++) {
		rc = was_applied(applied, f, err);
		if (rc == 0) {
			rc = in_transaction(db, apply, (void *)f, err);
			if (rc == 0)
				printf("migration %s applied\n", f->name);
		}
	}
	PQclear(applied);
	return rc < 0 ? -1 : 0;
}

/* ---- the tables that come from C ---- */

static int fill_names(
        struct db *db, enum query query, const char *(*name)(int), int max, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	int16_t ids[16];
	const char *names[16];
	size_t n = 0;
	int rc;

	for (int i = 1; i < max; i++) {
		ids[n] = (int16_t)i;
		names[n++] = name(i);
	}
	db_add_int2_array(&p, ids, n);
	db_add_text_array(&p, names, n);
	rc = db_query(db, query, &p, NULL, err);
	db_params_release(&p);
	return rc;
}

static int fill_rules(struct db *db, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	size_t n = state_rule_count;
	int16_t *numbers = xcalloc(4 * n, sizeof(*numbers));
	const char **texts = xcalloc(3 * n, sizeof(*texts));
	int rc;

	for (size_t i = 0; i < n; i++) {
		const struct state_rule *r = &state_rules[i];

		numbers[i] = (int16_t)r->rule;
		numbers[n + i] = (int16_t)r->from;
		numbers[2 * n + i] = (int16_t)r->to;
		numbers[3 * n + i] = (int16_t)r->operation;
		texts[i] = r->object == RULE_OF_TASK ? "task" : "subtask";
		texts[n + i] = r->by;
		texts[2 * n + i] = r->reason;
	}
	db_add_int2_array(&p, numbers, n);
	db_add_text_array(&p, texts, n);
	for (size_t i = 1; i < 4; i++)
		db_add_int2_array(&p, numbers + i * n, n);
	db_add_text_array(&p, texts + n, n);
	db_add_text_array(&p, texts + 2 * n, n);
	rc = db_query(db, QUERY_MIG_STATE_RULES, &p, NULL, err);
	db_params_release(&p);
	free(numbers);
	free(texts);
	return rc;
}

static int fill_types(struct db *db, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	PGresult *res;
	int rc;

	db_add_text_array(&p, type_names, ARRAY_SIZE(type_names) - 1);
	rc = db_query(db, QUERY_MIG_TYPES, &p, &res, err);
	db_params_release(&p);
	if (rc < 0)
		return -1;
	for (int row = 0; row < PQntuples(res); row++)
		printf("subtask type %s added\n", db_get_text(res, row, 0));
	PQclear(res);
	return 0;
}

static int fill_tables(struct db *db, struct err *err)
{
	if (fill_names(db, QUERY_MIG_SUBTASK_STATE, subtask_state_name, SUBTASK_STATE_MAX, err) <
	                0 ||
	        fill_names(db, QUERY_MIG_TASK_STATE, task_state_name, TASK_STATE_MAX, err) < 0 ||
	        fill_names(db, QUERY_MIG_OPERATION, operation_name, OPERATION_MAX, err) < 0)
		return -1;
	return fill_rules(db, err) < 0 ? -1 : fill_types(db, err);
}

/* ---- templates ---- */

struct template_file {
	const char *name, *text;
	struct template *template;
};

static int add_nodes(struct db *db, const struct template *t, int32_t id, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	size_t n = (size_t)t->node_count;
	int16_t *nodes = xcalloc(n, sizeof(*nodes)), *waiting = xcalloc(n, sizeof(*waiting));
	const char **types = xcalloc(n, sizeof(*types));
	int rc;

	for (size_t i = 0; i < n; i++) {
		nodes[i] = (int16_t)i;
		waiting[i] = t->nodes[i].upstream_count;
		types[i] = t->nodes[i].type;
	}
	db_add_int4(&p, id);
	db_add_int2_array(&p, nodes, n);
	db_add_text_array(&p, types, n);
	db_add_int2_array(&p, waiting, n);
	rc = db_query(db, QUERY_MIG_TEMPLATE_NODES, &p, NULL, err);
	db_params_release(&p);
	free(nodes), free(waiting), free(types);
	return rc;
}

static int add_edges(struct db *db, const struct template *t, int32_t id, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	size_t count = 0, at = 0;
	int16_t *up, *down;
	int rc;

	for (int i = 0; i < t->node_count; i++)
		count += (size_t)t->nodes[i].upstream_count;
	up = xcalloc(count + 1, sizeof(*up));
	down = xcalloc(count + 1, sizeof(*down));
	for (int16_t i = 0; i < t->node_count; i++)
		for (int u = 0; u < t->nodes[i].upstream_count; u++, at++) {
			up[at] = t->nodes[i].upstreams[u];
			down[at] = i;
		}
	db_add_int4(&p, id);
	db_add_int2_array(&p, up, count);
	db_add_int2_array(&p, down, count);
	rc = db_query(db, QUERY_MIG_TEMPLATE_EDGES, &p, NULL, err);
	db_params_release(&p);
	free(up), free(down);
	return rc;
}

static int add_template(struct db *db, void *arg, struct err *err)
{
	const struct template_file *file = arg;
	const struct template *t = file->template;
	struct db_params p = DB_PARAMS_INIT;
	int16_t roots = 0;
	PGresult *res;
	int32_t id;
	int rc;

	for (int i = 0; i < t->node_count; i++)
		roots += t->nodes[i].upstream_count == 0;
	db_add_text(&p, t->name);
	db_add_int4(&p, t->version);
	db_add_text(&p, t->sha256);
	db_add_text(&p, t->task_name);
	db_add_text(&p, t->task_type);
	db_add_int2(&p, t->node_count);
	db_add_int2(&p, roots);
	db_add_text(&p, file->text);
	rc = db_query(db, QUERY_MIG_TEMPLATE_ADD, &p, &res, err);
	db_params_release(&p);
	if (rc < 0)
		return -1;
	id = db_get_int4(res, 0, 0);
	PQclear(res);
	return add_nodes(db, t, id, err) < 0 ? -1 : add_edges(db, t, id, err);
}

static int load_template(struct db *db, struct template_file *file, struct err *err)
{
	const struct template *t = file->template;
	struct db_params p = DB_PARAMS_INIT;
	PGresult *res;
	int rc;

	db_add_text(&p, t->name);
	db_add_int4(&p, t->version);
	rc = db_query(db, QUERY_MIG_TEMPLATE_FIND, &p, &res, err);
	db_params_release(&p);
	if (rc < 0)
		return -1;
	if (PQntuples(res) == 0)
		rc = in_transaction(db, add_template, file, err);
	else if (strcmp(db_get_text(res, 0, 0), t->sha256) != 0)
		rc = err_set(err, ERR_PERMANENT, "",
		        "template %s version %d is in the database with another text; templates "
		        "never change: raise \"version\" in %s",
		        t->name, t->version, file->name);
	else
		rc = 1;
	PQclear(res);
	if (rc == 0)
		printf("template %s version %d added\n", t->name, t->version);
	return rc < 0 ? -1 : 0;
}

/* All are read before any is stored: a bad file loads nothing. */
static int load_templates(struct db *db, struct template_file *files, size_t count, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = template_parse(
		        files[i].text, strlen(files[i].text), type_names, &files[i].template, err);
		if (rc < 0)
			err_prefix(err, "%s", files[i].name);
	}
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = load_template(db, &files[i], err);
	for (size_t i = 0; i < count; i++)
		template_free(files[i].template);
	return rc;
}

static int load_embedded(struct db *db, struct err *err)
{
	struct template_file files[64] = {0};
	size_t count = 0;

	for (const struct embedded_file *f = embedded_templates; f->name; f++)
		files[count++] = (struct template_file){.name = f->name, .text = f->text};
	return load_templates(db, files, count, err);
}

static int load_folder(struct db *db, const char *folder, struct err *err)
{
	struct template_file *files = NULL;
	struct dirent **names;
	int found = scandir(folder, &names, NULL, alphasort), rc = 0;
	size_t count = 0;

	if (found < 0)
		return err_errno(err, ERR_PERMANENT, errno, "%s", folder);
	files = xcalloc((size_t)found + 1, sizeof(*files));
	for (int i = 0; i < found; i++) {
		size_t len = strlen(names[i]->d_name);
		char *path = xasprintf("%s/%s", folder, names[i]->d_name);
		char *text = NULL;

		if (rc == 0 && len > 5 && !strcmp(names[i]->d_name + len - 5, ".json")) {
			rc = file_read(path, &text, NULL, err);
			files[count].name = path;
			files[count++].text = text;
		} else {
			free(path);
		}
		free(names[i]);
	}
	free(names);
	if (rc == 0)
		rc = load_templates(db, files, count, err);
	for (size_t i = 0; i < count; i++) {
		free((char *)files[i].name);
		free((char *)files[i].text);
	}
	free(files);
	return rc;
}

int cmd_migrate(struct cli *cli, int argc, char **argv)
{
	const char *folder = NULL;
	struct db db;
	struct err err = {0};
	int rc;

	if (argc == 3 && !strcmp(argv[1], "--templates"))
		folder = argv[2];
	else if (argc > 1)
		return cli_usage(cli, "unknown argument \"%s\"", argv[1]);
	db_init(&db, &cli->settings, "obpipe-migrate");
	/* A migration of a long table takes its time, and so may waiting for another migrate. */
	db.statement_timeout_ms = 3600 * 1000;
	rc = migrate_schema(&db, &err);
	if (rc == 0)
		rc = fill_tables(&db, &err);
	if (rc == 0)
		rc = load_embedded(&db, &err);
	if (rc == 0 && folder)
		rc = load_folder(&db, folder, &err);
	db_release(&db);
	if (rc < 0)
		return cli_fail(cli, &err);
	printf("database is up to date\n");
	return EXIT_OK;
}

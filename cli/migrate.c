/* migrate: brings a database to this program's schema, state table and templates. */
#include "cli/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/file.h"
#include "cli/type_names.h"
#include "common/mem.h"
#include "common/state.h"
#include "embedded.h"

/* xid8 and MERGE-free statements need 13; 15 is what is tested. */
#define SERVER_VERSION_MIN 150000
/* A migration of a long table takes its time. */
#define STATEMENT_MS (3600 * 1000)

int migrate_transaction(struct db *db, int (*fn)(struct db *db, void *arg, struct err *err),
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

/* ---- the schema ---- */

static int version_of(const struct embedded_file *file)
{
	return (int)strtol(file->name, NULL, 10);
}

static int apply(struct db *db, void *arg, struct err *err)
{
	const struct embedded_file *file = arg;
	struct db_params p = DB_PARAMS_INIT;
	char sha[SHA256_HEX_BYTES];
	int rc;

	sha256_hex(file->text, strlen(file->text), sha);
	if (db_exec(db, file->text, err) < 0)
		return err_prefix(err, "migration %s", file->name);
	db_add_int4(&p, version_of(file));
	db_add_text(&p, file->name);
	db_add_text(&p, sha);
	rc = db_query(db, QUERY_MIG_RECORD, &p, NULL, err);
	db_params_release(&p);
	return rc;
}

/* 1: applied before, 0: not yet, -1: it cannot be applied any more. */
static int was_applied(const PGresult *applied, const struct embedded_file *file, struct err *err)
{
	char sha[SHA256_HEX_BYTES];
	int rows = PQntuples(applied);

	sha256_hex(file->text, strlen(file->text), sha);
	for (int row = 0; row < rows; row++) {
		if (db_get_int4(applied, row, 0) != version_of(file))
			continue;
		if (!strcmp(db_get_text(applied, row, 2), sha))
			return 1;
		return err_set(err, ERR_PERMANENT, "",
		        "migration %s was applied with another text; migrations never change: "
		        "put the change into a new one",
		        file->name);
	}
	if (rows && db_get_int4(applied, rows - 1, 0) > version_of(file))
		return err_set(err, ERR_PERMANENT, "",
		        "migration %s was never applied but the later %s was; migrations only go "
		        "forward: give it the next free number",
		        file->name, db_get_text(applied, rows - 1, 1));
	return 0;
}

/* The last migration in the database that this program does not know; NULL: it knows all. */
static const char *newer_than_us(const PGresult *applied)
{
	const char *newer = NULL;

	for (int row = 0; row < PQntuples(applied); row++) {
		const struct embedded_file *f = embedded_migrations;

		while (f->name && version_of(f) != db_get_int4(applied, row, 0))
			f++;
		if (!f->name)
			newer = db_get_text(applied, row, 1);
	}
	return newer;
}

static int apply_missing(struct db *db, const PGresult *applied, struct err *err)
{
	int rc = 0;

	/* All are looked at before any is applied. */
	for (const struct embedded_file *f = embedded_migrations; f->name && rc >= 0; f++)
		rc = was_applied(applied, f, err);
	for (const struct embedded_file *f = embedded_migrations; f->name && rc >= 0; f++) {
		rc = was_applied(applied, f, err);
		if (rc == 0) {
			rc = migrate_transaction(db, apply, (void *)f, err);
			if (rc == 0)
				printf("migration %s applied\n", f->name);
		}
	}
	return rc < 0 ? -1 : 0;
}

/* The lock goes with the session. Waiting for another migrate may take long; waiting for a table
 * lock may not, everybody else queues up behind it. */
static int lock(struct db *db, struct err *err)
{
	if (db_exec(db, "SET lock_timeout = 0", err) < 0 ||
	        db_query(db, QUERY_MIG_LOCK, NULL, NULL, err) < 0)
		return -1;
	return db_exec(db, "RESET lock_timeout", err);
}

static int check_server(struct db *db, struct err *err)
{
	const char *encoding;

	if (db_connect(db, err) < 0)
		return -1;
	encoding = PQparameterStatus(db->conn, "server_encoding");
	if (PQserverVersion(db->conn) < SERVER_VERSION_MIN)
		return err_set(err, ERR_PERMANENT, "",
		        "this PostgreSQL has version %d; obpipe needs %d or later",
		        PQserverVersion(db->conn) / 10000, SERVER_VERSION_MIN / 10000);
	if (!encoding || strcmp(encoding, "UTF8") != 0)
		return err_set(err, ERR_PERMANENT, "",
		        "database \"%s\" has the encoding %s; make one with ENCODING 'UTF8'",
		        PQdb(db->conn), encoding ? encoding : "(none)");
	return 0;
}

/* ---- the tables that come from C ---- */

static int fill(
        struct db *db, enum query query, struct db_params *p, const char *what, struct err *err)
{
	PGresult *res;
	int rc = db_query(db, query, p, &res, err);

	db_params_release(p);
	if (rc < 0)
		return -1;
	for (int row = 0; row < PQntuples(res); row++)
		printf("%s %s %s\n", what, db_get_text(res, row, 0),
		        db_get_bool(res, row, 1) ? "added" : "changed");
	PQclear(res);
	return 0;
}

static int fill_names(struct db *db, enum query query, const char *(*name)(int), int max,
        const char *what, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	int16_t ids[16];
	const char *names[16];
	size_t n = 0;

	for (int i = 1; i < max && n < ARRAY_SIZE(ids); i++) {
		ids[n] = (int16_t)i;
		names[n++] = name(i);
	}
	db_add_int2_array(&p, ids, n);
	db_add_text_array(&p, names, n);
	return fill(db, query, &p, what, err);
}

static int fill_rules(struct db *db, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;
	size_t n = state_rule_count;
	int16_t *numbers = xcalloc(4 * n, sizeof(*numbers));
	const char **texts = xcalloc(3 * n, sizeof(*texts));

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
	free(numbers);
	free(texts);
	return fill(db, QUERY_MIG_STATE_RULES, &p, "state rule", err);
}

static int fill_tables(struct db *db, void *arg, struct err *err)
{
	struct db_params p = DB_PARAMS_INIT;

	if (fill_names(db, QUERY_MIG_SUBTASK_STATE, subtask_state_name, SUBTASK_STATE_MAX,
	            "subtask state", err) < 0 ||
	        fill_names(db, QUERY_MIG_TASK_STATE, task_state_name, TASK_STATE_MAX, "task state",
	                err) < 0 ||
	        fill_names(db, QUERY_MIG_OPERATION, operation_name, OPERATION_MAX, "operation",
	                err) < 0 ||
	        fill_rules(db, err) < 0)
		return -1;
	db_add_text_array(&p, cli_type_names, cli_type_count);
	return fill(db, QUERY_MIG_TYPES, &p, "subtask type", err);
}

/* ---- all of it ---- */

static int migrate(struct db *db, const char *folder, struct err *err)
{
	PGresult *applied;
	const char *newer;
	int rc;

	if (check_server(db, err) < 0 || lock(db, err) < 0 ||
	        db_query(db, QUERY_MIG_TABLE, NULL, NULL, err) < 0 ||
	        db_query(db, QUERY_MIG_APPLIED, NULL, &applied, err) < 0)
		return -1;
	newer = newer_than_us(applied);
	if (newer) {
		/* The release before must go on working, and must not put back what it knows. */
		printf("the database is newer than this program (it has migration %s): left as it "
		       "is\n",
		        newer);
		PQclear(applied);
		return folder ? migrate_templates(db, folder, err) : 0;
	}
	rc = apply_missing(db, applied, err);
	PQclear(applied);
	if (rc == 0)
		rc = migrate_transaction(db, fill_tables, NULL, err);
	if (rc == 0)
		rc = migrate_templates(db, folder, err);
	if (rc == 0)
		printf("database is up to date\n");
	return rc;
}

int cmd_migrate(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {{"templates", required_argument, NULL, 't'}, {0}};
	const char *folder = NULL;
	struct db db;
	struct err err = {0};
	int option, rc;

	for (bool first = true; (option = cli_option(cli, argc, argv, options, first)) != -1;
	        first = false) {
		if (option == '?')
			return EXIT_USAGE;
		folder = optarg;
	}
	if (optind < argc)
		return cli_usage(cli, "unexpected argument \"%s\"", argv[optind]);
	db_init(&db, &cli->settings, "obpipe-migrate");
	db.statement_timeout_ms = STATEMENT_MS;
	rc = migrate(&db, folder, &err);
	db_release(&db);
	return rc < 0 ? cli_fail(cli, &err) : EXIT_OK;
}

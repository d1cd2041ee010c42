/* inventory: loads clusters, hosts, packages and credentials, and shows them. */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/file.h"
#include "cli/inventory_file.h"
#include "cli/table.h"
#include "common/db.h"
#include "common/json.h"
#include "common/mem.h"

/* ---- load ---- */

struct counts {
	const char *what;
	enum query query;
	int added, changed;
	size_t named;
};

/* Runs a statement whose $1 is JSON text. */
static int query_json(
        struct db *db, enum query query, const json_t *value, PGresult **ret, struct err *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct db_params p = DB_PARAMS_INIT;
	int rc;

	json_append(&text, value);
	db_add_text(&p, text.buf);
	rc = db_query(db, query, &p, ret, err);
	db_params_release(&p);
	return rc;
}

/* What does not go with the rows there are. */
static int check_rows(
        struct db *db, const json_t *root, struct inventory_faults *faults, struct err *err)
{
	PGresult *res;

	if (query_json(db, QUERY_INV_LOAD_CHECK, root, &res, err) < 0)
		return -1;
	for (int row = 0; row < PQntuples(res); row++)
		inventory_fault(faults, db_get_text(res, row, 0), "%s", db_get_text(res, row, 1));
	PQclear(res);
	return 0;
}

static int put_rows(struct db *db, const json_t *root, struct counts *c, struct err *err)
{
	const json_t *list = json_object_get(root, c->what);
	PGresult *res;

	c->named = json_array_size(list);
	if (query_json(db, c->query, list, &res, err) < 0)
		return -1;
	for (int row = 0; row < PQntuples(res); row++)
		*(db_get_bool(res, row, 0) ? &c->added : &c->changed) += 1;
	PQclear(res);
	return 0;
}

static struct counts counts[] = {{.what = "credentials", .query = QUERY_INV_LOAD_CREDENTIALS},
        {.what = "clusters", .query = QUERY_INV_LOAD_CLUSTERS},
        {.what = "hosts", .query = QUERY_INV_LOAD_HOSTS},
        {.what = "packages", .query = QUERY_INV_LOAD_PACKAGES},
        {.what = "users", .query = QUERY_INV_LOAD_USERS}};

static int put_all(struct db *db, const json_t *root, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		if (put_rows(db, root, &counts[i], err) < 0)
			return -1;
	return query_json(
	        db, QUERY_INV_LOAD_PARAMETERS, json_object_get(root, "clusters"), NULL, err);
}

/* In one transaction, which first locks the inventory. Faults or `check`: rolled back. */
static int put(struct db *db, const json_t *root, struct inventory_faults *faults, bool check,
        struct err *err)
{
	if (db_exec(db, "BEGIN", err) < 0 || db_query(db, QUERY_INV_BUMP, NULL, NULL, err) < 0 ||
	        check_rows(db, root, faults, err) < 0)
		return -1;
	if (faults->count || check)
		return db_exec(db, "ROLLBACK", err);
	return put_all(db, root, err) < 0 ? -1 : db_exec(db, "COMMIT", err);
}

static json_t *read_file(const char *path, struct inventory_faults *faults, struct err *err)
{
	_cleanup_free_ char *text = NULL, *copy = xstrdup(strcmp(path, "-") ? path : ".");
	size_t bytes;
	json_t *root;

	if (file_read(path, &text, &bytes, err) < 0)
		return NULL;
	root = json_parse_strict(text, bytes, err);
	if (!root)
		err_prefix(err, "%s", path);
	else
		inventory_file_check(root, strcmp(path, "-") ? dirname(copy) : ".", faults);
	return root;
}

static int load(struct cli *cli, const char *path, bool check)
{
	struct inventory_faults faults = {0};
	struct err err = {0};
	json_t *root = read_file(path, &faults, &err);
	int rc = root ? 0 : -1, code = EXIT_OK;
	struct db db;

	db_init(&db, &cli->settings, "obpipe-inventory");
	if (rc == 0 && !faults.count)
		rc = put(&db, root, &faults, check, &err);
	db_release(&db);
	json_decref(root);
	if (rc < 0) {
		code = cli_fail(cli, &err);
	} else if (faults.count) {
		fprintf(stderr, "obpipe inventory: %s has %zu fault%s, nothing was loaded:\n%s",
		        path, faults.count, faults.count == 1 ? "" : "s", faults.text.buf);
		code = EXIT_FAILED;
	} else if (check) {
		printf("%s can be loaded\n", path);
	} else {
		for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
			if (counts[i].named)
				printf("%s: %zu named, %d added, %d changed\n", counts[i].what,
				        counts[i].named, counts[i].added, counts[i].changed);
	}
	strbuf_release(&faults.text);
	return code;
}

/* ---- show ---- */

static void show_list(const json_t *root, const char *list, const char *const *members)
{
	struct table *t = table_new(members);
	size_t i;
	json_t *one;

	printf("%s\n", list);
	json_array_foreach (json_object_get(root, list), i, one)
		for (const char *const *m = members; *m; m++) {
			_cleanup_free_ char *name = xstrndup(*m, strcspn(*m, ">"));
			const json_t *value = json_object_get(one, name);

			if (json_is_integer(value))
				table_addf(t, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
			else
				table_add(t, json_string_value(value));
		}
	table_print(t, stdout);
	table_free(t);
	putchar('\n');
}

static int show(struct cli *cli)
{
	struct err err = {0};
	PGresult *res = NULL;
	struct db db;
	json_t *root = NULL;
	int rc;

	db_init(&db, &cli->settings, "obpipe-inventory");
	rc = db_query(&db, QUERY_INV_LOAD_SHOW, NULL, &res, &err);
	if (rc == 0)
		root = json_loads(db_get_text(res, 0, 0), 0, NULL);
	PQclear(res);
	db_release(&db);
	if (rc < 0)
		return cli_fail(cli, &err);
	if (cli->json) {
		cli_print_json(root);
	} else {
		show_list(root, "credentials",
		        (const char *const[]){"id>", "name", "userName", "keyFile", NULL});
		show_list(root, "clusters",
		        (const char *const[]){
		                "id>", "name", "version", "workMode", "sqlPort>", NULL});
		show_list(root, "hosts",
		        (const char *const[]){"id>", "name", "address", "sshPort>", "status",
		                "architecture", "credential", NULL});
		show_list(root, "packages", (const char *const[]){"id>", "path", "type", NULL});
	}
	json_decref(root);
	return EXIT_OK;
}

int cmd_inventory(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	        {"json", no_argument, NULL, 'j'}, {"check", no_argument, NULL, 'c'}, {0}};
	bool check = false;
	const char *verb;
	int option;

	for (bool first = true; (option = cli_option(cli, argc, argv, options, first)) != -1;
	        first = false) {
		if (option == '?')
			return EXIT_USAGE;
		*(option == 'j' ? &cli->json : &check) = true;
	}
	verb = optind < argc ? argv[optind] : "";
	if (!strcmp(verb, "load") && argc == optind + 2 && !cli->json)
		return load(cli, argv[optind + 1], check);
	if (!strcmp(verb, "show") && argc == optind + 1 && !check)
		return show(cli);
	return cli_usage(cli, "say load [--check] FILE or show [--json]");
}

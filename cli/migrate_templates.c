/* The templates of `obpipe migrate`: immutable rows keyed (name, version, sha256). */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/file.h"
#include "cli/migrate.h"
#include "cli/type_names.h"
#include "common/mem.h"
#include "common/template.h"
#include "embedded.h"

struct template_file {
	char *name, *text; /* owned */
	size_t bytes;
	struct template *template; /* owned; NULL until read */
};

struct template_files {
	struct template_file *files;
	size_t count, alloc;
	struct strbuf added; /* said once it is committed */
};

static void add_file(struct template_files *all, char *name, char *text, size_t bytes)
{
	if (all->count == all->alloc) {
		all->alloc = all->alloc ? all->alloc * 2 : 16;
		all->files = xrealloc(all->files, all->alloc * sizeof(*all->files));
	}
	all->files[all->count++] = (struct template_file){name, text, bytes, NULL};
}

static void release(struct template_files *all)
{
	for (size_t i = 0; i < all->count; i++) {
		free(all->files[i].name);
		free(all->files[i].text);
		template_free(all->files[i].template);
	}
	free(all->files);
	strbuf_release(&all->added);
}

/* ---- rows ---- */

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

static int16_t roots_of(const struct template *t)
{
	int16_t roots = 0;

	for (int i = 0; i < t->node_count; i++)
		roots += t->nodes[i].upstream_count == 0;
	return roots;
}

static int add_template(struct db *db, const struct template_file *file, struct err *err)
{
	const struct template *t = file->template;
	struct db_params p = DB_PARAMS_INIT;
	PGresult *res;
	int32_t id;
	int rc;

	db_add_text(&p, t->name);
	db_add_int4(&p, t->version);
	db_add_text(&p, t->sha256);
	db_add_text(&p, t->task_name);
	db_add_text(&p, t->task_type);
	db_add_int2(&p, t->node_count);
	db_add_int2(&p, roots_of(t));
	db_add_text(&p, file->text);
	rc = db_query(db, QUERY_MIG_TEMPLATE_ADD, &p, &res, err);
	db_params_release(&p);
	if (rc < 0)
		return -1;
	id = db_get_int4(res, 0, 0);
	PQclear(res);
	return add_nodes(db, t, id, err) < 0 ? -1 : add_edges(db, t, id, err);
}

/* ---- loading ---- */

static int load_one(
        struct db *db, struct template_files *all, struct template_file *file, struct err *err)
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
	if (PQntuples(res) == 0) {
		rc = add_template(db, file, err);
		strbuf_addf(&all->added, "template %s version %d added\n", t->name, t->version);
	} else if (strcmp(db_get_text(res, 0, 0), t->sha256) != 0) {
		rc = err_set(err, ERR_PERMANENT, "",
		        "template %s version %d is in the database with another text; templates "
		        "never change: raise \"version\" in %s",
		        t->name, t->version, file->name);
	}
	PQclear(res);
	return rc;
}

static int load_all(struct db *db, void *arg, struct err *err)
{
	struct template_files *all = arg;

	for (size_t i = 0; i < all->count; i++)
		if (load_one(db, all, &all->files[i], err) < 0)
			return -1;
	return 0;
}

static int read_all(struct template_files *all, struct err *err)
{
	for (size_t i = 0; i < all->count; i++) {
		struct template_file *f = &all->files[i];

		if (template_parse(f->text, f->bytes, cli_type_names, &f->template, err) < 0)
			return err_prefix(err, "%s", f->name);
	}
	return 0;
}

static int is_json(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && !strcmp(entry->d_name + len - 5, ".json");
}

static int add_folder(struct template_files *all, const char *folder, struct err *err)
{
	struct dirent **entries;
	int found = scandir(folder, &entries, is_json, alphasort), rc = 0;

	if (found < 0)
		return err_errno(err, ERR_PERMANENT, errno, "%s", folder);
	for (int i = 0; i < found; i++) {
		char *path = xasprintf("%s/%s", folder, entries[i]->d_name), *text;
		size_t bytes;

		if (rc == 0)
			rc = file_read(path, &text, &bytes, err);
		if (rc == 0)
			add_file(all, path, text, bytes);
		else
			free(path);
		free(entries[i]);
	}
	free(entries);
	if (rc == 0 && found == 0)
		return err_set(err, ERR_PERMANENT, "",
		        "%s: there is no template (NAME.json) in this folder", folder);
	return rc;
}

int migrate_templates(struct db *db, const char *folder, struct err *err)
{
	struct template_files all = {0};
	int rc = 0;

	for (const struct embedded_file *f = embedded_templates; f->name; f++)
		add_file(&all, xstrdup(f->name), xstrdup(f->text), strlen(f->text));
	if (folder)
		rc = add_folder(&all, folder, err);
	if (rc == 0)
		rc = read_all(&all, err);
	if (rc == 0)
		rc = migrate_transaction(db, load_all, &all, err);
	if (rc == 0 && all.added.len)
		fputs(all.added.buf, stdout);
	release(&all);
	return rc;
}

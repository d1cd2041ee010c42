#include "workers/obproxy/site.h"

#include <stdlib.h>

#include "common/mem.h"
#include "common/package_name.h"

static char *copy(const PGresult *res, int col)
{
	const char *text = db_get_text(res, 0, col);

	return text ? xstrdup(text) : NULL;
}

/* Columns as sub_site.sql lists them. */
static void site_fill(struct site *s, const PGresult *res)
{
	int col = 0;

	s->cluster_id = db_get_int8(res, 0, col++);
	s->host_id = db_get_int8(res, 0, col++);
	s->sql_port = db_get_int4(res, 0, col++);
	s->exporter_port = db_get_int4(res, 0, col++);
	s->version = copy(res, col++);
	s->architecture = copy(res, col++);
	s->status = copy(res, col++);
	s->cluster_name = copy(res, col++);
	s->work_mode = copy(res, col++);
	s->config_url = copy(res, col++);
	s->rs_list = copy(res, col++);
	s->parameter_version = db_get_int8(res, 0, col++);
	s->file_name = copy(res, col++);
	s->size = db_get_int8(res, 0, col++);
	s->sha256 = copy(res, col++);
	s->path = copy(res, col++);
}

static int site_name_parts(struct site *s, struct err *err)
{
	struct package_name p;

	if (package_name_parse(s->file_name, &p, err) != 0)
		return err_prefix(err, "package %s", s->file_name);
	s->full_name = xasprintf("%s-%s-%s.%s.%s", p.name, p.version, p.build, p.os, p.arch);
	s->package_name = xstrdup(p.name);
	s->package_version = xstrdup(p.version);
	s->root = xasprintf(OBPROXY_FOLDER "/obproxy-%s", p.version);
	return 0;
}

int site_load(struct subtask_ctx *ctx, struct site *ret, struct err *err)
{
	struct db_params params = DB_PARAMS_INIT;
	PGresult *res = NULL;
	int rc;

	*ret = (struct site){.obproxy_id = ctx->obproxy_server_id};
	db_add_int8(&params, ctx->task_id);
	db_add_int8(&params, ctx->obproxy_server_id);
	rc = subtask_query(ctx, QUERY_SUB_SITE, &params, &res, err);
	db_params_release(&params);
	if (rc == 0 && PQntuples(res) == 0)
		rc = err_set(err, ERR_PERMANENT, "ODP21001",
		        "OBProxy %lld is not task %lld's (any more): its row was removed or "
		        "belongs "
		        "to another task; submit a new request",
		        (long long)ctx->obproxy_server_id, (long long)ctx->task_id);
	if (rc == 0) {
		site_fill(ret, res);
		rc = site_name_parts(ret, err);
	}
	PQclear(res);
	return rc;
}

void site_release(struct site *s)
{
	char *const all[] = {s->version, s->architecture, s->status, s->cluster_name, s->work_mode,
	        s->config_url, s->rs_list, s->file_name, s->sha256, s->path, s->full_name,
	        s->package_name, s->package_version, s->root};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		free(all[i]);
	*s = (struct site)SITE_INIT;
}

int parameters_load(struct subtask_ctx *ctx, const struct site *s, bool startup,
        struct parameters *ret, struct err *err)
{
	struct db_params params = DB_PARAMS_INIT;
	PGresult *res = NULL;
	int rc;

	*ret = (struct parameters){0};
	db_add_int8(&params, s->cluster_id);
	db_add_bool(&params, startup);
	rc = subtask_query(ctx, QUERY_SUB_PARAMETERS, &params, &res, err);
	db_params_release(&params);
	if (rc != 0)
		return rc;
	ret->count = (size_t)PQntuples(res);
	ret->list = xcalloc(ret->count + 1, sizeof(*ret->list));
	for (size_t i = 0; i < ret->count; i++) {
		ret->list[i].name = xstrdup(db_get_text(res, (int)i, 0));
		ret->list[i].value = xstrdup(db_get_text(res, (int)i, 1));
	}
	PQclear(res);
	return 0;
}

void parameters_release(struct parameters *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->list[i].name);
		free(p->list[i].value);
	}
	free(p->list);
	*p = (struct parameters){0};
}

static int undo_get(struct subtask_ctx *ctx, json_t **ret, struct err *err)
{
	struct db_params params = DB_PARAMS_INIT;
	PGresult *res = NULL;
	int rc;

	*ret = NULL;
	db_add_int8(&params, ctx->task_id);
	db_add_int8(&params, ctx->subtask_id);
	rc = subtask_query(ctx, QUERY_SUB_UNDO_GET, &params, &res, err);
	db_params_release(&params);
	if (rc == 0 && PQntuples(res) == 1)
		*ret = json_loads(db_get_text(res, 0, 0), 0, NULL);
	PQclear(res);
	return rc;
}

int undo_record(struct subtask_ctx *ctx, json_t *found, json_t **ret, struct err *err)
{
	struct db_params params = DB_PARAMS_INIT;
	_cleanup_free_ char *text = json_dumps(found, JSON_COMPACT);
	int rc;

	json_decref(found);
	db_add_int8(&params, ctx->task_id);
	db_add_int8(&params, ctx->subtask_id);
	db_add_int8(&params, ctx->claim);
	db_add_text(&params, text);
	rc = subtask_query(ctx, QUERY_SUB_UNDO_ADD, &params, NULL, err);
	db_params_release(&params);
	if (rc == 0)
		rc = undo_get(ctx, ret, err);
	if (rc == 0 && !*ret)
		rc = err_set(err, ERR_PERMANENT, "",
		        "another attempt has taken over; this one ends without a change");
	return rc;
}

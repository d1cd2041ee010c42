/*
 * sync-obproxy-parameter: the running OBProxy has its cluster's parameters, and its row says which
 * version of them (host-operations.md A7). Reads, sets what differs, reads again; a second run sets
 * nothing.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "workers/obproxy/proxysys.h"
#include "common/mem.h"

struct sync {
	struct subtask_ctx *ctx;
	struct host *h;
	struct mysql_client *my;
};

/* 1: it was set; 0: it was right; -1. The value found is kept in *before for the undo record. */
static int compare(struct sync *sy, const struct parameter *p, char **ret_before, struct err *err)
{
	if (proxysys_get(sy->my, p->name, ret_before, err) != 0)
		return -1;
	if (!*ret_before)
		return err_set(err, ERR_PERMANENT, "ODP21007",
		        "%s: this OBProxy version has no parameter %s; take it out of the "
		        "cluster's, "
		        "then retry",
		        host_label(sy->h), p->name);
	return !proxysys_same_value(*ret_before, p->value);
}

static int set_one(struct sync *sy, const struct parameter *p, const char *before, struct err *err)
{
	_cleanup_free_ char *after = NULL;

	if (proxysys_set(sy->my, p->name, p->value, err) != 0)
		return err_prefix(err,
		        "%s: the OBProxy does not take %s = %s; correct the cluster's "
		        "parameters, then retry",
		        host_label(sy->h), p->name, p->value);
	if (proxysys_get(sy->my, p->name, &after, err) != 0)
		return -1;
	/* Once it is set, a word that the proxy prints in other letters is no failure. */
	if (!after || (!proxysys_same_value(after, p->value) && strcasecmp(after, p->value) != 0))
		return err_set(err, ERR_PERMANENT, "",
		        "%s: parameter %s was set to %s, but reads %s", host_label(sy->h), p->name,
		        p->value, after ? after : "nothing");
	subtask_log(sy->ctx, "%s: %s was %s, is %s now", host_label(sy->h), p->name, before, after);
	return 0;
}

/* Old values of all that will be changed, stored before the first change. */
static int find_differences(struct sync *sy, const struct parameters *want, bool *differs,
        char **before, struct err *err)
{
	json_t *found = json_object(), *stored = NULL;
	size_t count = 0;

	for (size_t i = 0; i < want->count; i++) {
		int rc = compare(sy, &want->list[i], &before[i], err);

		if (rc < 0) {
			json_decref(found);
			return -1;
		}
		differs[i] = rc > 0;
		if (!differs[i])
			continue;
		count++;
		json_object_set_new(found, want->list[i].name, json_string(before[i]));
	}
	subtask_log(sy->ctx, "%s: compared %zu parameters, %zu differ", host_label(sy->h),
	        want->count, count);
	if (undo_record(sy->ctx, json_pack("{so}", "parameters", found), &stored, err) != 0)
		return -1;
	json_decref(stored);
	return 0;
}

static int sync_all(struct sync *sy, const struct parameters *want, struct err *err)
{
	bool *differs = xcalloc(want->count + 1, sizeof(*differs));
	char **before = xcalloc(want->count + 1, sizeof(*before));
	int rc = find_differences(sy, want, differs, before, err);

	for (size_t i = 0; rc == 0 && i < want->count; i++)
		if (differs[i])
			rc = set_one(sy, &want->list[i], before[i], err);
	for (size_t i = 0; i < want->count; i++)
		free(before[i]);
	free(before);
	free(differs);
	return rc;
}

static void store_version(struct subtask_ctx *ctx, const struct site *s)
{
	struct db_params params = DB_PARAMS_INIT;

	db_add_int8(&params, s->obproxy_id);
	db_add_int8(&params, s->parameter_version);
	subtask_on_success(ctx, QUERY_SUB_PARAMETER_VERSION, &params);
	db_params_release(&params);
}

static enum subtask_outcome run(struct subtask_ctx *ctx, struct err *err)
{
	_cleanup_site_ struct site s = SITE_INIT;
	_cleanup_parameters_ struct parameters want = {0};
	_cleanup_host_ struct host *h = NULL;
	_cleanup_mysql_ struct mysql_client *my = NULL;
	struct sync sy = {.ctx = ctx};

	if (site_load(ctx, &s, err) != 0 || parameters_load(ctx, &s, false, &want, err) != 0 ||
	        host_open(ctx, &h, err) != 0 || proxysys_open(ctx, h, &s, &my, NULL, err) != 0)
		return SUBTASK_FAIL;
	sy.h = h;
	sy.my = my;
	if (sync_all(&sy, &want, err) != 0)
		return SUBTASK_FAIL;
	store_version(ctx, &s);
	return SUBTASK_DONE;
}

const struct subtask_type subtask_sync_obproxy_parameter = {
        .name = "sync-obproxy-parameter",
        .run = run,
};

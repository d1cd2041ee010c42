/*
 * prepare-obproxy-install: checks once more, against the rows as they are now, what the ingress
 * checked against its memory, and takes the OBProxy's row (host-operations.md A1). It alone inserts
 * that row; the 409 at the door is a best effort.
 *
 * The row is inserted at once, under the claim, and not with the subtask's success: a conflict is
 * to become this step's failure with its reason.
 */
#include <string.h>

#include "common/mem.h"
#include "common/package_name.h"
#include "workers/subtask_type.h"

/* Columns as sub_plan.sql lists them. */
enum {
	P_FILE,
	P_SQL_PORT,
	P_EXPORTER_PORT,
	P_CLUSTER,
	P_CLUSTER_VERSION,
	P_CLUSTER_SQL_PORT,
	P_CLUSTER_EXPORTER_PORT,
	P_HOST,
	P_ADDRESS,
	P_HOST_STATUS,
	P_HOST_ARCH,
	P_PACKAGE,
	P_PACKAGE_VERSION,
	P_BUILD,
	P_PACKAGE_ARCH
};

static int plan_load(struct subtask_ctx *ctx, PGresult **ret, struct err *err)
{
	struct db_params params = DB_PARAMS_INIT;
	int rc;

	db_add_int8(&params, ctx->task_id);
	rc = subtask_query(ctx, QUERY_SUB_PLAN, &params, ret, err);
	db_params_release(&params);
	if (rc == 0 && PQntuples(*ret) == 0)
		rc = err_set(err, ERR_PERMANENT, "", "the request of task %lld is not recorded",
		        (long long)ctx->task_id);
	return rc;
}

static int check_host(const struct subtask_ctx *ctx, const PGresult *plan, struct err *err)
{
	const char *status = db_get_text(plan, 0, P_HOST_STATUS);

	if (!status)
		return err_set(err, ERR_PERMANENT, "CMP07005",
		        "host %lld is not in the inventory any more; load it again and retry",
		        (long long)ctx->host_id);
	if (!strcmp(status, "OFFLINE") || !strcmp(status, "DELETING"))
		return err_set(err, ERR_PERMANENT, "CMP07004",
		        "host %lld (%s) is %s; bring it back, then retry", (long long)ctx->host_id,
		        db_get_text(plan, 0, P_ADDRESS), status);
	return 0;
}

static int check_package(const PGresult *plan, struct err *err)
{
	const char *file = db_get_text(plan, 0, P_FILE);
	const char *arch = db_get_text(plan, 0, P_PACKAGE_ARCH);
	const char *host_arch = db_get_text(plan, 0, P_HOST_ARCH);
	const char *rule;

	if (db_is_null(plan, 0, P_PACKAGE))
		return err_set(err, ERR_PERMANENT, "CMP07514",
		        "package %s is not in the inventory any more; load it again and retry",
		        file);
	if (strcmp(arch, host_arch) != 0)
		return err_set(err, ERR_PERMANENT, "CMP07025",
		        "package %s is for %s, the host is %s; submit a package for %s", file, arch,
		        host_arch, host_arch);
	rule = obproxy_version_rule(
	        db_get_text(plan, 0, P_CLUSTER_VERSION), db_get_text(plan, 0, P_PACKAGE_VERSION));
	if (rule)
		return err_set(err, ERR_PERMANENT, "ODP21110",
		        "cluster %s has version %s and takes OBProxy %s; %s is none",
		        db_get_text(plan, 0, P_CLUSTER), db_get_text(plan, 0, P_CLUSTER_VERSION),
		        rule, file);
	return 0;
}

/* The cluster's own ports, when its record fixes them. */
static int check_ports(const PGresult *plan, struct err *err)
{
	int sql = db_get_int4(plan, 0, P_SQL_PORT),
	    exporter = db_get_int4(plan, 0, P_EXPORTER_PORT);

	for (int col = P_CLUSTER_SQL_PORT; col <= P_CLUSTER_EXPORTER_PORT; col++) {
		int asked = col == P_CLUSTER_SQL_PORT ? sql : exporter;

		if (!db_is_null(plan, 0, col) && db_get_int4(plan, 0, col) != asked)
			return err_set(err, ERR_PERMANENT, "ODP21109",
			        "cluster %s has %s %d, the request says %d; ask for the cluster's",
			        db_get_text(plan, 0, P_CLUSTER),
			        col == P_CLUSTER_SQL_PORT ? "sqlPort" : "exporterPort",
			        db_get_int4(plan, 0, col), asked);
	}
	return 0;
}

static int check(struct subtask_ctx *ctx, const PGresult *plan, struct err *err)
{
	if (db_is_null(plan, 0, P_CLUSTER))
		return err_set(err, ERR_PERMANENT, "ODP21001",
		        "OBProxy cluster %lld is not in the inventory any more; load it again and "
		        "retry",
		        (long long)ctx->cluster_id);
	if (check_host(ctx, plan, err) != 0 || check_package(plan, err) != 0)
		return -1;
	return check_ports(plan, err);
}

static int take_row(struct subtask_ctx *ctx, const PGresult *plan, struct err *err)
{
	struct db_params params = DB_PARAMS_INIT;
	_cleanup_free_ char *version = xasprintf(
	        "%s-%s", db_get_text(plan, 0, P_PACKAGE_VERSION), db_get_text(plan, 0, P_BUILD));
	PGresult *res = NULL;
	int rc;

	db_add_int8(&params, ctx->task_id);
	db_add_int8(&params, ctx->subtask_id);
	db_add_int8(&params, ctx->claim);
	db_add_int8(&params, ctx->obproxy_server_id);
	db_add_int8(&params, ctx->cluster_id);
	db_add_int8(&params, ctx->host_id);
	db_add_int4(&params, db_get_int4(plan, 0, P_SQL_PORT));
	db_add_int4(&params, db_get_int4(plan, 0, P_EXPORTER_PORT));
	db_add_int8(&params, db_get_int8(plan, 0, P_PACKAGE));
	db_add_text(&params, version);
	db_add_text(&params, db_get_text(plan, 0, P_PACKAGE_ARCH));
	rc = subtask_query(ctx, QUERY_SUB_OBPROXY_ADD, &params, &res, err);
	db_params_release(&params);
	if (rc == 0 && db_get_text(res, 0, 0)[0])
		rc = err_set(err, ERR_PERMANENT, "ODP21006", "host %lld (%s): %s",
		        (long long)ctx->host_id, db_get_text(plan, 0, P_ADDRESS),
		        db_get_text(res, 0, 0));
	if (rc == 0)
		subtask_log(ctx, "OBProxy %lld is recorded: version %s, status CREATING",
		        (long long)ctx->obproxy_server_id, version);
	PQclear(res);
	return rc;
}

static enum subtask_outcome run(struct subtask_ctx *ctx, struct err *err)
{
	PGresult *plan = NULL;
	int rc = plan_load(ctx, &plan, err);

	if (rc == 0)
		rc = check(ctx, plan, err);
	if (rc == 0) {
		subtask_log(ctx,
		        "host %lld (%s) is %s, %s; cluster %s has version %s; ports %d and %d",
		        (long long)ctx->host_id, db_get_text(plan, 0, P_ADDRESS),
		        db_get_text(plan, 0, P_HOST_STATUS), db_get_text(plan, 0, P_HOST_ARCH),
		        db_get_text(plan, 0, P_CLUSTER), db_get_text(plan, 0, P_CLUSTER_VERSION),
		        db_get_int4(plan, 0, P_SQL_PORT), db_get_int4(plan, 0, P_EXPORTER_PORT));
		rc = take_row(ctx, plan, err);
	}
	PQclear(plan);
	return rc == 0 ? SUBTASK_DONE : SUBTASK_FAIL;
}

const struct subtask_type subtask_prepare_obproxy_install = {
        .name = "prepare-obproxy-install",
        .run = run,
};

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "workers/host/host_internal.h"
#include "workers/host/session_pool.h"

#define CONNECT_TIMEOUT_MS 15000

enum { C_ADDRESS, C_PORT, C_HOST_KEY, C_USER, C_KEY_FILE };

static int read_inventory(struct subtask_ctx *ctx, struct target *ret, struct err *err)
{
	struct db_params params = DB_PARAMS_INIT;
	PGresult *res = NULL;
	int rc;

	if (ctx->host_id == 0) {
		err_set(err, ERR_PERMANENT, "CMP07005",
		        "this task has no host, but the subtask needs one; submit it with a host");
		return -1;
	}
	db_add_int8(&params, ctx->host_id);
	rc = subtask_query(ctx, QUERY_HOST_GET, &params, &res, err);
	db_params_release(&params);
	if (rc < 0) {
		err_prefix(err, "host %" PRId64 " cannot be looked up", ctx->host_id);
		return -1;
	}
	if (PQntuples(res) == 0) {
		PQclear(res);
		err_set(err, ERR_PERMANENT, "CMP07005",
		        "host %" PRId64 " is not in the inventory (any more); load it again by "
		        "`obpipe inventory load`",
		        ctx->host_id);
		return -1;
	}
	*ret = (struct target){
	        .host_id = ctx->host_id,
	        .address = xstrdup(db_get_text(res, 0, C_ADDRESS)),
	        .port = db_get_int4(res, 0, C_PORT),
	        .host_key = xstrdup(db_get_text(res, 0, C_HOST_KEY)),
	        .user = xstrdup(db_get_text(res, 0, C_USER)),
	        .key_file = xstrdup(db_get_text(res, 0, C_KEY_FILE)),
	};
	PQclear(res);
	return 0;
}

static struct target target_copy(const struct target *t)
{
	return (struct target){t->host_id, xstrdup(t->address), t->port, xstrdup(t->host_key),
	        xstrdup(t->user), xstrdup(t->key_file)};
}

/* Closes what belongs to the session, but not the handle. */
static void detach(struct host *h)
{
	tunnels_free(h->tunnels);
	h->tunnels = NULL;
	stream_close(h->guard);
	h->guard = NULL;
	strbuf_release(&h->guard_in);
	strbuf_release(&h->guard_err);
}

/* A session that waited for its next use may be dead; nothing was done on it yet. */
static int enter_anew(
        struct host *h, const struct target *target, const struct patience *p, struct err *err)
{
	struct target again = target_copy(target);
	bool used;

	detach(h);
	session_free(h->session);
	h->session = NULL;
	h->lost = false;
	h->fenced[0] = '\0';
	pool_forget(target->host_id);
	if (pool_get(&again, p, &h->session, &used, err) < 0)
		return -1;
	return guard_enter(h, p, err);
}

static int enter(struct host *h, struct target *target, const struct patience *p, struct err *err)
{
	struct target kept = target_copy(target);
	bool used = false;
	int rc = pool_get(target, p, &h->session, &used, err);

	if (rc == 0) {
		rc = guard_enter(h, p, err);
		if (rc < 0 && used && err->kind == ERR_RETRYABLE &&
		        strcmp(err->code, "CMP07002") == 0)
			rc = enter_anew(h, &kept, p, err);
	}
	target_release(&kept);
	return rc;
}

int host_open(struct subtask_ctx *ctx, struct host **ret, struct err *err)
{
	struct patience p = patience_new(ctx, CONNECT_TIMEOUT_MS);
	struct target target;
	struct host *h;

	if (read_inventory(ctx, &target, err) < 0)
		return -1;
	h = xcalloc(1, sizeof(*h));
	h->ctx = ctx;
	if (enter(h, &target, &p, err) < 0) {
		detach(h);
		session_free(h->session);
		free(h);
		return -1;
	}
	*ret = h;
	return 0;
}

void host_close(struct host *h)
{
	struct err err;
	bool whole;

	if (!h)
		return;
	tunnels_free(h->tunnels);
	h->tunnels = NULL;
	/* When the guard does not confirm, closing the session makes it end what is left. */
	whole = !h->lost && guard_leave(h, &err) == 0;
	detach(h);
	if (whole)
		pool_put(h->session);
	else
		session_free(h->session);
	free(h);
}

const char *host_label(const struct host *h)
{
	return h->session->label;
}

const char *host_address(const struct host *h)
{
	return h->session->target.address;
}

struct subtask_ctx *host_ctx(const struct host *h)
{
	return h->ctx;
}

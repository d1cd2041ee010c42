/*
 * prepare-create-obproxy: reserves the host for the task, and looks whether OBProxy can be put
 * there at all (host-operations.md A2). While another task has the host it hands itself back.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "workers/host/host.h"
#include "workers/obproxy/scripts.h"
#include "workers/obproxy/site.h"

#define SERVICE "OB_PROXY"
#define WAIT_MS 3000
/* What is free must hold the uploaded file, what it unpacks to, and logs to begin with. */
#define ROOM_KIB(size) ((size) / 1024 * 4 + 65536)

static int reserve(struct subtask_ctx *ctx, struct err *err)
{
	struct db_params params = DB_PARAMS_INIT;
	int rc;

	db_add_int8(&params, ctx->task_id);
	db_add_int8(&params, ctx->subtask_id);
	db_add_int8(&params, ctx->claim);
	db_add_int8(&params, ctx->host_id);
	db_add_text(&params, SERVICE);
	rc = subtask_query(ctx, QUERY_SUB_RESERVE, &params, NULL, err);
	db_params_release(&params);
	return rc;
}

/* 0: it is ours; 1: another task has it, for *ret_tried_ms of our tries; -1. */
static int reserved_by(
        struct subtask_ctx *ctx, int64_t *ret_task, int64_t *ret_tried_ms, struct err *err)
{
	struct db_params params = DB_PARAMS_INIT;
	PGresult *res = NULL;
	int rc;

	db_add_int8(&params, ctx->host_id);
	db_add_int8(&params, ctx->task_id);
	db_add_int8(&params, ctx->subtask_id);
	rc = subtask_query(ctx, QUERY_SUB_RESERVED_BY, &params, &res, err);
	db_params_release(&params);
	if (rc == 0 && PQntuples(res) == 0) {
		/* Released between the two statements. */
		*ret_task = 0;
		*ret_tried_ms = 0;
		rc = 1;
	} else if (rc == 0) {
		*ret_task = db_get_int8(res, 0, 0);
		*ret_tried_ms = db_get_int8(res, 0, 3);
		rc = *ret_task == ctx->task_id ? 0 : 1;
	}
	PQclear(res);
	return rc;
}

static enum subtask_outcome wait_for_host(
        struct subtask_ctx *ctx, int64_t task, int64_t tried_ms, struct err *err)
{
	int64_t limit_ms = ctx->deadline_ms ? subtask_timeout_ms(ctx) : 0;

	if (limit_ms && ctx->run_time == 1 && tried_ms > limit_ms) {
		err_set(err, ERR_PERMANENT, "CMP07004",
		        "host %lld has been reserved by task %lld for longer than the %lld s this "
		        "subtask may wait; end that task, then retry",
		        (long long)ctx->host_id, (long long)task, (long long)limit_ms / 1000);
		return SUBTASK_FAIL;
	}
	subtask_log(ctx, "host %lld is reserved by task %lld", (long long)ctx->host_id,
	        (long long)task);
	subtask_wait_ms(ctx, WAIT_MS);
	return SUBTASK_WAIT;
}

/* ---- what the host is ---- */

/* Text behind "name " in the script's output; NULL when it is not there. Free it. */
static char *fact(const struct host_result *r, const char *name)
{
	size_t length = strlen(name);
	const char *line = r->out.buf;

	while (line && *line) {
		size_t bytes = strcspn(line, "\n");

		if (!strncmp(line, name, length) && line[length] == ' ') {
			_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

			host_add_printable(&sb, line + length + 1, bytes - length - 1, 256);
			return strbuf_detach(&sb, NULL);
		}
		line += bytes + (line[bytes] == '\n');
	}
	return NULL;
}

static int check_facts(
        struct host *h, const struct site *s, const struct host_result *r, struct err *err)
{
	_cleanup_free_ char *arch = fact(r, "architecture");
	_cleanup_free_ char *account = fact(r, "account");
	_cleanup_free_ char *rpm = fact(r, "rpm");
	_cleanup_free_ char *room = fact(r, "free_kib");
	int64_t free_kib = room ? strtoll(room, NULL, 10) : 0;

	if (!arch || strcmp(arch, s->architecture) != 0)
		return err_set(err, ERR_PERMANENT, "CMP07025",
		        "%s is %s, the package %s is for %s; correct the inventory and submit a "
		        "package for %s",
		        host_label(h), arch ? arch : "of an unknown architecture", s->file_name,
		        s->architecture, arch ? arch : "it");
	if (!account || !strcmp(account, "none"))
		return err_set(err, ERR_PERMANENT, "CMP07037",
		        "%s has no user " OBPROXY_USER ", as whom OBProxy runs; add it, then retry",
		        host_label(h));
	if (!rpm)
		return err_set(err, ERR_PERMANENT, "CMP07036",
		        "%s has no command rpm; install it, then retry", host_label(h));
	if (free_kib < ROOM_KIB(s->size))
		return err_set(err, ERR_PERMANENT, "",
		        "%s has %lld MiB free for " OBPROXY_FOLDER ", %lld MiB are needed; make "
		        "room, then retry",
		        host_label(h), (long long)free_kib / 1024,
		        (long long)ROOM_KIB(s->size) / 1024);
	return 0;
}

static void log_facts(struct subtask_ctx *ctx, struct host *h, const struct host_result *r)
{
	static const char *const names[] = {"system", "kernel", "architecture", "rpm", "free_kib"};
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *value = fact(r, names[i]);

		strbuf_addf(&sb, "%s%s %s", i ? "; " : "", names[i], value ? value : "unknown");
	}
	subtask_log(
	        ctx, "%s answers in %lld ms: %s", host_label(h), (long long)r->elapsed_ms, sb.buf);
}

static int look_at_host(struct subtask_ctx *ctx, const struct site *s, struct err *err)
{
	_cleanup_host_ struct host *h = NULL;
	_cleanup_host_result_ struct host_result r = HOST_RESULT_INIT;
	const struct host_command cmd = {
	        .what = "look at the host",
	        .argv = HOST_ARGV(OBPROXY_FOLDER, OBPROXY_USER),
	};

	if (host_open(ctx, &h, err) != 0 ||
	        host_script_ok(h, obproxy_facts_text, &cmd, &r, err) != 0)
		return -1;
	log_facts(ctx, h, &r);
	return check_facts(h, s, &r, err);
}

static enum subtask_outcome run(struct subtask_ctx *ctx, struct err *err)
{
	_cleanup_site_ struct site s = SITE_INIT;
	int64_t task = 0, tried_ms = 0;
	int rc;

	if (site_load(ctx, &s, err) != 0 || reserve(ctx, err) != 0)
		return SUBTASK_FAIL;
	rc = reserved_by(ctx, &task, &tried_ms, err);
	if (rc > 0)
		return wait_for_host(ctx, task, tried_ms, err);
	if (rc < 0)
		return SUBTASK_FAIL;
	subtask_log(ctx, "host %lld is reserved for this task", (long long)ctx->host_id);
	return look_at_host(ctx, &s, err) == 0 ? SUBTASK_DONE : SUBTASK_FAIL;
}

const struct subtask_type subtask_prepare_create_obproxy = {
        .name = "prepare-create-obproxy",
        .run = run,
};

/*
 * noop: does nothing, durably. For trying the pipeline out and for measuring it. Context values
 * (each may also be given for one node as NAME.KEY):
 *   sleep_ms  milliseconds until it is done
 *   fail      node keys, comma separated, or *: those fail while runTime <= fail_runs (default 1)
 *   stumble   likewise: those fail in a way that is worth another try (retry policy of the
 * template) while attempt <= stumble_attempts (default 1) crash     likewise: those kill their
 * worker while attempt <= crash_attempts (default 1)
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "workers/subtask_type.h"

static const char *own_value(const struct subtask_ctx *ctx, const char *name)
{
	_cleanup_free_ char *full = xasprintf("%s.%s", name, ctx->node_key);
	const char *value = subtask_value(ctx, full);

	return value ? value : subtask_value(ctx, name);
}

static int64_t own_number(const struct subtask_ctx *ctx, const char *name, int64_t fallback)
{
	const char *value = own_value(ctx, name);

	return value ? strtoll(value, NULL, 10) : fallback;
}

/* Is this node named in a list such as "left,right" or "*"? */
static bool names_me(const struct subtask_ctx *ctx, const char *name)
{
	const char *list = subtask_value(ctx, name);
	size_t key_len = strlen(ctx->node_key);

	while (list && *list) {
		size_t len = strcspn(list, ",");

		if ((len == 1 && *list == '*') ||
		        (len == key_len && !strncmp(list, ctx->node_key, len)))
			return true;
		list += len + (list[len] == ',');
	}
	return false;
}

static enum subtask_outcome run(struct subtask_ctx *ctx, struct err *err)
{
	int64_t sleep_ms;

	if (json_object_size(ctx->string_map) == 0)
		return SUBTASK_DONE;
	sleep_ms = own_number(ctx, "sleep_ms", 0);
	if (names_me(ctx, "crash") && ctx->attempt <= own_number(ctx, "crash_attempts", 1))
		raise(SIGKILL);
	if (names_me(ctx, "fail") && ctx->run_time <= own_number(ctx, "fail_runs", 1)) {
		err_set(err, ERR_PERMANENT, "",
		        "node %s was told to fail (context value \"fail\") in run %d",
		        ctx->node_key, ctx->run_time);
		return SUBTASK_FAIL;
	}
	if (names_me(ctx, "stumble") && ctx->attempt <= own_number(ctx, "stumble_attempts", 1)) {
		err_set(err, ERR_RETRYABLE, "",
		        "node %s was told to stumble (context value \"stumble\") in attempt %d",
		        ctx->node_key, ctx->attempt);
		return SUBTASK_FAIL;
	}
	if (sleep_ms <= 0)
		return SUBTASK_DONE;
	subtask_log(ctx, "sleeps %lld ms", (long long)sleep_ms);
	subtask_wait_ms(ctx, sleep_ms > INT32_MAX ? INT32_MAX : (int32_t)sleep_ms);
	return SUBTASK_LATER;
}

const struct subtask_type subtask_noop = {
        .name = "noop",
        .never_blocks = true,
        .run = run,
};

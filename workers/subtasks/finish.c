/*
 * finish: the barrier at a task's end. Releases the OBProxy the task owned (operate status NORMAL);
 * nothing is done on the host (host-operations.md A12).
 */
#include "workers/subtask_type.h"

static enum subtask_outcome run(struct subtask_ctx *ctx, struct err *err)
{
	subtask_on_success(ctx, QUERY_SUB_FINISH, NULL);
	return SUBTASK_DONE;
}

const struct subtask_type subtask_finish = {
        .name = "finish",
        .never_blocks = true,
        .run = run,
};

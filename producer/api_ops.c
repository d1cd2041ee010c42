/* api_ops: operations on tasks: retry. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/mem.h"
#include "common/state.h"
#include "producer/inventory_keeper.h"
#include "producer/publish.h"
#include "producer/read_write.h"
#include "producer/routes.h"
#include "producer/task_rows.h"

/* One retry: what it made READY, and the rows as they are afterwards. */
struct retry {
	struct task_rows rows;
	bool whole_task;
	struct {
		int64_t subtask_id;
		char *type;
	} * ready;
	int ready_count;
	bool subtask_found;
	int subtask_state;
};

static void retry_free(void *state)
{
	struct retry *r = state;

	for (int i = 0; i < r->ready_count; i++)
		free(r->ready[i].type);
	free(r->ready);
	task_rows_release(&r->rows);
	free(r);
}

static void on_result(void *arg, int index, const PGresult *res)
{
	struct call *c = arg;
	struct retry *r = c->state;

	if (index == 1) {
		r->ready_count = PQntuples(res);
		r->ready = xcalloc((size_t)r->ready_count + 1, sizeof(*r->ready));
		for (int row = 0; row < r->ready_count; row++) {
			r->ready[row].subtask_id = db_get_int8(res, row, 0);
			r->ready[row].type = xstrdup(db_get_text(res, row, 1));
		}
	} else if (index == 2) {
		task_rows_take(&r->rows, res);
	} else if (index == 3) {
		task_rows_take_subtasks(&r->rows, res);
	}
}

static const struct subtask_row *find_subtask(const struct call *c, const struct retry *r)
{
	for (size_t i = 0; r->rows.count && i < r->rows.subtask_count; i++)
		if (r->rows.tasks[0].first_subtask_id + r->rows.subtasks[i].now.node ==
		        c->params[1])
			return &r->rows.subtasks[i];
	return NULL;
}

static void refuse(struct call *c, const struct retry *r)
{
	const struct subtask_row *s = find_subtask(c, r);

	if (!r->whole_task && !s)
		reply_error(c, MHD_HTTP_NOT_FOUND, "TSK10001",
		        "there is no subtask %" PRId64 " in task %" PRId64, c->params[1],
		        c->params[0]);
	else if (!r->whole_task && r->rows.tasks[0].state == TASK_FAILED)
		reply_error(c, MHD_HTTP_BAD_REQUEST, "TSK10007",
		        "subtask %" PRId64 " is %s; only a FAILED one can be retried", c->params[1],
		        subtask_state_name(s->now.state));
	else
		reply_error(c, MHD_HTTP_BAD_REQUEST, "TSK10007",
		        "task %" PRId64 " is %s; retry needs it FAILED (nothing of it running any "
		        "more)",
		        c->params[0], task_state_name(r->rows.tasks[0].state));
}

static void on_done(void *arg, const struct err *err)
{
	struct call *c = arg;
	struct retry *r = c->state;

	if (err && err->kind == ERR_UNKNOWN) {
		reply_error(c, MHD_HTTP_GATEWAY_TIMEOUT, "COM10004",
		        "PostgreSQL did not say whether the retry happened; look at task %" PRId64
		        " before sending it again",
		        c->params[0]);
		return;
	}
	if (err) {
		reply_read_failed(c, err);
		return;
	}
	if (r->rows.count == 0) {
		read_write_missing(c, c->params[0], r->whole_task ? task_retry : subtask_retry);
		return;
	}
	if (r->ready_count == 0) {
		refuse(c, r);
		return;
	}
	for (int i = 0; i < r->ready_count; i++)
		publish_hint(c->in, r->ready[i].type, c->params[0], r->ready[i].subtask_id,
		        c->traceparent);
	if (!forms_known(c, &r->rows))
		return; /* done all the same; the next reading says so */
	reply_begin(c);
	if (r->whole_task)
		task_rows_render_full(&c->reply, keeper_forms(c->in->inventory), &r->rows, 0);
	else
		render_subtask(&c->reply,
		        task_forms_of(keeper_forms(c->in->inventory), r->rows.tasks[0].template_id),
		        r->rows.tasks[0].first_subtask_id, &find_subtask(c, r)->now);
	reply_end(c, MHD_HTTP_OK);
}

static void retry(struct call *c, bool whole_task)
{
	struct db_async *db = ingress_db(c->in);
	_cleanup_free_ char *who = xasprintf("user/%s", c->user);
	struct db_params p = DB_PARAMS_INIT;
	struct db_batch *batch;
	struct retry *r;

	if (!db) {
		reply_unavailable(c, "PostgreSQL is away; nothing was changed, try again");
		return;
	}
	r = xcalloc(1, sizeof(*r));
	r->whole_task = whole_task;
	call_set_state(c, r, retry_free);
	batch = db_batch_new(db, on_result, on_done, c);
	db_add_int8_array(&p, &c->params[0], 1);
	db_batch_add(batch, QUERY_TASK_LOCK, &p);
	db_params_clear(&p);
	db_add_int8(&p, c->params[0]);
	whole_task ? db_add_null(&p) : db_add_int8(&p, c->params[1]);
	db_add_text(&p, who);
	db_batch_add(batch, QUERY_API_RETRY, &p);
	db_batch_add_prefix(batch, QUERY_API_TASK_GET, &p, 1);
	db_params_clear(&p);
	db_add_int8_array(&p, &c->params[0], 1);
	db_batch_add(batch, QUERY_API_SUBTASK_LIST, &p);
	db_params_release(&p);
	db_batch_send(batch);
}

void task_retry(struct call *c)
{
	retry(c, true);
}

void subtask_retry(struct call *c)
{
	retry(c, false);
}

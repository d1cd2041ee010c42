/* api_tasks: reading tasks and logs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/state.h"
#include "producer/inventory_keeper.h"
#include "producer/query_params.h"
#include "producer/read_write.h"
#include "producer/routes.h"
#include "producer/task_rows.h"

#define LOG_BYTES_MAX (1024 * 1024)

bool forms_known(struct call *c, const struct task_rows *rows)
{
	if (task_rows_have_forms(rows, keeper_forms(c->in->inventory)))
		return true;
	reply_unavailable(c, "a new template is not read from PostgreSQL yet; try again");
	return false;
}

/* ---- GET one ---- */

struct one {
	struct task_rows rows;
	void (*missing)(struct call *c);
};

static void one_free(void *state)
{
	struct one *one = state;

	task_rows_release(&one->rows);
	free(one);
}

static void on_one_result(void *arg, int index, const PGresult *res)
{
	struct call *c = arg;
	struct one *one = c->state;

	if (index == 0)
		task_rows_take(&one->rows, res);
	else
		task_rows_take_subtasks(&one->rows, res);
}

static void on_one_done(void *arg, const struct err *err)
{
	struct call *c = arg;
	struct one *one = c->state;

	if (err) {
		reply_read_failed(c, err);
		return;
	}
	if (one->rows.count == 0) {
		read_write_missing(c, c->params[0], task_get);
		return;
	}
	if (!forms_known(c, &one->rows))
		return;
	reply_begin(c);
	task_rows_render_full(&c->reply, keeper_forms(c->in->inventory), &one->rows, 0);
	reply_end(c, MHD_HTTP_OK);
}

void task_get(struct call *c)
{
	struct db_async *db = ingress_db(c->in);
	struct db_params p = DB_PARAMS_INIT;
	struct db_batch *batch;

	if (!db) {
		reply_unavailable(c, "PostgreSQL is away; try again");
		return;
	}
	call_set_state(c, xcalloc(1, sizeof(struct one)), one_free);
	batch = db_batch_new(db, on_one_result, on_one_done, c);
	db_add_int8(&p, c->params[0]);
	db_batch_add(batch, QUERY_API_TASK_GET, &p);
	db_params_clear(&p);
	db_add_int8_array(&p, &c->params[0], 1);
	db_batch_add(batch, QUERY_API_SUBTASK_LIST, &p);
	db_params_release(&p);
	db_batch_send(batch);
}

/* ---- list ---- */

struct list {
	struct task_rows rows;
	struct page page;
	int64_t total;
};

static void list_free(void *state)
{
	struct list *list = state;

	task_rows_release(&list->rows);
	free(list);
}

static void add_states(struct call *c, struct db_params *p, struct faults *faults)
{
	const char *text = query_text(c, "status", faults);
	int16_t states[TASK_STATE_MAX * 4];
	size_t count = 0;

	while (text && *text) {
		size_t len = strcspn(text, ",");
		_cleanup_free_ char *name = xstrndup(text, len);
		int state = task_state_parse(name);

		if (state < 0 || count == ARRAY_SIZE(states)) {
			fault_add_text(faults, "COM10001", "status", name,
			        "status must list some of RUNNING, FAILED, SUCCESSFUL");
			break;
		}
		states[count++] = (int16_t)state;
		text += len + (text[len] == ',');
	}
	if (count)
		db_add_int2_array(p, states, count);
	else
		db_add_null(p);
}

/* $1 to $5 of the list queries. */
static void add_filters(struct call *c, struct db_params *p, struct faults *faults)
{
	int64_t cluster = query_number(c, "clusterId", 0, JSON_SAFE_INTEGER_MAX, faults);
	int64_t host = query_number(c, "hostId", 0, JSON_SAFE_INTEGER_MAX, faults);

	db_add_text(p, query_text(c, "name", faults));
	add_states(c, p, faults);
	db_add_text(p, query_text(c, "type", faults));
	cluster ? db_add_int8(p, cluster) : db_add_null(p);
	host ? db_add_int8(p, host) : db_add_null(p);
}

/* sort=field,asc|desc: the query to run, and the field in *ret_field when it is not the id. */
static enum query sort_query(struct call *c, char *field, size_t bytes, struct faults *faults)
{
	static const char *const fields[] = {"id", "name", "status", "startTime", "finishTime"};
	const char *text = call_query(c, "sort");
	size_t len = text ? strcspn(text, ",") : 0;
	bool up = text && !strcmp(text + len, ",asc");

	if (!text || !*text)
		text = "id,desc", len = 2;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (strlen(fields[i]) != len || strncmp(fields[i], text, len) != 0 ||
		        (text[len] && !up && strcmp(text + len, ",desc") != 0))
			continue;
		snprintf(field, bytes, "%s", fields[i]);
		if (i == 0)
			return up ? QUERY_API_TASK_LIST_ASC : QUERY_API_TASK_LIST_DESC;
		return up ? QUERY_API_TASK_SORT_ASC : QUERY_API_TASK_SORT_DESC;
	}
	fault_add_text(faults, "COM10011", "sort", text,
	        "sort must be id, name, status, startTime or finishTime, then ,asc or ,desc");
	return QUERY_API_TASK_LIST_DESC;
}

static void on_subtasks(void *arg, int index, const PGresult *res)
{
	struct call *c = arg;
	struct list *list = c->state;

	task_rows_take_subtasks(&list->rows, res);
}

static void on_subtasks_done(void *arg, const struct err *err)
{
	struct call *c = arg;
	struct list *list = c->state;
	struct strbuf *sb = &c->reply;

	if (err) {
		reply_read_failed(c, err);
		return;
	}
	if (!forms_known(c, &list->rows))
		return;
	reply_begin(c);
	strbuf_adds(sb, "{\"contents\":[");
	for (size_t i = 0; i < list->rows.count; i++) {
		if (i)
			strbuf_addc(sb, ',');
		task_rows_render_basic(sb, keeper_forms(c->in->inventory), &list->rows, i);
	}
	strbuf_adds(sb, "],");
	page_render(sb, &list->page, list->total);
	strbuf_addc(sb, '}');
	reply_end(c, MHD_HTTP_OK);
}

static void on_list_result(void *arg, int index, const PGresult *res)
{
	struct call *c = arg;
	struct list *list = c->state;

	if (index == 0)
		list->total = db_get_int8(res, 0, 0);
	else
		task_rows_take(&list->rows, res);
}

static void on_list_done(void *arg, const struct err *err)
{
	struct call *c = arg;
	struct list *list = c->state;
	struct db_async *db = ingress_db(c->in);
	struct db_params p = DB_PARAMS_INIT;
	struct db_batch *batch;
	int64_t *ids;

	if (err || !db) {
		const struct err away = {.kind = ERR_RETRYABLE};

		reply_read_failed(c, err ? err : &away);
		return;
	}
	ids = xcalloc(list->rows.count + 1, sizeof(*ids));
	for (size_t i = 0; i < list->rows.count; i++)
		ids[i] = list->rows.tasks[i].task_id;
	db_add_int8_array(&p, ids, list->rows.count);
	free(ids);
	batch = db_batch_new(db, on_subtasks, on_subtasks_done, c);
	db_batch_add(batch, QUERY_API_SUBTASK_LIST, &p);
	db_params_release(&p);
	db_batch_send(batch);
}

void task_list(struct call *c)
{
	_cleanup_faults_ struct faults faults = FAULTS_INIT;
	struct db_params p = DB_PARAMS_INIT;
	struct db_async *db = ingress_db(c->in);
	struct list *list = xcalloc(1, sizeof(*list));
	struct db_batch *batch;
	char field[16] = "";
	enum query query;

	call_set_state(c, list, list_free);
	add_filters(c, &p, &faults);
	list->page = query_page(c, &faults);
	query = sort_query(c, field, sizeof(field), &faults);
	if (faults.count) {
		reply_faults(c, &faults);
	} else if (!db) {
		reply_unavailable(c, "PostgreSQL is away; try again");
	} else {
		batch = db_batch_new(db, on_list_result, on_list_done, c);
		db_batch_add(batch, QUERY_API_TASK_COUNT, &p);
		db_add_int8(&p, list->page.size);
		db_add_int8(&p, (list->page.number - 1) * list->page.size);
		if (query == QUERY_API_TASK_SORT_ASC || query == QUERY_API_TASK_SORT_DESC)
			db_add_text(&p, field);
		db_batch_add(batch, query, &p);
		db_batch_send(batch);
	}
	db_params_release(&p);
}

/* ---- log ---- */

struct log_text {
	struct strbuf text;
	int64_t last_claim;
	bool task_found, found;
	int state;
};

static void log_free(void *state)
{
	struct log_text *log = state;

	strbuf_release(&log->text);
	free(log);
}

/* Each attempt begins with OCP's separator, by which its console splits the text. */
static void add_chunk(struct log_text *log, const PGresult *res, int row)
{
	int64_t claim = db_get_int8(res, row, 0);

	if (claim != log->last_claim) {
		strbuf_adds(&log->text, "############EXECUTE");
		clock_add_iso(&log->text, db_get_time(res, row, 1));
		strbuf_adds(&log->text, "############\n");
	}
	log->last_claim = claim;
	strbuf_adds(&log->text, db_get_text(res, row, 2));
}

static void on_log_result(void *arg, int index, const PGresult *res)
{
	struct call *c = arg;
	struct log_text *log = c->state;

	if (index == 0) {
		log->task_found = PQntuples(res) == 1;
	} else if (index == 1) {
		log->found = PQntuples(res) == 1;
		log->state = log->found ? db_get_int2(res, 0, 1) : 0;
	} else {
		for (int row = 0; row < PQntuples(res); row++)
			add_chunk(log, res, row);
	}
}

static void on_log_done(void *arg, const struct err *err)
{
	struct call *c = arg;
	struct log_text *log = c->state;
	size_t skip;

	if (err) {
		reply_read_failed(c, err);
		return;
	}
	if (!log->task_found) {
		read_write_missing(c, c->params[0], subtask_log_get);
		return;
	}
	if (!log->found) {
		reply_error(c, MHD_HTTP_NOT_FOUND, "TSK10001",
		        "there is no subtask %" PRId64 " in task %" PRId64, c->params[1],
		        c->params[0]);
		return;
	}
	if (log->text.len && log->text.buf[log->text.len - 1] != '\n')
		strbuf_addc(&log->text, '\n');
	strbuf_addf(&log->text, "state: %s\n", subtask_state_name(log->state));
	skip = log->text.len > LOG_BYTES_MAX ? log->text.len - LOG_BYTES_MAX : 0;
	reply_begin(c);
	strbuf_adds(&c->reply, "{\"log\":");
	strbuf_add_json(&c->reply, log->text.buf + skip, log->text.len - skip);
	strbuf_addc(&c->reply, '}');
	reply_end(c, MHD_HTTP_OK);
}

void subtask_log_get(struct call *c)
{
	struct db_async *db = ingress_db(c->in);
	struct db_params p = DB_PARAMS_INIT;
	struct db_batch *batch;

	if (!db) {
		reply_unavailable(c, "PostgreSQL is away; try again");
		return;
	}
	call_set_state(c, xcalloc(1, sizeof(struct log_text)), log_free);
	batch = db_batch_new(db, on_log_result, on_log_done, c);
	db_add_int8(&p, c->params[0]);
	db_add_int8(&p, c->params[1]);
	db_batch_add_prefix(batch, QUERY_API_TASK_GET, &p, 1);
	db_batch_add(batch, QUERY_API_SUBTASK_GET, &p);
	db_batch_add(batch, QUERY_API_SUBTASK_LOG, &p);
	db_params_release(&p);
	db_batch_send(batch);
}

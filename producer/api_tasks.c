/* api_tasks: reading tasks and logs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/state.h"
#include "producer/inventory.h"
#include "producer/read_write.h"
#include "producer/routes.h"
#include "producer/task_rows.h"

#define SIZE_DEFAULT 10
#define SIZE_MAX_ 2000
#define PAGE_MAX 10000000
#define LOG_BYTES_MAX (1024 * 1024)

void read_failed(struct call *c, const struct err *err)
{
	if (err->kind == ERR_PERMANENT)
		reply_error(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "COM10005",
		        "the database refused the question: %s", err->text);
	else
		reply_unavailable(c, "PostgreSQL is away; try again");
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
		read_failed(c, err);
		return;
	}
	if (one->rows.count == 0) {
		read_write_missing(c, c->params[0], task_get_again);
		return;
	}
	reply_begin(c);
	task_rows_render_full(&c->reply, c->in->inventory, &one->rows, 0);
	reply_end(c, MHD_HTTP_OK);
}

void task_get_again(struct call *c)
{
	struct db_async *db = ingress_db(c->in);
	struct db_params p = DB_PARAMS_INIT;
	struct db_batch *batch;

	if (!db) {
		reply_unavailable(c, "PostgreSQL is away; try again");
		return;
	}
	if (c->state) {
		c->free_state(c->state);
		c->state = NULL;
	}
	c->state = xcalloc(1, sizeof(struct one));
	c->free_state = one_free;
	batch = db_batch_new(db, on_one_result, on_one_done, c);
	db_add_int8(&p, c->params[0]);
	db_batch_add(batch, QUERY_API_TASK_GET, &p);
	db_params_clear(&p);
	db_add_int8_array(&p, &c->params[0], 1);
	db_batch_add(batch, QUERY_API_SUBTASK_LIST, &p);
	db_params_release(&p);
	db_batch_send(batch);
}

void task_get(struct call *c)
{
	task_get_again(c);
}

/* ---- list ---- */

struct list {
	struct task_rows rows;
	int64_t total, page, size;
};

static void list_free(void *state)
{
	struct list *list = state;

	task_rows_release(&list->rows);
	free(list);
}

/* A number of the query string; faults when it is none or outside. */
static int64_t number(
        struct call *c, const char *name, int64_t fallback, int64_t max, struct faults *faults)
{
	const char *text = call_query(c, name);
	char *end;
	int64_t value;

	if (!text || !*text)
		return fallback;
	value = strtoll(text, &end, 10);
	if (*end || value < 1 || value > max) {
		json_t *rejected = json_string(text);

		fault_add(faults, "COM10001", name, rejected,
		        "%s must be an integer from 1 to %" PRId64, name, max);
		json_decref(rejected);
		return fallback;
	}
	return value;
}

static void add_states(struct call *c, struct db_params *p, struct faults *faults)
{
	const char *text = call_query(c, "status");
	int16_t states[TASK_STATE_MAX * 4];
	size_t count = 0;

	while (text && *text) {
		size_t len = strcspn(text, ",");
		_cleanup_free_ char *name = xstrndup(text, len);
		int state = task_state_parse(name);

		if (state < 0 || count == ARRAY_SIZE(states)) {
			json_t *rejected = json_string(name);

			fault_add(faults, "COM10001", "status", rejected,
			        "status must list some of RUNNING, FAILED, SUCCESSFUL");
			json_decref(rejected);
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
	int64_t cluster = number(c, "clusterId", 0, JSON_SAFE_INTEGER_MAX, faults);
	int64_t host = number(c, "hostId", 0, JSON_SAFE_INTEGER_MAX, faults);
	const char *name = call_query(c, "name"), *type = call_query(c, "type");

	db_add_text(p, name && *name ? name : NULL);
	add_states(c, p, faults);
	db_add_text(p, type && *type ? type : NULL);
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
	json_t *rejected = json_string(text);

	fault_add(faults, "COM10011", "sort", rejected,
	        "sort must be id, name, status, startTime or finishTime, then ,asc or ,desc");
	json_decref(rejected);
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
		read_failed(c, err);
		return;
	}
	reply_begin(c);
	strbuf_adds(sb, "{\"contents\":[");
	for (size_t i = 0; i < list->rows.count; i++) {
		if (i)
			strbuf_addc(sb, ',');
		task_rows_render_basic(sb, c->in->inventory, &list->rows, i);
	}
	strbuf_addf(sb,
	        "],\"page\":{\"number\":%" PRId64 ",\"size\":%" PRId64 ",\"totalElements\":%" PRId64
	        ",\"totalPages\":%" PRId64 "}}",
	        list->page, list->size, list->total, (list->total + list->size - 1) / list->size);
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

		read_failed(c, err ? err : &away);
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
	struct faults faults = FAULTS_INIT;
	struct db_params p = DB_PARAMS_INIT;
	struct db_async *db = ingress_db(c->in);
	struct list *list = xcalloc(1, sizeof(*list));
	struct db_batch *batch;
	char field[16] = "";
	enum query query;

	c->state = list;
	c->free_state = list_free;
	add_filters(c, &p, &faults);
	list->page = number(c, "page", 1, PAGE_MAX, &faults);
	list->size = number(c, "size", SIZE_DEFAULT, SIZE_MAX_, &faults);
	query = sort_query(c, field, sizeof(field), &faults);
	if (faults.count) {
		reply_faults(c, MHD_HTTP_BAD_REQUEST, &faults);
	} else if (!db) {
		reply_unavailable(c, "PostgreSQL is away; try again");
	} else {
		batch = db_batch_new(db, on_list_result, on_list_done, c);
		db_batch_add(batch, QUERY_API_TASK_COUNT, &p);
		db_add_int8(&p, list->size);
		db_add_int8(&p, (list->page - 1) * list->size);
		if (query == QUERY_API_TASK_SORT_ASC || query == QUERY_API_TASK_SORT_DESC)
			db_add_text(&p, field);
		db_batch_add(batch, query, &p);
		db_batch_send(batch);
	}
	db_params_release(&p);
	faults_release(&faults);
}

/* ---- log ---- */

struct log_text {
	struct strbuf text;
	int64_t last_claim;
	bool found;
	int state;
};

static void log_free(void *state)
{
	struct log_text *log = state;

	strbuf_release(&log->text);
	free(log);
}

static void on_log_result(void *arg, int index, const PGresult *res)
{
	struct call *c = arg;
	struct log_text *log = c->state;

	if (index == 0) {
		log->found = PQntuples(res) == 1;
		log->state = log->found ? db_get_int2(res, 0, 1) : 0;
		return;
	}
	for (int row = 0; row < PQntuples(res); row++) {
		int64_t claim = db_get_int8(res, row, 0);

		if (claim != log->last_claim) {
			strbuf_adds(&log->text, "############EXECUTE");
			clock_add_iso(&log->text, db_get_time(res, row, 1));
			strbuf_adds(&log->text, "############\n");
		}
		log->last_claim = claim;
		strbuf_adds(&log->text, db_get_text(res, row, 2));
	}
}

static void on_log_done(void *arg, const struct err *err)
{
	struct call *c = arg;
	struct log_text *log = c->state;
	size_t skip;

	if (err) {
		read_failed(c, err);
		return;
	}
	if (!log->found) {
		reply_error(c, MHD_HTTP_NOT_FOUND, "TSK10001",
		        "there is no subtask %" PRId64 " in task %" PRId64, c->params[1],
		        c->params[0]);
		return;
	}
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
	c->state = xcalloc(1, sizeof(struct log_text));
	c->free_state = log_free;
	db_add_int8(&p, c->params[0]);
	db_add_int8(&p, c->params[1]);
	batch = db_batch_new(db, on_log_result, on_log_done, c);
	db_batch_add(batch, QUERY_API_SUBTASK_GET, &p);
	db_batch_add(batch, QUERY_API_SUBTASK_LOG, &p);
	db_params_release(&p);
	db_batch_send(batch);
}

#include "common/db_async.h"

#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

#define STATEMENTS_MAX 16
#define BACKOFF_MS_MIN 50
#define BACKOFF_MS_MAX 2000
/* Beyond the server's own statement timeout: then the server does not answer at all. */
#define ANSWER_SLACK_MS 5000
#define WATCH_MS 1000

struct statement {
	enum query query;
	struct db_params params;
};

struct db_batch {
	struct db_async *db;
	struct db_batch *next;
	db_result_fn on_result;
	db_done_fn on_done; /* NULL: internal, prepares statements[0] */
	void *arg;
	struct statement statements[STATEMENTS_MAX];
	int count;
	int64_t sent_ms;
	/* while its answers come in */
	int index;
	bool got_result;
	struct err err; /* kind NONE: none so far */
};

struct db_async {
	struct loop *loop;
	const struct settings *settings;
	const char *name;
	db_state_fn on_state;
	void *arg;
	PGconn *conn;
	int fd; /* watched; -1: none */
	bool up;
	bool wants_write;
	bool reset_asked;
	bool reading; /* inside read_answers: connection changes wait until it is done */
	struct db_batch *head, *tail;
	int in_flight;
	bool prepared[QUERY_MAX];
	struct err prepare_err;
	struct loop_timer *timer; /* reconnect, connect timeout, or watch for an answer */
	int64_t backoff_ms;
	int64_t connect_deadline_ms;
	bool told_down;
};

static void connect_start(struct db_async *db);
static void on_timer(void *arg);

static void unwatch(struct db_async *db)
{
	if (db->fd >= 0)
		loop_del(db->loop, db->fd);
	db->fd = -1;
}

static void batch_free(struct db_batch *batch)
{
	for (int i = 0; i < batch->count; i++)
		db_params_release(&batch->statements[i].params);
	free(batch);
}

static void batch_end(struct db_batch *batch, const struct err *err)
{
	if (batch->on_done)
		batch->on_done(batch->arg, err);
	batch_free(batch);
}

/* Ends everything in flight with `err`; callbacks may send again (and get RETRYABLE). */
static void fail_all(struct db_async *db, const struct err *err)
{
	struct db_batch *batch = db->head;

	db->head = db->tail = NULL;
	db->in_flight = 0;
	while (batch) {
		struct db_batch *next = batch->next;

		batch_end(batch, err);
		batch = next;
	}
}

static void connection_lost(struct db_async *db, const struct err *why)
{
	struct err err = *why;
	bool was_up = db->up;

	unwatch(db);
	PQfinish(db->conn);
	db->conn = NULL;
	db->up = false;
	db->reset_asked = false;
	if (!db->told_down) {
		db->told_down = true;
		log_warn("PostgreSQL is away, trying again until it is back", "connection", "s",
		        db->name, "error", "e", why);
	}
	/* Full jitter would reconnect a fleet at once after an even number of ms: half is random.
	 */
	loop_timer_arm(db->timer, db->backoff_ms / 2 + clock_mono_us() % (db->backoff_ms / 2 + 1));
	db->backoff_ms = db->backoff_ms * 2 > BACKOFF_MS_MAX ? BACKOFF_MS_MAX : db->backoff_ms * 2;
	err.kind = ERR_UNKNOWN;
	fail_all(db, &err);
	if (was_up && db->on_state)
		db->on_state(db->arg, false);
}

static void lost(struct db_async *db)
{
	struct err err = {0};

	db_result_err(db->conn, NULL, &err);
	connection_lost(db, &err);
}

static void flush(struct db_async *db)
{
	int rc = PQflush(db->conn);

	if (rc < 0)
		return; /* the read side finds the connection bad and reports it */
	if ((rc == 1) != db->wants_write) {
		db->wants_write = rc == 1;
		loop_mod(db->loop, db->fd, EPOLLIN | (db->wants_write ? EPOLLOUT : 0));
	}
}

static void take_result(struct db_async *db, struct db_batch *batch, PGresult *res)
{
	switch (PQresultStatus(res)) {
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
		if (batch->on_result)
			batch->on_result(batch->arg, batch->index, res);
		break;
	case PGRES_PIPELINE_ABORTED:
		break;
	default:
		db_result_err(db->conn, res, &batch->err);
		/* "does not exist" is only the echo of a prepare that failed before. */
		if (!strcmp(batch->err.code, "26000") && db->prepare_err.kind)
			batch->err = db->prepare_err;
		err_prefix(
		        &batch->err, "%s", query_table[batch->statements[batch->index].query].name);
	}
	batch->got_result = true;
}

static void batch_synced(struct db_async *db, struct db_batch *batch)
{
	db->head = batch->next;
	if (!db->head)
		db->tail = NULL;
	db->in_flight--;
	if (!batch->on_done && batch->err.kind) {
		db->prepared[batch->statements[0].query] = false;
		db->prepare_err = batch->err;
	}
	batch_end(batch, batch->err.kind ? &batch->err : NULL);
}

static void read_answers(struct db_async *db)
{
	db->reading = true;
	while (db->head && !db->reset_asked && !PQisBusy(db->conn)) {
		struct db_batch *batch = db->head;
		PGresult *res = PQgetResult(db->conn);

		if (!res) {
			if (!batch->got_result)
				break;
			batch->got_result = false;
			batch->index++;
			continue;
		}
		if (PQresultStatus(res) == PGRES_PIPELINE_SYNC)
			batch_synced(db, batch);
		else if (batch->index < batch->count)
			take_result(db, batch, res);
		PQclear(res);
		if (PQstatus(db->conn) != CONNECTION_OK)
			break;
	}
	db->reading = false;
}

static void on_ready(void *arg, uint32_t events)
{
	struct db_async *db = arg;
	struct err err = {0};

	if (events & EPOLLOUT)
		flush(db);
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
		int ok = PQconsumeInput(db->conn);

		/* What arrived before the loss is still true: a commit answered is a commit. */
		read_answers(db);
		if (!ok || PQstatus(db->conn) != CONNECTION_OK) {
			lost(db);
			return;
		}
	}
	if (db->reset_asked) {
		err_set(&err, ERR_UNKNOWN, "", "connection given up by its user");
		connection_lost(db, &err);
	}
}

static void on_connected(struct db_async *db)
{
	if (PQsetnonblocking(db->conn, 1) < 0 || !PQenterPipelineMode(db->conn)) {
		lost(db);
		return;
	}
	memset(db->prepared, 0, sizeof(db->prepared));
	db->up = true;
	db->wants_write = false;
	db->backoff_ms = BACKOFF_MS_MIN;
	unwatch(db);
	db->fd = PQsocket(db->conn);
	loop_add(db->loop, db->fd, EPOLLIN, on_ready, db);
	loop_timer_arm(db->timer, WATCH_MS);
	if (db->told_down) {
		db->told_down = false;
		metric_add(METRIC_DB_RECONNECTS, 1);
		log_notice("PostgreSQL is back", "connection", "s", db->name);
	}
	if (db->on_state)
		db->on_state(db->arg, true);
}

static void on_connect_step(void *arg, uint32_t events)
{
	struct db_async *db = arg;
	PostgresPollingStatusType step = PQconnectPoll(db->conn);

	/* libpq may have gone to the next address with a new socket under the same number. */
	unwatch(db);
	switch (step) {
	case PGRES_POLLING_OK:
		on_connected(db);
		return;
	case PGRES_POLLING_FAILED:
		lost(db);
		return;
	default:
		db->fd = PQsocket(db->conn);
		loop_add(db->loop, db->fd, step == PGRES_POLLING_WRITING ? EPOLLOUT : EPOLLIN,
		        on_connect_step, db);
	}
}

static void connect_start(struct db_async *db)
{
	const char *const *keywords, *const *values;

	db_conninfo(db->settings, db->name, 0, &keywords, &values);
	db->conn = PQconnectStartParams(keywords, values, 1);
	if (PQstatus(db->conn) == CONNECTION_BAD) {
		lost(db);
		return;
	}
	db->connect_deadline_ms = clock_mono_ms() + db->settings->pg_connect_timeout_s * 1000;
	db->fd = PQsocket(db->conn);
	loop_add(db->loop, db->fd, EPOLLOUT, on_connect_step, db);
	loop_timer_arm(db->timer, db->settings->pg_connect_timeout_s * 1000);
}

static void on_timer(void *arg)
{
	struct db_async *db = arg;
	int64_t now = clock_mono_ms();
	struct err err = {0};

	if (!db->conn) {
		connect_start(db);
		return;
	}
	if (!db->up) {
		err_set(&err, ERR_RETRYABLE, "08001", "no connection within %lld s",
		        (long long)db->settings->pg_connect_timeout_s);
		connection_lost(db, &err);
		return;
	}
	if (db->head &&
	        now - db->head->sent_ms > db->settings->pg_statement_timeout_ms + ANSWER_SLACK_MS) {
		err_set(&err, ERR_UNKNOWN, "08006", "PostgreSQL does not answer");
		connection_lost(db, &err);
		return;
	}
	loop_timer_arm(db->timer, WATCH_MS);
}

struct db_async *db_async_new(struct loop *loop, const struct settings *settings, const char *name,
        db_state_fn on_state, void *arg)
{
	struct db_async *db = xcalloc(1, sizeof(*db));

	db->loop = loop;
	db->settings = settings;
	db->name = name;
	db->on_state = on_state;
	db->arg = arg;
	db->fd = -1;
	db->backoff_ms = BACKOFF_MS_MIN;
	db->timer = loop_timer_new(loop, on_timer, db);
	/* From the loop, so that callbacks never run inside this function. */
	loop_timer_arm(db->timer, 0);
	return db;
}

void db_async_free(struct db_async *db)
{
	struct err err = {0};

	if (!db)
		return;
	unwatch(db);
	loop_timer_free(db->timer);
	PQfinish(db->conn);
	db->conn = NULL;
	db->up = false;
	err_set(&err, ERR_CANCELLED, "", "connection closed");
	fail_all(db, &err);
	free(db);
}

bool db_async_up(const struct db_async *db)
{
	return db->up;
}

int db_async_in_flight(const struct db_async *db)
{
	return db->in_flight;
}

void db_async_reset(struct db_async *db)
{
	struct err err = {0};

	if (!db->up)
		return;
	if (db->reading) {
		db->reset_asked = true;
		return;
	}
	err_set(&err, ERR_UNKNOWN, "", "connection given up by its user");
	connection_lost(db, &err);
}

struct db_batch *db_batch_new(
        struct db_async *db, db_result_fn on_result, db_done_fn on_done, void *arg)
{
	struct db_batch *batch = xcalloc(1, sizeof(*batch));

	batch->db = db;
	batch->on_result = on_result;
	batch->on_done = on_done;
	batch->arg = arg;
	return batch;
}

static void copy_params(struct db_params *to, const struct db_params *from)
{
	*to = *from;
	to->alloc = from->len;
	to->data = xmalloc(from->len + 1);
	memcpy(to->data, from->data ? from->data : (const unsigned char *)"", from->len);
}

void db_batch_add(struct db_batch *batch, enum query query, const struct db_params *params)
{
	struct statement *st = &batch->statements[batch->count];

	if (batch->count == STATEMENTS_MAX)
		BUG("more than %d statements in a batch", STATEMENTS_MAX);
	st->query = query;
	if (params)
		copy_params(&st->params, params);
	batch->count++;
}

void db_batch_add_prefix(
        struct db_batch *batch, enum query query, const struct db_params *params, int count)
{
	db_batch_add(batch, query, params);
	batch->statements[batch->count - 1].params.count = count;
}

static void enqueue(struct db_async *db, struct db_batch *batch)
{
	batch->sent_ms = clock_mono_ms();
	if (db->tail)
		db->tail->next = batch;
	else
		db->head = batch;
	db->tail = batch;
	db->in_flight++;
}

/* In a transaction of its own, so that a failing batch does not take the preparation along. */
static int send_prepare(struct db_async *db, enum query query)
{
	struct db_batch *batch;

	if (db->prepared[query])
		return 1;
	batch = db_batch_new(db, NULL, NULL, NULL);
	db_batch_add(batch, query, NULL);
	db->prepared[query] = true;
	enqueue(db, batch);
	return PQsendPrepare(db->conn, query_table[query].name, query_table[query].sql, 0, NULL) &&
	       PQpipelineSync(db->conn);
}

static int send_statement(struct db_async *db, const struct statement *st)
{
	const char *values[DB_PARAMS_MAX];
	int formats[DB_PARAMS_MAX];

	for (int i = 0; i < st->params.count; i++) {
		values[i] = st->params.length[i] < 0
		                    ? NULL
		                    : (const char *)st->params.data + st->params.offset[i];
		formats[i] = 1;
	}
	return PQsendQueryPrepared(db->conn, query_table[st->query].name, st->params.count, values,
	        st->params.length, formats, 1);
}

void db_batch_send(struct db_batch *batch)
{
	struct db_async *db = batch->db;
	struct err err = {0};
	int ok = 1;

	if (!db->up || db->reset_asked) {
		err_set(&err, ERR_RETRYABLE, "08003", "PostgreSQL is away");
		batch_end(batch, &err);
		return;
	}
	for (int i = 0; i < batch->count; i++)
		ok = ok && send_prepare(db, batch->statements[i].query);
	enqueue(db, batch);
	for (int i = 0; i < batch->count; i++)
		ok = ok && send_statement(db, &batch->statements[i]);
	ok = ok && PQpipelineSync(db->conn);
	if (ok) {
		flush(db);
		return;
	}
	/* libpq refused (out of memory, connection bad): the pipeline's order is lost with it. */
	db_async_reset(db);
}

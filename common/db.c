#include "common/db.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"

int db_result_err(const PGconn *conn, const PGresult *res, struct err *err)
{
	const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
	const char *text = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	const char *detail = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL) : NULL;
	/* Connection, resources, operator intervention, rollback, object not in needed state. */
	static const char *const passing[] = {"08", "53", "57", "40", "55"};
	enum err_kind kind = ERR_PERMANENT;
	size_t len;

	if (!state) {
		text = PQerrorMessage(conn);
		len = strcspn(text, "\n");
		return err_set(err, ERR_RETRYABLE, "08006", "PostgreSQL: %.*s", (int)len, text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(passing); i++)
		if (!strncmp(state, passing[i], 2))
			kind = ERR_RETRYABLE;
	return err_set(err, kind, state, "PostgreSQL: %s%s%s", text ? text : "no message",
	        detail ? ": " : "", detail ? detail : "");
}

#define CONNINFO_MAX 12

void db_conninfo(const struct settings *settings, const char *name, int64_t statement_timeout_ms,
        const char *const **ret_keywords, const char *const **ret_values)
{
	static _Thread_local const char *keywords[CONNINFO_MAX];
	static _Thread_local const char *values[CONNINFO_MAX];
	static _Thread_local char connect_timeout[16];
	static _Thread_local char options[512];
	int n = 0;

	snprintf(connect_timeout, sizeof(connect_timeout), "%lld",
	        (long long)settings->pg_connect_timeout_s);
	/*
	 * plan_cache_mode: arrays are always estimated small, so replanning finds nothing new.
	 * enable_seqscan: a plan made while a table was nearly empty reads the whole table for each
	 * row, and stays in force while the table grows under it.
	 */
	snprintf(options, sizeof(options),
	        "-c statement_timeout=%lld -c lock_timeout=%lld "
	        "-c idle_in_transaction_session_timeout=60000 -c "
	        "plan_cache_mode=force_generic_plan -c enable_seqscan=off "
	        "-c jit=off -c client_min_messages=warning -c tcp_keepalives_idle=10 "
	        "-c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
	        (long long)(statement_timeout_ms ? statement_timeout_ms
	                                         : settings->pg_statement_timeout_ms),
	        (long long)settings->pg_lock_timeout_ms);
	/* Later keywords win over what dbname expands to, so the DSN comes first. */
	keywords[n] = "dbname", values[n++] = settings->pg_dsn;
	keywords[n] = "application_name", values[n++] = name;
	keywords[n] = "connect_timeout", values[n++] = connect_timeout;
	keywords[n] = "options", values[n++] = options;
	keywords[n] = "tcp_user_timeout", values[n++] = "15000";
	keywords[n] = "keepalives_idle", values[n++] = "10";
	keywords[n] = "keepalives_interval", values[n++] = "5";
	keywords[n] = "keepalives_count", values[n++] = "3";
	keywords[n] = NULL, values[n] = NULL;
	*ret_keywords = keywords;
	*ret_values = values;
}

void db_init(struct db *db, const struct settings *settings, const char *name)
{
	*db = (struct db){.settings = settings, .name = name};
}

void db_disconnect(struct db *db)
{
	PQfinish(db->conn);
	db->conn = NULL;
	memset(db->prepared, 0, sizeof(db->prepared));
}

void db_release(struct db *db)
{
	db_disconnect(db);
}

int db_connect(struct db *db, struct err *err)
{
	const char *const *keywords, *const *values;

	if (db->conn && PQstatus(db->conn) == CONNECTION_OK)
		return 0;
	db_disconnect(db);
	db_conninfo(db->settings, db->name, db->statement_timeout_ms, &keywords, &values);
	db->conn = PQconnectdbParams(keywords, values, 1);
	if (PQstatus(db->conn) == CONNECTION_OK)
		return 0;
	db_result_err(db->conn, NULL, err);
	db_disconnect(db);
	return -1;
}

/* After a failed call: was it the statement, or is the connection gone and the outcome unknown? */
static int failed(struct db *db, PGresult *res, bool sent, struct err *err)
{
	struct err mine = {0};
	bool lost = PQstatus(db->conn) != CONNECTION_OK;

	db_result_err(db->conn, lost ? NULL : res, &mine);
	PQclear(res);
	if (lost) {
		if (sent)
			mine.kind = ERR_UNKNOWN;
		db_disconnect(db);
	}
	if (err)
		*err = mine;
	return -1;
}

static int prepare(struct db *db, enum query query, struct err *err)
{
	PGresult *res;

	if (db->prepared[query])
		return 0;
	res = PQprepare(db->conn, query_table[query].name, query_table[query].sql, 0, NULL);
	if (PQresultStatus(res) != PGRES_COMMAND_OK) {
		failed(db, res, false, err);
		return err_prefix(err, "prepare %s", query_table[query].name);
	}
	PQclear(res);
	db->prepared[query] = true;
	return 0;
}

/* Pointers into params, as libpq wants them. Returns their number. */
static int bind_params(const struct db_params *params, const char **values, int *formats)
{
	int count = params ? params->count : 0;

	for (int i = 0; i < count; i++) {
		values[i] = params->length[i] < 0 ? NULL
		                                  : (const char *)params->data + params->offset[i];
		formats[i] = 1;
	}
	return count;
}

int db_query(struct db *db, enum query query, const struct db_params *params, PGresult **ret_res,
        struct err *err)
{
	const char *values[DB_PARAMS_MAX];
	int formats[DB_PARAMS_MAX];
	int count = bind_params(params, values, formats);
	PGresult *res;

	if (db_connect(db, err) < 0 || prepare(db, query, err) < 0)
		return -1;
	res = PQexecPrepared(db->conn, query_table[query].name, count, values,
	        params ? params->length : NULL, formats, 1);
	if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK) {
		failed(db, res, true, err);
		return err_prefix(err, "%s", query_table[query].name);
	}
	if (ret_res)
		*ret_res = res;
	else
		PQclear(res);
	return 0;
}

int db_stream(struct db *db, enum query query, const struct db_params *params, db_row_fn row,
        void *arg, struct err *err)
{
	const char *values[DB_PARAMS_MAX];
	int formats[DB_PARAMS_MAX];
	int count = bind_params(params, values, formats);
	bool going_on = true, ok = true;
	PGresult *res;

	if (db_connect(db, err) < 0 || prepare(db, query, err) < 0)
		return -1;
	if (!PQsendQueryPrepared(db->conn, query_table[query].name, count, values,
	            params ? params->length : NULL, formats, 1))
		return failed(db, NULL, true, err);
	PQsetSingleRowMode(db->conn);
	while (going_on && ok && (res = PQgetResult(db->conn))) {
		ExecStatusType status = PQresultStatus(res);

		if (status == PGRES_SINGLE_TUPLE)
			going_on = row(arg, res);
		else if (status != PGRES_TUPLES_OK)
			ok = false;
		if (ok)
			PQclear(res);
	}
	if (!ok) {
		failed(db, res, true, err);
		if (db->conn)
			while ((res = PQgetResult(db->conn)))
				PQclear(res);
		return err_prefix(err, "%s", query_table[query].name);
	}
	if (!going_on) {
		db_disconnect(db);
		return err_set(err, ERR_CANCELLED, "", "%s: given up", query_table[query].name);
	}
	return 0;
}

int db_exec(struct db *db, const char *sql, struct err *err)
{
	PGresult *res;
	ExecStatusType status;

	if (db_connect(db, err) < 0)
		return -1;
	res = PQexec(db->conn, sql);
	status = PQresultStatus(res);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY)
		return failed(db, res, true, err);
	PQclear(res);
	return 0;
}

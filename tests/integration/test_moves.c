/*
 * The statements for batches whose subtasks are of different tasks (subtask_claim_apart,
 * subtask_succeed) do what those for any batch do: same answers, rows and events.
 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/db.h"
#include "common/mem.h"
#include "common/state.h"
#include "common/strbuf.h"
#include "tests/support/stack.h"

#define TASKS 40 /* more than one row of event_batch holds */
#define PARAMS_MAX 16

static struct stack *s;

static int set_up(void **state)
{
	s = stack_up("moves");
	sql(s, "INSERT INTO worker (worker_id, name, roles, types) "
	       "VALUES (7, 'w', 'executor', 'noop') RETURNING 1");
	/* Their roots are READY. */
	sql(s,
	        "INSERT INTO task SELECT id, id * 100, 20, NULL, template_id, 1, 1, 0, node_count, "
	        "1, 1 "
	        "FROM template, generate_series(1, %d) AS id WHERE name = 'noop-chain' RETURNING 1",
	        TASKS);
	sql(s, "INSERT INTO task_info (task_id, request_id, name, task_type, creator, executor, "
	       "context, start_time) SELECT task_id, 'r' || task_id, 'n', 't', 'c', 'e', '{}', "
	       "now() "
	       "FROM task RETURNING 1");
	sql(s, "INSERT INTO subtask (task_id, subtask_id, node, type_id, waiting, state, ready_at) "
	       "SELECT task_id, first_subtask_id, 0, type_id, 0, 2, now() FROM task "
	       "JOIN template_node USING (template_id) WHERE node = 0 RETURNING 1");
	for (int i = 0; i < QUERY_MAX; i++)
		PQclear(PQprepare(s->conn, query_table[i].name, query_table[i].sql, 0, NULL));
	return 0;
}

static int tear_down(void **state)
{
	stack_down(s);
	return 0;
}

/* ---- what a statement does ---- */

struct call {
	enum query query;
	int count;
	char *params[PARAMS_MAX]; /* as text */
};

/* "{1,2,3}" */
static char *array(const int64_t *values, size_t count)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_addc(&sb, '{');
	for (size_t i = 0; i < count; i++)
		strbuf_addf(&sb, "%s%lld", i ? "," : "", (long long)values[i]);
	strbuf_addc(&sb, '}');
	return strbuf_detach(&sb, NULL);
}

static void add(struct call *c, char *param)
{
	assert_in_range(c->count, 0, PARAMS_MAX - 1);
	c->params[c->count++] = param;
}

static void call_free(struct call *c)
{
	while (c->count)
		free(c->params[--c->count]);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_answer(struct strbuf *out, const PGresult *res)
{
	int n = PQntuples(res);
	char **lines = xcalloc((size_t)n + 1, sizeof(*lines));

	for (int row = 0; row < n; row++) {
		struct strbuf line = STRBUF_INIT;

		for (int col = 0; col < PQnfields(res); col++)
			strbuf_addf(&line, "%s=%s ", PQfname(res, col), PQgetvalue(res, row, col));
		lines[row] = strbuf_detach(&line, NULL);
	}
	qsort(lines, (size_t)n, sizeof(*lines), by_text);
	for (int row = 0; row < n; row++) {
		strbuf_addf(out, "answer %s\n", lines[row]);
		free(lines[row]);
	}
	free(lines);
}

/* Rows of tasks and subtasks without their times, and the events of this transaction. */
static const char rows_sql[] =
        "SELECT string_agg(x, E'\\n' ORDER BY x COLLATE \"C\") FROM ("
        "SELECT 'task ' || (task_id, sequence, finish_time IS NULL, active, ready, failed, "
        "unfinished, state, operation)::text AS x FROM task "
        "UNION ALL SELECT 'subtask ' || (task_id, subtask_id, claim, worker_id, ready_at IS NULL, "
        "not_before IS NULL, claimed_at IS NULL, start_time IS NULL, finish_time IS NULL, attempt, "
        "run_time, node, type_id, state, operation, waiting, tries, deaths, held)::text FROM "
        "subtask "
        "UNION ALL SELECT 'event ' || who || ' ' || line FROM event_batch, "
        "string_to_table(entries, E'\\n') AS line WHERE xid = pg_current_xact_id()) r";

/* New claim numbers may be drawn in another order. */
static void hide_claims(char *text)
{
	for (char *at = text; (at = strstr(at, "9000")) != NULL; at++)
		for (int i = 4; i < 6; i++)
			at[i] = '?';
}

/* What it answers, and what stands in the tables then; nothing of it stays. The caller's. */
static char *effect(const char *before, const struct call *c)
{
	struct strbuf out = STRBUF_INIT;
	PGresult *res;

	PQclear(PQexec(s->conn, "BEGIN; SELECT setval('claim_number', 900000)"));
	res = PQexec(s->conn, before);
	if (*before && PQresultStatus(res) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", before, PQerrorMessage(s->conn));
	PQclear(res);
	res = PQexecPrepared(s->conn, query_table[c->query].name, c->count,
	        (const char *const *)c->params, NULL, NULL, 0);
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", query_table[c->query].name, PQerrorMessage(s->conn));
	add_answer(&out, res);
	PQclear(res);
	res = PQexec(s->conn, rows_sql);
	strbuf_adds(&out, PQgetvalue(res, 0, 0));
	PQclear(res);
	PQclear(PQexec(s->conn, "ROLLBACK"));
	hide_claims(out.buf);
	return strbuf_detach(&out, NULL);
}

static void assert_same_lines(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	if (*a || *b)
		fail_msg("one did \"%.*s\", the other \"%.*s\"", (int)strcspn(a, "\n"), a,
		        (int)strcspn(b, "\n"), b);
}

/* Both do the same, and it is something `expected` stands in. */
static void assert_same(
        const char *before, struct call *any, struct call *apart, const char *expected)
{
	_cleanup_free_ char *a = effect(before, any), *b = effect(before, apart);

	assert_same_lines(a, b);
	assert_contains(b, expected);
	call_free(any);
	call_free(apart);
}

/* ---- claims ---- */

static void claims(const char *before, int tasks, const char *expected)
{
	int64_t task_ids[TASKS], subtask_ids[TASKS];
	struct call calls[2] = {
	        {.query = QUERY_SUBTASK_CLAIM}, {.query = QUERY_SUBTASK_CLAIM_APART}};

	for (int i = 0; i < tasks; i++) {
		task_ids[i] = i + 1;
		subtask_ids[i] = (i + 1) * 100;
	}
	for (int i = 0; i < 2; i++) {
		add(&calls[i], array(task_ids, (size_t)tasks));
		add(&calls[i], array(subtask_ids, (size_t)tasks));
		add(&calls[i], xstrdup("7"));
		add(&calls[i], xstrdup("worker/7"));
	}
	assert_same(before, &calls[0], &calls[1], expected);
}

static void claims_are_the_same(void **state)
{
	claims("", 1, "event worker/7 1 21 30:100:9000??\n");
	claims("", TASKS, "event worker/7 40 21 30:4000:9000??\n");
	claims("UPDATE subtask SET held = true WHERE task_id = 2", 3, "event worker/7 3 21");
	claims("UPDATE subtask SET not_before = now() + interval '1 h' WHERE task_id = 2", 3,
	        "event worker/7 3 21");
	claims("UPDATE subtask SET not_before = now() - interval '1 s', start_time = now(), "
	       "attempt = 4, run_time = 2, tries = 1",
	        3, "event worker/7 3 21");
	claims("UPDATE subtask SET state = 3, claim = 5 WHERE task_id = 3", 3,
	        "event worker/7 2 21");
	claims("DELETE FROM subtask", 3, "task (3,20,t,1,1,0,12,1,1)");
	claims("UPDATE worker SET died_at = now()", 3, "task (3,20,t,1,1,0,12,1,1)");
}

/* ---- completions ---- */

/* Each task's subtask `node`, whose claim is 5; take: the downstream is claimed at once. */
static void successes(const char *before, int tasks, int node, bool take, const char *expected)
{
	int64_t v[12][TASKS];
	int64_t type = sql_int(s, "SELECT type_id FROM subtask WHERE task_id = 1");
	bool last = node == 11;
	size_t n = (size_t)tasks, downs = last ? 0 : n;
	struct call any = {.query = QUERY_SUBTASK_COMPLETE},
	            apart = {.query = QUERY_SUBTASK_SUCCEED};
	/* task, subtask, claim, rule, state, delay, first and last place, downstream, node, type, 1
	 */
	static const int of_any[] = {0, 1, 2, 3, 4, 5, 6, 7, 8}, of_apart[] = {0, 1, 2, 8, 9, 10};
	_cleanup_free_ char *start = xasprintf(
	        "UPDATE subtask SET state = 3, claim = 5, attempt = 1, worker_id = 7, claimed_at = "
	        "now(),"
	        " start_time = now(), node = %d, subtask_id = task_id * 100 + %d; "
	        "UPDATE task SET ready = 0, unfinished = 12 - %d; %s",
	        node, node, node, before);

	for (int i = 0; i < tasks; i++) {
		const int64_t row[] = {i + 1, (i + 1) * 100 + node, 5, RULE_SUCCEEDED,
		        SUBTASK_SUCCESSFUL, 0, last ? 1 : i + 1, last ? 0 : i + 1,
		        last ? 0 : (i + 1) * 100 + node + 1, last ? 0 : node + 1, last ? 0 : type,
		        1};

		for (int column = 0; column < 12; column++)
			v[column][i] = row[column];
	}
	for (size_t i = 0; i < ARRAY_SIZE(of_any); i++)
		add(&any, array(v[of_any[i]], of_any[i] == 8 ? downs : n));
	add(&any, xstrdup("worker/7"));
	add(&any, array(v[11], take ? downs : 0));
	add(&any, xstrdup(take ? "7" : "0"));
	add(&any, array(v[9], downs));
	add(&any, array(v[10], downs));
	add(&any, array(v[11], downs));
	for (size_t i = 0; i < ARRAY_SIZE(of_apart); i++)
		add(&apart, array(v[of_apart[i]], n));
	for (int i = 0; i < tasks; i++)
		v[11][i] = take && !last;
	add(&apart, array(v[11], n));
	add(&apart, xstrdup(take ? "7" : "0"));
	add(&apart, xstrdup("worker/7"));
	assert_same(start, &any, &apart, expected);
}

static void completions_are_the_same(void **state)
{
	successes("", 1, 0, false, "event worker/7 1 21 40:100:5 20:101:0\n");
	successes("", TASKS, 3, false, "event worker/7 40 21 40:4003:5 20:4004:0\n");
	successes("", TASKS, 11, false, "event worker/7 40 21 40:4011:5 130:0:0\n");
	successes("UPDATE subtask SET claim = 6 WHERE task_id = 2", 3, 0, false,
	        "event worker/7 3 21");
	successes("UPDATE subtask SET state = 7 WHERE task_id = 2", 3, 0, false,
	        "event worker/7 3 21");
	successes("DELETE FROM subtask", 3, 0, false, "task (3,20,t,1,0,0,12,1,1)");
}

static void what_is_handed_on_is_the_same(void **state)
{
	successes("", 1, 0, true, "event worker/7 1 21 40:100:5 20:101:0 30:101:9000??\n");
	successes("", TASKS, 10, true, "event worker/7 40 21 40:4010:5 20:4011:0 30:4011:9000??\n");
	successes("", 3, 11, true, "event worker/7 3 21 40:311:5 130:0:0\n");
	successes("UPDATE worker SET died_at = now()", 3, 0, true,
	        "event worker/7 3 21 40:300:5 20:301:0\n");
}

/* No downstream becomes READY then; the last one that was at work ends the task. */
static void beside_a_failure_they_are_the_same(void **state)
{
	for (int take = 0; take < 2; take++) {
		successes("UPDATE task SET failed = 1, active = 1 WHERE task_id = 2", 3, 0, take,
		        "event worker/7 2 21 40:200:5 120:0:0\n");
		successes("UPDATE task SET failed = 1, active = 2 WHERE task_id = 2", 3, 0, take,
		        "event worker/7 2 21 40:200:5\n");
		successes("UPDATE task SET failed = 1, active = 1, unfinished = 2 "
		          "WHERE task_id = 2",
		        3, 11, take, "event worker/7 2 21 40:211:5 120:0:0\n");
	}
}

/* A row that waits there already is for subtask_complete: this one must not pass over it. */
static void a_row_of_a_downstream_is_refused(void **state)
{
	PGresult *res;
	const char *params[] = {"{1}", "{100}", "{5}", "{101}", "{1}", "{1}", "{0}", "0", "w"};

	PQclear(PQexec(s->conn,
	        "BEGIN; UPDATE subtask SET state = 3, claim = 5; INSERT INTO subtask (task_id, "
	        "subtask_id, node, type_id, state, waiting, held) VALUES (1, 101, 1, 1, 1, 1, "
	        "true)"));
	res = PQexecPrepared(s->conn, "subtask_succeed", 9, params, NULL, NULL, 0);
	assert_string_equal(PQresultErrorField(res, PG_DIAG_SQLSTATE), "23505");
	PQclear(res);
	PQclear(PQexec(s->conn, "ROLLBACK"));
}

/* The statement waits for a transaction that does `meanwhile` to task 1. */
static void waited(const char *meanwhile, enum query query, const char *const *params, int count,
        const char *expected)
{
	PGconn *other = PQconnectdb(s->dsn);
	_cleanup_strbuf_ struct strbuf did = STRBUF_INIT;
	PGresult *res;

	PQclear(PQprepare(other, "waits", query_table[query].sql, 0, NULL));
	PQclear(PQexec(other, "BEGIN"));
	PQclear(PQexec(s->conn, "BEGIN; SELECT FROM task WHERE task_id = 1 FOR NO KEY UPDATE"));
	res = PQexec(s->conn, meanwhile);
	assert_int_equal(PQresultStatus(res), PGRES_COMMAND_OK);
	PQclear(res);
	assert_int_equal(PQsendQueryPrepared(other, "waits", count, params, NULL, NULL, 0), 1);
	wait_sql(s, "SELECT count(*) = 1 FROM pg_locks WHERE pid = %d AND NOT granted",
	        PQbackendPID(other));
	PQclear(PQexec(s->conn, "COMMIT"));
	res = PQgetResult(other);
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		fail_msg("%s", PQerrorMessage(other));
	add_answer(&did, res);
	PQclear(res);
	PQclear(PQgetResult(other));
	res = PQexec(other, rows_sql);
	strbuf_addf(&did, "%s\n", PQgetvalue(res, 0, 0));
	PQclear(res);
	PQclear(PQexec(other, "ROLLBACK"));
	PQfinish(other);
	assert_contains(did.buf, expected);
}

/* What another transaction did while it was waited for counts, not what was seen before. */
static void what_was_waited_for_counts(void **state)
{
	const char *claim[] = {"{1}", "{100}", "7", "w"};
	const char *succeed[] = {"{1}", "{100}", "{5}", "{101}", "{1}", "{5}", "{1}", "7", "w"};
	const char *none = "task (1,20,t,1,1,0,12,1,1)";
	const char *verdict = "SELECT FROM worker FOR UPDATE; UPDATE worker SET died_at = now()";

	/* A claim is seen by the sweep that follows the verdict, or does not happen. */
	waited(verdict, QUERY_SUBTASK_CLAIM, claim, 4, none);
	sql(s, "UPDATE worker SET died_at = NULL RETURNING 1");
	waited(verdict, QUERY_SUBTASK_CLAIM_APART, claim, 4, none);
	sql(s, "UPDATE worker SET died_at = NULL RETURNING 1");

	waited("UPDATE subtask SET held = true WHERE task_id = 1", QUERY_SUBTASK_CLAIM_APART, claim,
	        4, none);
	sql(s, "UPDATE subtask SET held = false WHERE task_id = 1 RETURNING 1");
	waited("UPDATE task SET sequence = 30 WHERE task_id = 1", QUERY_SUBTASK_CLAIM_APART, claim,
	        4, "event w 1 31 30:100:");
	waited("UPDATE task SET sequence = 40 WHERE task_id = 1", QUERY_SUBTASK_CLAIM, claim, 4,
	        "event w 1 41 30:100:");
	sql(s, "UPDATE task SET sequence = 20, ready = 0 WHERE task_id = 1 RETURNING 1");
	sql(s, "UPDATE subtask SET state = 3, claim = 5 WHERE task_id = 1 RETURNING 1");
	waited("UPDATE subtask SET claim = 6 WHERE task_id = 1", QUERY_SUBTASK_SUCCEED, succeed, 9,
	        "task (1,20,t,1,0,0,12,1,1)");
	sql(s, "UPDATE subtask SET claim = 5 WHERE task_id = 1 RETURNING 1");
	waited("UPDATE task SET failed = 1, active = 2, unfinished = 9 WHERE task_id = 1",
	        QUERY_SUBTASK_SUCCEED, succeed, 9, "event w 1 21 40:100:5\n");
	waited("UPDATE task SET active = 1 WHERE task_id = 1", QUERY_SUBTASK_SUCCEED, succeed, 9,
	        "event w 1 21 40:100:5 120:0:0\n");
	waited("UPDATE task SET failed = 0 WHERE task_id = 1", QUERY_SUBTASK_SUCCEED, succeed, 9,
	        "event w 1 21 40:100:5 20:101:0 30:101:");
	waited(verdict, QUERY_SUBTASK_SUCCEED, succeed, 9, "event w 1 21 40:100:5 20:101:0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(claims_are_the_same), cmocka_unit_test(completions_are_the_same),
	        cmocka_unit_test(what_is_handed_on_is_the_same),
	        cmocka_unit_test(beside_a_failure_they_are_the_same),
	        cmocka_unit_test(a_row_of_a_downstream_is_refused),
	        cmocka_unit_test(what_was_waited_for_counts), /* changes rows: the last one */
	};

	return cmocka_run_group_tests_name("moves", tests, set_up, tear_down);
}

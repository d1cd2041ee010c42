/* The database: migrations from empty, statements that prepare, tables that agree with C. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/db.h"
#include "common/mem.h"
#include "common/state.h"
#include "tests/support/stack.h"

static struct stack *s;

static int set_up(void **state)
{
	s = stack_up("schema"); /* migrates from empty */
	return 0;
}

static int tear_down(void **state)
{
	stack_down(s);
	return 0;
}

static void every_statement_prepares(void **state)
{
	for (int i = 0; i < QUERY_MAX; i++) {
		PGresult *res = PQprepare(
		        s->conn, query_table[i].name, query_table[i].sql, 0, NULL);

		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			fail_msg("schema/queries/%s.sql: %s", query_table[i].name,
			        PQerrorMessage(s->conn));
		PQclear(res);
	}
}

static void migrating_again_changes_nothing(void **state)
{
	int64_t before = sql_int(s, "SELECT count(*) FROM schema_migration");

	assert_int_equal(obpipe(s, "migrate", NULL), 0);
	assert_int_equal(sql_int(s, "SELECT count(*) FROM schema_migration"), before);
	assert_int_equal(sql_int(s, "SELECT count(*) FROM template"), 3);
}

static void two_migrations_at_once_are_one(void **state)
{
	int64_t before = sql_int(s, "SELECT count(*) FROM schema_migration");
	pid_t child;
	int status;

	/* From empty: both find every migration missing. */
	PQclear(PQexec(s->conn, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
	child = fork();
	if (child == 0)
		_exit(obpipe(s, "migrate", NULL));
	assert_int_equal(obpipe(s, "migrate", NULL), 0);
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(sql_int(s, "SELECT count(*) FROM schema_migration"), before);
}

static void a_changed_migration_is_refused(void **state)
{
	sql(s, "UPDATE schema_migration SET sha256 = 'other' WHERE version = 2 RETURNING 1");
	assert_int_equal(obpipe(s, "migrate", NULL), 1);
}

static void a_template_never_changes(void **state)
{
	const char *folder = stack_folder(s);
	_cleanup_free_ char *file = xasprintf("%s/noop-chain.json", folder);
	char *text = test_read_file("schema/templates/noop-chain.json", NULL), *name;
	FILE *out;

	name = strstr(text, "No-op 3");
	name[0] = 'X';
	out = fopen(file, "w");
	fputs(text, out);
	fclose(out);
	assert_int_equal(obpipe(s, "migrate", "--templates", folder, NULL), 1);
	/* A bad file among good ones loads nothing. */
	out = fopen(file, "w");
	fputs("{\"schema\":1}", out);
	fclose(out);
	assert_int_equal(obpipe(s, "migrate", "--templates", folder, NULL), 1);
	assert_int_equal(sql_int(s, "SELECT count(*) FROM template"), 3);
	free(text);
}

static void tables_of_states_are_those_of_c(void **state)
{
	assert_int_equal(sql_int(s, "SELECT count(*) FROM subtask_state"), SUBTASK_STATE_MAX - 1);
	assert_int_equal(sql_int(s, "SELECT count(*) FROM task_state"), TASK_STATE_MAX - 1);
	assert_int_equal(sql_int(s, "SELECT count(*) FROM state_rule"), (int64_t)state_rule_count);
	for (int i = 1; i < SUBTASK_STATE_MAX; i++)
		assert_string_equal(sql(s, "SELECT name FROM subtask_state WHERE id = %d", i),
		        subtask_state_name(i));
	for (size_t i = 0; i < state_rule_count; i++)
		assert_string_equal(
		        "t", sql(s,
		                     "SELECT (from_state, to_state, operation) = (%d, %d, %d) "
		                     "FROM state_rule WHERE rule = %d",
		                     state_rules[i].from, state_rules[i].to,
		                     state_rules[i].operation, state_rules[i].rule));
}

/* A hot row moves without touching an index: what the speed rests on. */
static void moves_are_hot(void **state)
{
	assert_int_equal(
	        sql_int(s, "SELECT count(*) FROM pg_indexes WHERE tablename = 'subtask'"), 1);
	assert_int_equal(sql_int(s, "SELECT count(*) FROM pg_indexes WHERE tablename = 'task'"), 2);
}

/* Of the tables that grow: 10 is a tenth of what ANALYZE does by default, 0 nothing. */
static void statistics_are_cheap(void **state)
{
	assert_string_equal(
	        sql(s, "SELECT string_agg(DISTINCT relname || ' ' || attstattarget, ', ') "
	               "FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid "
	               "WHERE relname IN ('request', 'task', 'task_info', 'subtask', "
	               "'subtask_log', 'event_batch') AND attnum > 0 AND NOT attisdropped"),
	        "event_batch 0, event_batch 10, request 0, request 10, subtask 10, "
	        "subtask_log 0, subtask_log 10, task 10, task_info 0, task_info 10");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_statement_prepares),
	        cmocka_unit_test(migrating_again_changes_nothing),
	        cmocka_unit_test(two_migrations_at_once_are_one),
	        cmocka_unit_test(a_template_never_changes),
	        cmocka_unit_test(tables_of_states_are_those_of_c), cmocka_unit_test(moves_are_hot),
	        cmocka_unit_test(statistics_are_cheap),
	        cmocka_unit_test(a_changed_migration_is_refused), /* last: leaves it refused */
	};

	return cmocka_run_group_tests_name("schema", tests, set_up, tear_down);
}

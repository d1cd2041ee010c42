#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/settings.h"

/* A list of name, value, ..., NULL that stands in for the environment. */
static const char *look_up(void *arg, const char *env_name)
{
	for (const char *const *pair = arg; *pair; pair += 2) {
		if (strcmp(pair[0], env_name) == 0)
			return pair[1];
	}
	return NULL;
}

#define NEEDED "OBPIPE_PG_DSN", "postgres://u:s3cret@127.0.0.1/x", "OBPIPE_KAFKA_BROKERS", "k:9092"

static int load(struct settings *s, enum setting_program program, const char *const *pairs,
        struct strbuf *errors)
{
	return settings_load(s, program, look_up, (void *)pairs, errors);
}

static void defaults_are_those_of_the_table(void **state)
{
	static const char *const pairs[] = {NEEDED, NULL};
	struct settings s;
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	assert_int_equal(load(&s, SETTING_WORKER, pairs, &errors), 0);
	assert_int_equal(errors.len, 0);
	assert_string_equal(s.topic_prefix, "obpipe.");
	assert_int_equal(s.slots, 16);
	assert_int_equal(s.verdict_ms, 5000);
	assert_false(s.handoff);
	assert_string_equal(s.roles, "intake,executor,maintainer");
	assert_string_equal(s.kafka_brokers, "k:9092");
	assert_int_equal(s.event_retention_ms, -1);
	settings_release(&s);
	assert_null(s.pg_dsn);
}

static void the_environment_counts(void **state)
{
	struct settings s;
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	setenv("OBPIPE_PG_DSN", "dbname=x", 1);
	setenv("OBPIPE_KAFKA_BROKERS", "a:1,b:2", 1);
	setenv("OBPIPE_SLOTS", "3", 1);
	setenv("OBPIPE_HANDOFF", "true", 1);
	assert_int_equal(settings_load(&s, SETTING_WORKER, NULL, NULL, &errors), 0);
	assert_int_equal(s.slots, 3);
	assert_true(s.handoff);
	settings_release(&s);
	unsetenv("OBPIPE_PG_DSN");
	unsetenv("OBPIPE_KAFKA_BROKERS");
	unsetenv("OBPIPE_SLOTS");
	unsetenv("OBPIPE_HANDOFF");
}

static int lines_of(const char *text)
{
	int lines = 0;
	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

static void every_wrong_setting_is_named_at_once(void **state)
{
	static const char *const pairs[] = {"OBPIPE_PG_DSN", "", "OBPIPE_SLOTS", "many",
	        "OBPIPE_HEARTBEAT_MS", "49", "OBPIPE_HANDOFF", "yes", "OBPIPE_LOG_LEVEL", "loud",
	        "OBPIPE_ROLES", "intake,cook", "OBPIPE_HTTP_LISTEN", "not of this program", NULL};
	struct settings s;
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	assert_int_equal(load(&s, SETTING_WORKER, pairs, &errors), -1);
	assert_int_equal(lines_of(errors.buf), 7);
	assert_contains(errors.buf, "OBPIPE_PG_DSN: is not set");
	assert_contains(errors.buf, "OBPIPE_KAFKA_BROKERS: is not set");
	assert_contains(
	        errors.buf, "OBPIPE_SLOTS=\"many\": must be a whole number from 1 to 1000\n");
	assert_contains(errors.buf, "OBPIPE_HEARTBEAT_MS=\"49\": must be a whole number from 50");
	assert_contains(errors.buf, "OBPIPE_HANDOFF=\"yes\": must be true or false\n");
	assert_contains(errors.buf, "OBPIPE_LOG_LEVEL=\"loud\": must be one of error, warn");
	assert_contains(errors.buf, "OBPIPE_ROLES=\"intake,cook\": must be one or more of intake");
	settings_release(&s);
}

static void secrets_are_not_printed(void **state)
{
	_cleanup_free_ char *dsn = xmalloc(5001);
	memset(dsn, 'z', 5000);
	dsn[5000] = '\0';
	const char *const pairs[] = {"OBPIPE_PG_DSN", dsn, "OBPIPE_KAFKA_BROKERS", "k:9092",
	        "OBPIPE_KAFKA_OPTIONS", "sasl.password", NULL};
	struct settings s;
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	assert_int_equal(load(&s, SETTING_WORKER, pairs, &errors), -1);
	assert_contains(errors.buf, "OBPIPE_PG_DSN (value not shown): must be 1 to 4096 bytes");
	assert_contains(errors.buf, "OBPIPE_KAFKA_OPTIONS (value not shown): must be name=value");
	assert_null(strstr(errors.buf, "zzz"));
	assert_null(strstr(errors.buf, "sasl"));
	settings_release(&s);
}

struct value_case {
	const char *field, *value;
	bool right;
};

static const struct value_case value_cases[] = {
        /* whole numbers */
        {"slots", "1", true},
        {"slots", "1000", true},
        {"slots", "0", false},
        {"slots", "1001", false},
        {"slots", "", false},
        {"slots", " 5", false},
        {"slots", "5 ", false},
        {"slots", "+5", false},
        {"slots", "5x", false},
        {"slots", "5.0", false},
        {"slots", "0x10", false},
        {"slots", "1e2", false},
        {"slots", "99999999999999999999", false},
        {"slots", "-", false},
        {"event_retention_ms", "-1", true},
        {"event_retention_ms", "-2", false},
        {"event_retention_ms", "9007199254740991", true},
        {"handoff", "0", true},
        {"handoff", "TRUE", false},
        /* forms */
        {"kafka_brokers", "a:1,[::1]:65535,c.d-e_f:9092", true},
        {"kafka_brokers", "a", false},
        {"kafka_brokers", "a:0", false},
        {"kafka_brokers", "a:65536", false},
        {"kafka_brokers", "a:1,", false},
        {"kafka_brokers", "a:1,a:1", false},
        {"kafka_brokers", ":1", false},
        {"kafka_brokers", "a b:1", false},
        {"http_listen", "127.0.0.1:0", true},
        {"http_listen", "[::]:8080", true},
        {"http_listen", "::1:8080", false},
        {"http_listen", "127.0.0.1", false},
        {"http_listen", "127.0.0.1:65536", false},
        {"http_listen", "127.0.0.1:80a", false},
        {"http_listen", "300.0.0.1:80", false},
        {"http_listen", "", false},
        {"worker_http_listen", "", true},
        {"roles", "executor", true},
        {"roles", "executor,executor", false},
        {"roles", "intake,,executor", false},
        {"types", "all", true},
        {"types", "noop,install-rpm", true},
        {"types", "Noop", false},
        {"types", "noop, finish", false},
        {"topic_prefix", "team-1_x.", true},
        {"topic_prefix", "Team", false},
        {"topic_prefix", "a/b", false},
        {"topic_prefix", "", false},
        {"log_level", "debug", true},
        {"log_level", "warning", false},
        {"url", "https://h/", true},
        {"url", "ftp://host", false},
        {"url", "http:///x", false},
        {"kafka_options", "security.protocol=ssl;ssl.ca.location=/x=y", true},
        {"kafka_options", "", true},
        {"kafka_options", "=x", false},
        {"kafka_options", "a=1;a=2", true}, /* two values of one name differ as items */
        {"worker_name", "a\nb", false},
};

static void values_are_checked(void **state)
{
	static const char *const pairs[] = {NEEDED, NULL};
	struct settings s;
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	assert_int_equal(load(&s, SETTING_WORKER, pairs, &errors), 0);
	for (size_t i = 0; i < ARRAY_SIZE(value_cases); i++) {
		const struct value_case *c = &value_cases[i];
		strbuf_reset(&errors);
		int rc = settings_set(&s, c->field, c->value, &errors);
		if ((rc == 0) != c->right)
			fail_msg("%s=\"%s\": %d %s", c->field, c->value, rc, errors.buf);
		assert_int_equal(rc == 0, errors.len == 0);
	}
	strbuf_reset(&errors);
	assert_int_equal(settings_set(&s, "slotz", "1", &errors), -1);
	assert_contains(errors.buf, "there is no setting \"slotz\"");
	settings_release(&s);
}

static void commands_ask_for_what_they_need(void **state)
{
	static const char *const pairs[] = {"OBPIPE_URL", "http://h:1", NULL};
	struct settings s;
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	assert_int_equal(load(&s, SETTING_CLI, pairs, &errors), 0);
	assert_int_equal(settings_require(&s, "url", &errors), 0);
	assert_int_equal(settings_require(&s, "pg_dsn", &errors), -1);
	assert_contains(errors.buf, "OBPIPE_PG_DSN: is not set");
	settings_release(&s);
}

struct shown {
	struct strbuf text;
};

static void show(void *arg, const char *env_name, const char *value, const char *help)
{
	struct shown *shown = arg;
	assert_true(strlen(help) > 0);
	strbuf_addf(&shown->text, "%s=%s\n", env_name, value);
}

static void shown_without_secrets(void **state)
{
	static const char *const pairs[] = {NEEDED, NULL};
	struct settings s;
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	assert_int_equal(load(&s, SETTING_WORKER, pairs, &errors), 0);
	struct shown shown = {.text = STRBUF_INIT};
	settings_each(&s, show, &shown);
	assert_contains(shown.text.buf, "OBPIPE_PG_DSN=(set)\n");
	assert_contains(shown.text.buf, "OBPIPE_PASSWORD=\n");
	assert_contains(shown.text.buf, "OBPIPE_SLOTS=16\n");
	assert_contains(shown.text.buf, "OBPIPE_HANDOFF=false\n");
	assert_null(strstr(shown.text.buf, "s3cret"));
	strbuf_release(&shown.text);
	settings_release(&s);
}

static void help_and_table_name_every_setting(void **state)
{
	char *help = NULL, *table = NULL;
	size_t bytes;
	FILE *out = open_memstream(&help, &bytes);
	settings_help(out, SETTING_PRODUCER);
	fclose(out);
	out = open_memstream(&table, &bytes);
	settings_markdown(out);
	fclose(out);
	assert_contains(help, "OBPIPE_HTTP_LISTEN");
	assert_contains(help, "default 127.0.0.1:8080");
	assert_null(strstr(help, "OBPIPE_SLOTS"));
	assert_contains(table, "| `OBPIPE_SLOTS` | subtasks of one type");
	assert_contains(table, "| `16` | 1 to 1000 | worker |");
	assert_contains(table, "| required |");
	free(help);
	free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(defaults_are_those_of_the_table),
	        cmocka_unit_test(the_environment_counts),
	        cmocka_unit_test(every_wrong_setting_is_named_at_once),
	        cmocka_unit_test(secrets_are_not_printed),
	        cmocka_unit_test(values_are_checked),
	        cmocka_unit_test(commands_ask_for_what_they_need),
	        cmocka_unit_test(shown_without_secrets),
	        cmocka_unit_test(help_and_table_name_every_setting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

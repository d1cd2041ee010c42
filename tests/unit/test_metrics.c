#include "tests/support/test.h"

#include <pthread.h>
#include <stdio.h>

#include "common/metrics.h"
#include "common/settings.h"
#include "common/strbuf.h"

static void assert_line(int program, const char *line)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	strbuf_addc(&sb, '\n');
	metrics_render(&sb, program);
	_cleanup_strbuf_ struct strbuf whole = STRBUF_INIT;
	strbuf_addf(&whole, "\n%s\n", line);
	assert_contains(sb.buf, whole.buf);
}

static void counters_and_gauges(void **state)
{
	metric_add(METRIC_STEALS, 2);
	metric_add(METRIC_STEALS, 3);
	metric_set(METRIC_SLOTS_USED, 7);
	metric_add(METRIC_SLOTS_USED, -3);
	assert_int_equal(metric_get(METRIC_STEALS), 5);
	assert_int_equal(metric_get(METRIC_SLOTS_USED), 4);
	assert_line(SETTING_WORKER, "obpipe_steals_total 5");
	assert_line(SETTING_WORKER, "obpipe_slots_used 4");
	assert_line(SETTING_WORKER, "# TYPE obpipe_steals_total counter");
	assert_line(SETTING_WORKER, "# TYPE obpipe_slots_used gauge");
	assert_line(SETTING_WORKER,
	        "# HELP obpipe_steals_total READY subtasks found in PostgreSQL without a hint");
}

static void seconds_may_be_given_in_us(void **state)
{
	metric_set_us(METRIC_RELAY_LAG, 12340);
	assert_line(SETTING_WORKER, "obpipe_relay_lag_seconds 0.01234");
	metric_set(METRIC_RELAY_LAG, 90);
	assert_int_equal(metric_get(METRIC_RELAY_LAG), 90);
	assert_line(SETTING_WORKER, "obpipe_relay_lag_seconds 90");
	metric_set_label_us(METRIC_OLDEST_READY, "noop", 1500000);
	assert_line(SETTING_WORKER, "obpipe_oldest_ready_seconds{type=\"noop\"} 1.5");
}

static void histograms_are_cumulative(void **state)
{
	metric_observe_us(METRIC_RUN_SECONDS, 500);
	metric_observe_us(METRIC_RUN_SECONDS, 501);
	metric_observe_us(METRIC_RUN_SECONDS, 2000000);
	metric_observe_us(METRIC_RUN_SECONDS, 900000000);
	assert_line(SETTING_WORKER, "# TYPE obpipe_run_seconds histogram");
	assert_line(SETTING_WORKER, "obpipe_run_seconds_bucket{le=\"0.0005\"} 1");
	assert_line(SETTING_WORKER, "obpipe_run_seconds_bucket{le=\"0.001\"} 2");
	assert_line(SETTING_WORKER, "obpipe_run_seconds_bucket{le=\"1\"} 2");
	assert_line(SETTING_WORKER, "obpipe_run_seconds_bucket{le=\"2\"} 3");
	assert_line(SETTING_WORKER, "obpipe_run_seconds_bucket{le=\"300\"} 3");
	assert_line(SETTING_WORKER, "obpipe_run_seconds_bucket{le=\"+Inf\"} 4");
	assert_line(SETTING_WORKER, "obpipe_run_seconds_sum 902.001001");
	assert_line(SETTING_WORKER, "obpipe_run_seconds_count 4");
	metric_observe(METRIC_CLAIM_BATCH, 1);
	metric_observe(METRIC_CLAIM_BATCH, 3);
	assert_line(SETTING_WORKER, "obpipe_claim_batch_subtasks_bucket{le=\"1\"} 1");
	assert_line(SETTING_WORKER, "obpipe_claim_batch_subtasks_bucket{le=\"5\"} 2");
	assert_line(SETTING_WORKER, "obpipe_claim_batch_subtasks_sum 4");
}

static void labels_are_escaped_and_bounded(void **state)
{
	metric_add_label(METRIC_REFUSED, "a\"b\\c\nd", 1);
	metric_add_label(METRIC_REFUSED, "a\"b\\c\nd", 1);
	assert_line(
	        SETTING_PRODUCER, "obpipe_requests_refused_total{reason=\"a\\\"b\\\\c\\nd\"} 2");
	for (int i = 0; i < 200; i++) {
		char name[16];
		snprintf(name, sizeof(name), "r%d", i);
		metric_add_label(METRIC_REFUSED, name, 1);
	}
	assert_line(SETTING_PRODUCER, "obpipe_requests_refused_total{reason=\"r61\"} 1");
	assert_line(SETTING_PRODUCER, "obpipe_requests_refused_total{reason=\"other\"} 138");
	metric_set_label(METRIC_OLDEST_READY, "finish", 3);
	metric_set_label(METRIC_OLDEST_READY, "finish", 2);
	assert_line(SETTING_WORKER, "obpipe_oldest_ready_seconds{type=\"finish\"} 2");
}

static void each_program_has_its_own(void **state)
{
	_cleanup_strbuf_ struct strbuf producer = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf worker = STRBUF_INIT;
	metrics_render(&producer, SETTING_PRODUCER);
	metrics_render(&worker, SETTING_WORKER);
	assert_null(strstr(producer.buf, "obpipe_steals_total"));
	assert_null(strstr(worker.buf, "obpipe_http_in_flight"));
	assert_non_null(strstr(producer.buf, "obpipe_db_reconnects_total 0"));
	assert_non_null(strstr(worker.buf, "obpipe_db_reconnects_total 0"));
}

#define ROUNDS 20000

static void *count_up(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		char label[8];
		snprintf(label, sizeof(label), "%d", 200 + i % 5);
		metric_add(METRIC_ACCEPTED, 1);
		metric_add_label(METRIC_HTTP_REQUESTS, label, 1);
		metric_observe_us(METRIC_HTTP_SECONDS, 700);
	}
	return NULL;
}

static void threads_lose_nothing(void **state)
{
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(metric_get(METRIC_ACCEPTED), 4 * ROUNDS);
	assert_line(SETTING_PRODUCER, "obpipe_http_requests_total{status=\"203\"} 16000");
	assert_line(SETTING_PRODUCER, "obpipe_http_request_seconds_count 80000");
	assert_line(SETTING_PRODUCER, "obpipe_http_request_seconds_sum 56");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(counters_and_gauges),
	        cmocka_unit_test(seconds_may_be_given_in_us),
	        cmocka_unit_test(histograms_are_cumulative),
	        cmocka_unit_test(labels_are_escaped_and_bounded),
	        cmocka_unit_test(each_program_has_its_own),
	        cmocka_unit_test(threads_lose_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

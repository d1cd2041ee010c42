/* What intake makes of a decoded request before it records it. */
#include "tests/support/test.h"

#include <string.h>

#include "workers/intake_batch.h"

#define TEMPLATE                                                                                   \
	"{\"schema\":1,\"name\":\"t\",\"version\":3,\"taskName\":\"T\",\"taskType\":\"MANUAL\","   \
	"\"perHost\":false,\"context\":{\"stringMap\":{\"task\":\"${task_id}\",\"one\":\"${a}\"}," \
	"\"listMap\":{}},\"listing\":[\"n\"],\"nodes\":[{\"key\":\"n\",\"type\":\"noop\","         \
	"\"name\":\"N\",\"className\":\"c\",\"timeout\":0,\"seriesId\":0,\"onHost\":false,"        \
	"\"upstreams\":[]}]}"

static struct template *template;

static int set_up(void **state)
{
	struct err err = {0};

	return template_parse(TEMPLATE, strlen(TEMPLATE), NULL, &template, &err);
}

static int tear_down(void **state)
{
	template_free(template);
	return 0;
}

/* A request of two tasks; takes the values. */
static struct intake_item item_with(json_t *values)
{
	struct intake_item item = {.template = template, .outcome = INTAKE_RECORD};

	item.request.body = json_pack("{ss}", "template", "t");
	item.request.values = values;
	item.request.task_count = 2;
	item.request.tasks = calloc(2, sizeof(*item.request.tasks));
	item.request.tasks[0] = (struct request_task){.task_id = 7, .first_subtask_id = 70};
	item.request.tasks[1] = (struct request_task){.task_id = 8, .first_subtask_id = 80};
	return item;
}

static void each_task_gets_its_texts(void **state)
{
	struct intake_item item = item_with(json_pack("{ss}", "a", "\"v\""));
	struct err err = {0};

	assert_int_equal(intake_item_prepare(&item, &err), 0);
	assert_string_equal(item.contexts[1],
	        "{\"listMap\":{},\"parallel\":false,\"parallelIdx\":-1,"
	        "\"stringMap\":{\"task\":\"8\",\"one\":\"\\\"v\\\"\"}}");
	assert_string_equal(item.entries[0], "7 1 @t/3@ 110:0:0 12:70:0");
	assert_string_equal(item.body, "{\"template\":\"t\"}");
	intake_item_release(&item);
}

/* Its message goes to the dead letters; what was begun is freed (ASan). */
static void a_missing_value_is_permanent(void **state)
{
	struct intake_item item = item_with(json_object());
	struct err err = {0};

	assert_int_equal(intake_item_prepare(&item, &err), -1);
	assert_int_equal(err.kind, ERR_PERMANENT);
	assert_non_null(strstr(err.text, "${a}"));
	intake_item_release(&item);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_task_gets_its_texts),
	        cmocka_unit_test(a_missing_value_is_permanent),
	};

	return cmocka_run_group_tests_name("intake_batch", tests, set_up, tear_down);
}

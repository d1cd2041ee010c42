/* The batchAdd rules: every wrong field at once, with the status of the worst. */
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "producer/validate.h"

#define OBPROXY(version) "obproxy-" version "-1919579.el7.x86_64.rpm"
#define NOW_MS 1000

static struct inventory *inv;
static struct taken_hosts taken;

static void add_host(int64_t id, const char *status, const char *architecture)
{
	const struct inv_host_words words = {.status = status, .architecture = architecture};

	inventory_add_host(inv, &(struct inv_host){.id = id, .name = "h", .words = &words});
}

static void add_package(const char *file, const char *type)
{
	inventory_add_package(inv, &(struct inv_package){.file_name = file, .type = type});
}

static int set_up(void **state)
{
	static const char *const versions[] = {OBPROXY("1.7.9"), OBPROXY("1.8.0"),
	        OBPROXY("1.9.1.1"), OBPROXY("1.10.0"), OBPROXY("3.99.0"), OBPROXY("4.0.0"),
	        OBPROXY("4.1.0")};

	inv = inventory_new(1);
	inventory_add_cluster(
	        inv, &(struct inv_cluster){.id = 1, .name = "old", .version = "3.1.1"});
	inventory_add_cluster(inv, &(struct inv_cluster){.id = 4, .name = "new", .version = "4.0"});
	inventory_add_cluster(inv, &(struct inv_cluster){.id = 5,
	                                   .name = "ports",
	                                   .version = "3.1.1",
	                                   .sql_port = 3000,
	                                   .exporter_port = 3001});
	for (int64_t id = 10; id < 20; id++)
		add_host(id, "AVAILABLE", "x86_64");
	add_host(20, "ONLINE", "x86_64");
	add_host(30, "OFFLINE", "x86_64");
	add_host(31, "DELETING", "x86_64");
	add_host(32, "NEW", "x86_64");
	add_host(40, "AVAILABLE", "aarch64");
	add_host(50, "ONLINE", "x86_64");
	inventory_add_obproxy(
	        inv, &(struct inv_obproxy){
	                     .id = 900, .host_id = 50, .cluster_id = 77, .status = "RUNNING"});
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		add_package(versions[i], "OBPROXY_INSTALL_PACKAGE");
	add_package("obproxy-1.9.2-1.el7.noarch.rpm", "OBPROXY_INSTALL_PACKAGE");
	add_package("oceanbase-3.1.1-1.el7.x86_64.rpm", "OB_SERVER_INSTALL_PACKAGE");
	inventory_finish(inv);
	taken_hosts_add(&taken, 60, NOW_MS);
	taken_hosts_add(&taken, 19, NOW_MS);
	return 0;
}

static int tear_down(void **state)
{
	inventory_free(inv);
	taken_hosts_release(&taken);
	return 0;
}

/* "status code field[,field...]" of a body for a cluster; "0" when it is good. */
static char *judge(int64_t cluster, const char *text)
{
	const struct batch_add_world world = {inv, &taken, NOW_MS};
	_cleanup_faults_ struct faults faults = FAULTS_INIT;
	struct strbuf verdict = STRBUF_INIT;
	struct batch_add_body body;
	struct err err = {0};
	json_t *json = json_parse_strict(text, strlen(text), &err), *list, *fault;
	size_t i;
	unsigned int status;

	if (!json)
		fail_msg("%s: %s", text, err.text);
	status = validate_batch_add(&world, cluster, json, &body, &faults);
	strbuf_addf(&verdict, "%u", status);
	if (status) {
		_cleanup_free_ char *array = xasprintf("[%s]", faults.list.buf);

		strbuf_addf(&verdict, " %s ", faults.code);
		list = json_loads(array, 0, NULL);
		assert_int_equal(json_array_size(list), faults.count);
		json_array_foreach (list, i, fault) {
			assert_int_equal(json_object_size(fault), 3);
			assert_non_null(json_object_get(fault, "rejectedValue"));
			assert_true(strlen(json_text(fault, "message")) > 10);
			strbuf_addf(&verdict, i ? ",%s" : "%s", json_text(fault, "field"));
		}
		json_decref(list);
	}
	json_decref(json);
	return strbuf_detach(&verdict, NULL);
}

#define GOOD_PORTS "\"sqlPort\":2883,\"exporterPort\":2884"
#define GOOD_VERSION "\"version\":\"" OBPROXY("1.9.1.1") "\""

struct row {
	int64_t cluster;
	const char *body, *verdict;
};

static void hold(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *verdict = judge(rows[i].cluster, rows[i].body);

		if (strcmp(verdict, rows[i].verdict) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", rows[i].body, verdict, rows[i].verdict);
	}
}

#define HOSTS(ids) "{\"hostIds\":[" ids "]," GOOD_PORTS "," GOOD_VERSION "}"
#define PORTS(sql, exporter)                                                                       \
	"{\"hostIds\":[10],\"sqlPort\":" sql ",\"exporterPort\":" exporter "," GOOD_VERSION "}"
#define PACKAGE(file) "{\"hostIds\":[10]," GOOD_PORTS ",\"version\":\"" file "\"}"

static void good_bodies_pass(void **state)
{
	static const struct row rows[] = {
	        {1, HOSTS("10"), "0"},
	        {1, HOSTS("18,10,20,11"), "0"},
	        {1, "{\"more\":[{}],\"hostIds\":[10]," GOOD_PORTS "," GOOD_VERSION ",\"x\":null}",
	                "0"},
	        {1, PORTS("1025", "65535"), "0"},
	        {5, PORTS("3000", "3001"), "0"},
	        {1, PACKAGE("obproxy-1.9.2-1.el7.noarch.rpm"), "0"},
	};

	hold(rows, ARRAY_SIZE(rows));
}

static void every_wrong_field_is_named_at_once(void **state)
{
	static const struct row rows[] = {
	        {1, "{}", "400 COM10001 hostIds,sqlPort,exporterPort,version"},
	        {1, "{\"hostIds\":null,\"sqlPort\":null,\"exporterPort\":null,\"version\":null}",
	                "400 COM10001 hostIds,sqlPort,exporterPort,version"},
	        {1, "{\"hostIds\":{},\"sqlPort\":[],\"exporterPort\":{},\"version\":1}",
	                "400 COM10001 hostIds,sqlPort,exporterPort,version"},
	        /* Wrong by itself, not there, and not now: the worst decides, all are named. */
	        {99, "{\"hostIds\":[777,30],\"sqlPort\":1,\"exporterPort\":2884," GOOD_VERSION "}",
	                "400 COM10001 id,sqlPort,hostIds,hostIds"},
	        {99, HOSTS("777,30"), "404 ODP21001 id,hostIds,hostIds"},
	        {1, HOSTS("30,777"), "404 CMP07005 hostIds,hostIds"},
	};

	hold(rows, ARRAY_SIZE(rows));
}

static void host_ids_are_checked_one_by_one(void **state)
{
	static const struct row rows[] = {
	        {1, HOSTS(""), "400 COM10001 hostIds"},
	        {1, HOSTS("10,11,10,10"), "400 COM10001 hostIds"},
	        {1, HOSTS("10,11,11,10"), "400 COM10001 hostIds,hostIds"},
	        {1, HOSTS("0,-1,9007199254740992,10"),
	                "400 COM10001 hostIds[0],hostIds[1],hostIds[2]"},
	        {1, HOSTS("10,\"11\",11.0,1e1,true,null,[11],{}"),
	                "400 COM10001 hostIds[1],hostIds[2],hostIds[3],hostIds[4],hostIds[5],"
	                "hostIds[6],hostIds[7]"},
	        {1, HOSTS("777"), "404 CMP07005 hostIds"},
	        {1, HOSTS("30"), "409 CMP07004 hostIds"},
	        {1, HOSTS("31"), "409 CMP07004 hostIds"},
	        {1, HOSTS("32"), "409 CMP07004 hostIds"},
	        {1, HOSTS("50"), "409 ODP21116 hostIds"},
	        {1, HOSTS("19"), "409 ODP21116 hostIds"},
	        {1, HOSTS("19,30,50,10"), "409 ODP21116 hostIds,hostIds,hostIds"},
	        {1, HOSTS("40"), "400 CMP07025 version"},
	};

	hold(rows, ARRAY_SIZE(rows));
}

static void a_thousand_hosts_and_not_one_more(void **state)
{
	for (int count = 1000; count <= 1001; count++) {
		struct strbuf body = STRBUF_INIT;
		_cleanup_free_ char *verdict = NULL;

		strbuf_adds(&body, "{\"hostIds\":[");
		for (int i = 0; i < count; i++)
			strbuf_addf(&body, i ? ",%d" : "%d", 1000 + i);
		strbuf_adds(&body, "]," GOOD_PORTS "," GOOD_VERSION "}");
		verdict = judge(1, body.buf);
		if (count == 1000)
			assert_int_equal(strncmp(verdict, "404 CMP07005 hostIds,", 21), 0);
		else
			assert_string_equal(verdict, "400 COM10001 hostIds");
		strbuf_release(&body);
	}
}

static void ports_are_integers_in_their_range(void **state)
{
	static const struct row rows[] = {
	        {1, PORTS("\"2883\"", "2884"), "400 COM10001 sqlPort"},
	        {1, PORTS("2883.5", "true"), "400 COM10001 sqlPort,exporterPort"},
	        {1, PORTS("2883.0", "3e3"), "400 COM10001 sqlPort,exporterPort"},
	        {1, PORTS("1024", "65536"), "400 COM10001 sqlPort,exporterPort"},
	        {1, PORTS("-2883", "0"), "400 COM10001 sqlPort,exporterPort"},
	        {1, PORTS("9223372036854775807", "2884"), "400 COM10001 sqlPort"},
	        {1, PORTS("2883", "2883"), "400 COM10001 exporterPort"},
	        {5, PORTS("2883", "2884"), "400 COM10001 sqlPort,exporterPort"},
	        {5, PORTS("3000", "2884"), "400 COM10001 exporterPort"},
	        {5, PORTS("3001", "3001"), "400 COM10001 exporterPort,sqlPort"},
	};

	hold(rows, ARRAY_SIZE(rows));
}

static void packages_fit_the_cluster(void **state)
{
	static const struct row rows[] = {
	        {1, PACKAGE("obproxy"), "400 PKG10016 version"},
	        {1, PACKAGE(""), "400 PKG10016 version"},
	        {1, PACKAGE("obproxy-9.9.9-1.el7.x86_64.rpm"), "404 PKG10014 version"},
	        {1, PACKAGE("oceanbase-3.1.1-1.el7.x86_64.rpm"), "400 PKG10013 version"},
	        {1, PACKAGE(OBPROXY("1.7.9")), "400 ODP21110 version"},
	        {1, PACKAGE(OBPROXY("1.8.0")), "0"},
	        {1, PACKAGE(OBPROXY("1.10.0")), "0"}, /* above 1.9, as numbers */
	        {1, PACKAGE(OBPROXY("3.99.0")), "0"},
	        {1, PACKAGE(OBPROXY("4.0.0")), "400 ODP21110 version"},
	        {4, PACKAGE(OBPROXY("3.99.0")), "400 ODP21110 version"},
	        {4, PACKAGE(OBPROXY("4.0.0")), "0"},
	        {4, PACKAGE(OBPROXY("4.1.0")), "0"},
	};

	hold(rows, ARRAY_SIZE(rows));
}

static void a_good_body_is_read_whole(void **state)
{
	const struct batch_add_world world = {inv, &taken, NOW_MS};
	_cleanup_faults_ struct faults faults = FAULTS_INIT;
	json_t *json = json_loads(HOSTS("10,11"), 0, NULL);
	struct batch_add_body body;

	assert_int_equal(validate_batch_add(&world, 1, json, &body, &faults), 0);
	assert_int_equal(json_array_size(body.host_ids), 2);
	assert_int_equal(body.sql_port, 2883);
	assert_int_equal(body.exporter_port, 2884);
	assert_string_equal(body.version, OBPROXY("1.9.1.1"));
	assert_string_equal(body.package.version, "1.9.1.1");
	assert_string_equal(body.package.build, "1919579");
	assert_string_equal(body.cluster->name, "old");
	json_decref(json);
}

static void the_first_of_the_worst_speaks(void **state)
{
	_cleanup_faults_ struct faults f = FAULTS_INIT;

	f.adding = 409;
	fault_add_number(&f, "C409", "a", 1, "not now");
	f.adding = 404;
	fault_add_text(&f, "C404", "b", "x", "not there");
	assert_int_equal(f.status, 404);
	f.adding = 400;
	fault_add(&f, "C400", "c", NULL, "wrong");
	fault_add_text(&f, "LATER", "d", "\xff", "wrong too");
	f.adding = 409;
	fault_add_number(&f, "LAST", "e", 2, "not now either");
	assert_int_equal(f.status, 400);
	assert_string_equal(f.code, "C400");
	assert_string_equal(f.first, "wrong");
	assert_int_equal(f.count, 5);
	assert_string_equal(f.list.buf,
	        "{\"field\":\"a\",\"rejectedValue\":1,\"message\":\"not now\"},"
	        "{\"field\":\"b\",\"rejectedValue\":\"x\",\"message\":\"not there\"},"
	        "{\"field\":\"c\",\"rejectedValue\":null,\"message\":\"wrong\"},"
	        "{\"field\":\"d\",\"rejectedValue\":null,\"message\":\"wrong too\"},"
	        "{\"field\":\"e\",\"rejectedValue\":2,\"message\":\"not now either\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(good_bodies_pass),
	        cmocka_unit_test(every_wrong_field_is_named_at_once),
	        cmocka_unit_test(host_ids_are_checked_one_by_one),
	        cmocka_unit_test(a_thousand_hosts_and_not_one_more),
	        cmocka_unit_test(ports_are_integers_in_their_range),
	        cmocka_unit_test(packages_fit_the_cluster),
	        cmocka_unit_test(a_good_body_is_read_whole),
	        cmocka_unit_test(the_first_of_the_worst_speaks),
	};

	return cmocka_run_group_tests_name("validate", tests, set_up, tear_down);
}

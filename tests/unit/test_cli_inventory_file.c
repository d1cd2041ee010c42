/* An inventory file looked over as a whole: each fault with its place. */
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "cli/inventory_file.h"

static json_t *root;
static struct inventory_faults faults;

static int set_up(void **state)
{
	char *text = test_read_file("tests/fixtures/inventory.json", NULL);

	root = json_loads(text, 0, NULL);
	free(text);
	memset(&faults, 0, sizeof(faults));
	assert_non_null(root);
	return 0;
}

static int tear_down(void **state)
{
	json_decref(root);
	strbuf_release(&faults.text);
	return 0;
}

static json_t *of(const char *list, size_t place)
{
	return json_array_get(json_object_get(root, list), place);
}

static void expect(size_t count, const char *text)
{
	inventory_file_check(root, ".", &faults);
	if (text)
		assert_contains(faults.text.buf, text);
	assert_int_equal(faults.count, count);
}

static void the_fixture_is_good_and_completed(void **state)
{
	expect(0, NULL);
	assert_int_equal(json_integer_value(json_object_get(of("hosts", 0), "sshPort")), 22);
	assert_int_equal(json_array_size(json_object_get(of("clusters", 0), "allParameters")), 1);
}

static void every_fault_is_named_at_once(void **state)
{
	json_object_set_new(of("hosts", 2), "sshPort", json_integer(70000));
	json_object_set_new(of("hosts", 3), "credential", json_integer(7));
	json_object_set_new(of("clusters", 0), "workmode", json_string("x"));
	json_object_del(of("clusters", 0), "rsList");
	expect(4, "hosts[2].sshPort: must be an integer from 1 to 65535");
	assert_contains(faults.text.buf, "hosts[3].credential: must be a string");
	assert_contains(faults.text.buf, "clusters[0].workmode: there is no such member; is it "
	                                 "\"workMode\"?");
	assert_contains(faults.text.buf, "clusters[0].rsList: is missing");
}

static void no_two_hosts_share_an_address_or_an_id(void **state)
{
	json_object_set(of("hosts", 5), "address", json_object_get(of("hosts", 0), "address"));
	json_object_set_new(of("hosts", 6), "id", json_integer(1));
	expect(2, "hosts[5].address: hosts[0] has the same, and port");
	assert_contains(faults.text.buf, "hosts[6].id: hosts[0] has the same");
}

static void keys_are_checked_and_never_given(void **state)
{
	json_object_set_new(of("hosts", 0), "hostKey", json_string("ssh-ed25519 AAAA"));
	json_object_set_new(of("credentials", 0), "keyFile", json_string("-----BEGIN KEY-----"));
	expect(2, "hosts[0].hostKey: must be type and base64");
	assert_contains(faults.text.buf, "credentials[0].keyFile");
}

static void a_text_file_is_no_package(void **state)
{
	json_array_append_new(
	        json_object_get(root, "packages"), json_pack("{s:s}", "path", "README.md"));
	expect(1, "packages[0].path: must be a package file name");
}

static void passwords_are_no_parameters(void **state)
{
	json_array_append_new(json_object_get(of("clusters", 0), "parameters"),
	        json_pack("{s:s, s:s}", "name", "obproxy_sys_password", "value", "x"));
	expect(1, "clusters[0].parameters[1].name: must be no password");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	        TEST(the_fixture_is_good_and_completed),
	        TEST(every_fault_is_named_at_once),
	        TEST(no_two_hosts_share_an_address_or_an_id),
	        TEST(keys_are_checked_and_never_given),
	        TEST(a_text_file_is_no_package),
	        TEST(passwords_are_no_parameters),
	};

	return cmocka_run_group_tests_name("cli_inventory_file", tests, NULL, NULL);
}

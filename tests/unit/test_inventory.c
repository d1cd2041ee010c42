#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "producer/inventory.h"
#include "producer/taken_hosts.h"
#include "producer/text_pool.h"

#define HOSTS 100000

/* ---- text_pool ---- */

static void texts_are_copied_and_shared(void **state)
{
	struct text_pool pool = {0};
	char word[] = "AVAILABLE";
	const char *added = text_pool_add(&pool, word);
	const char *shared = text_pool_share(&pool, word);

	assert_ptr_not_equal(added, word);
	assert_ptr_not_equal(added, shared);
	assert_ptr_equal(text_pool_share(&pool, "AVAILABLE"), shared);
	memset(word, 'x', sizeof(word) - 1);
	assert_string_equal(added, "AVAILABLE");
	assert_string_equal(shared, "AVAILABLE");
	assert_null(text_pool_add(&pool, NULL));
	assert_null(text_pool_share(&pool, NULL));
	text_pool_release(&pool);
}

static void texts_larger_than_a_chunk_fit(void **state)
{
	struct text_pool pool = {0};
	char *large = xmalloc(200001);

	memset(large, 'a', 200000);
	large[200000] = '\0';
	for (int i = 0; i < 100; i++)
		assert_string_equal(text_pool_add(&pool, "small"), "small");
	assert_string_equal(text_pool_add(&pool, large), large);
	assert_string_equal(text_pool_add(&pool, "behind"), "behind");
	text_pool_release(&pool);
	free(large);
}

/* ---- inventory ---- */

static void an_empty_inventory_knows_nothing(void **state)
{
	struct inventory *inv = inventory_new(7);

	inventory_finish(inv);
	assert_int_equal(inv->version, 7);
	assert_null(inventory_cluster(inv, 1));
	assert_null(inventory_host(inv, 1));
	assert_null(inventory_package(inv, "x"));
	assert_null(inventory_user(inv, "admin"));
	inventory_free(inv);
}

/* Added in a mixed order; one in 1,000 has an OBProxy. */
static struct inventory *large_inventory(void)
{
	struct inventory *inv = inventory_new(1);
	char name[32];

	for (int64_t i = 0; i < HOSTS; i++) {
		int64_t id = (i * 7919) % HOSTS + 1;

		snprintf(name, sizeof(name), "host%lld", (long long)id);
		const struct inv_host_words words = {
		        .status = id % 2 ? "AVAILABLE" : "ONLINE", .architecture = "x86_64"};

		inventory_add_host(
		        inv, &(struct inv_host){
		                     .id = id, .name = name, .address = name, .words = &words});
		if (id % 1000 == 0)
			inventory_add_obproxy(inv, &(struct inv_obproxy){.id = id + 1000000,
			                                   .host_id = id,
			                                   .cluster_id = 1,
			                                   .status = "RUNNING"});
	}
	inventory_finish(inv);
	return inv;
}

static void every_host_of_many_is_found(void **state)
{
	struct inventory *inv = large_inventory();
	char name[32];

	for (int64_t id = 1; id <= HOSTS; id++) {
		const struct inv_host *h = inventory_host(inv, id);

		snprintf(name, sizeof(name), "host%lld", (long long)id);
		assert_non_null(h);
		assert_string_equal(h->name, name);
		assert_string_equal(h->words->status, id % 2 ? "AVAILABLE" : "ONLINE");
		assert_null(h->words->idc);
		assert_true((h->obproxy != NULL) == (id % 1000 == 0));
		if (h->obproxy)
			assert_int_equal(h->obproxy->id, id + 1000000);
	}
	assert_ptr_equal(inventory_host(inv, 1)->words, inventory_host(inv, 3)->words);
	assert_null(inventory_host(inv, 0));
	assert_null(inventory_host(inv, HOSTS + 1));
	inventory_free(inv);
}

static void an_obproxy_of_an_unknown_host_is_no_harm(void **state)
{
	struct inventory *inv = inventory_new(1);

	inventory_add_obproxy(inv, &(struct inv_obproxy){.id = 1, .host_id = 5, .cluster_id = 9});
	inventory_add_host(inv,
	        &(struct inv_host){.id = 6, .name = "six", .words = &(struct inv_host_words){0}});
	inventory_finish(inv);
	assert_null(inventory_host(inv, 6)->obproxy);
	inventory_free(inv);
}

static void a_cluster_has_the_ports_of_its_obproxies(void **state)
{
	struct inventory *inv = inventory_new(1);

	inventory_add_cluster(inv, &(struct inv_cluster){.id = 3, .name = "free"});
	inventory_add_cluster(
	        inv, &(struct inv_cluster){
	                     .id = 2, .name = "set", .sql_port = 4000, .exporter_port = 4001});
	inventory_add_cluster(inv, &(struct inv_cluster){.id = 1, .name = "used"});
	for (int64_t cluster = 1; cluster <= 2; cluster++)
		inventory_add_obproxy(inv, &(struct inv_obproxy){.id = cluster,
		                                   .host_id = cluster,
		                                   .cluster_id = cluster,
		                                   .sql_port = 2883,
		                                   .exporter_port = 2884});
	inventory_finish(inv);
	assert_int_equal(inventory_cluster(inv, 1)->sql_port, 2883);
	assert_int_equal(inventory_cluster(inv, 1)->exporter_port, 2884);
	assert_int_equal(inventory_cluster(inv, 2)->sql_port, 4000);
	assert_int_equal(inventory_cluster(inv, 3)->sql_port, 0);
	inventory_free(inv);
}

static void users_are_found_by_their_exact_name(void **state)
{
	static const char *const names[] = {"zoe", "admin", "Admin", "bob"};
	struct inventory *inv = inventory_new(1);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		inventory_add_user(inv, &(struct inv_user){names[i], names[i]});
	inventory_finish(inv);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_string_equal(inventory_user(inv, names[i])->hash, names[i]);
	assert_null(inventory_user(inv, "ADMIN"));
	assert_null(inventory_user(inv, ""));
	inventory_free(inv);
}

/* ---- taken_hosts ---- */

static void a_taken_host_is_free_again_after_its_time(void **state)
{
	struct taken_hosts taken = {0};

	assert_false(taken_hosts_has(&taken, 2, 0));
	taken_hosts_add(&taken, 2, 1000);
	assert_true(taken_hosts_has(&taken, 2, 1000));
	assert_true(taken_hosts_has(&taken, 2, 1000 + TAKEN_MS - 1));
	assert_false(taken_hosts_has(&taken, 2, 1000 + TAKEN_MS));
	assert_false(taken_hosts_has(&taken, 3, 1000));
	taken_hosts_release(&taken);
}

static void a_host_given_back_is_free(void **state)
{
	struct taken_hosts taken = {0};

	taken_hosts_add(&taken, 2, 0);
	taken_hosts_add(&taken, 3, 0);
	taken_hosts_give_back(&taken, 2);
	taken_hosts_give_back(&taken, 99);
	assert_false(taken_hosts_has(&taken, 2, 1));
	assert_true(taken_hosts_has(&taken, 3, 1));
	taken_hosts_release(&taken);
}

static void a_host_taken_twice_counts_from_the_last(void **state)
{
	struct taken_hosts taken = {0};

	taken_hosts_add(&taken, 2, 0);
	taken_hosts_add(&taken, 2, 500);
	assert_true(taken_hosts_has(&taken, 2, TAKEN_MS + 499));
	taken_hosts_give_back(&taken, 2);
	assert_false(taken_hosts_has(&taken, 2, 501));
	taken_hosts_release(&taken);
}

/* Far more than fit in the first table; some are given back, the oldest run out meanwhile. */
static void many_hosts_are_taken(void **state)
{
	struct taken_hosts taken = {0};

	for (int64_t id = 1; id <= 100000; id++) {
		taken_hosts_add(&taken, id, id);
		if (id % 3 == 0)
			taken_hosts_give_back(&taken, id);
	}
	for (int64_t id = 1; id <= 100001; id++)
		assert_int_equal(taken_hosts_has(&taken, id, 100000),
		        id <= 100000 && id % 3 && id + TAKEN_MS > 100000);
	taken_hosts_release(&taken);
}

static void the_table_of_taken_hosts_does_not_grow_with_time(void **state)
{
	struct taken_hosts taken = {0};

	for (int64_t id = 1; id <= 1000000; id++)
		taken_hosts_add(&taken, id, id * (TAKEN_MS / 1000));
	assert_in_range(taken.places, 1024, 4096);
	taken_hosts_release(&taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(texts_are_copied_and_shared),
	        cmocka_unit_test(texts_larger_than_a_chunk_fit),
	        cmocka_unit_test(an_empty_inventory_knows_nothing),
	        cmocka_unit_test(every_host_of_many_is_found),
	        cmocka_unit_test(an_obproxy_of_an_unknown_host_is_no_harm),
	        cmocka_unit_test(a_cluster_has_the_ports_of_its_obproxies),
	        cmocka_unit_test(users_are_found_by_their_exact_name),
	        cmocka_unit_test(a_taken_host_is_free_again_after_its_time),
	        cmocka_unit_test(a_host_given_back_is_free),
	        cmocka_unit_test(a_host_taken_twice_counts_from_the_last),
	        cmocka_unit_test(many_hosts_are_taken),
	        cmocka_unit_test(the_table_of_taken_hosts_does_not_grow_with_time),
	};

	return cmocka_run_group_tests_name("inventory", tests, NULL, NULL);
}

/* Any body of batchAdd: refused with at least one fault, each of them JSON, or whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "producer/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct inventory *world_inventory(void)
{
	static const struct inv_host_words words = {
	        .status = "AVAILABLE", .architecture = "x86_64"};
	static struct inventory *inv;

	if (inv)
		return inv;
	inv = inventory_new(1);
	inventory_add_cluster(
	        inv, &(struct inv_cluster){.id = 1, .name = "test", .version = "3.1.1"});
	for (int64_t id = 1; id < 20; id++)
		inventory_add_host(inv, &(struct inv_host){.id = id, .name = "h", .words = &words});
	inventory_add_package(
	        inv, &(struct inv_package){.file_name = "obproxy-1.9.1.1-1919579.el7.x86_64.rpm",
	                     .type = "OBPROXY_INSTALL_PACKAGE"});
	inventory_finish(inv);
	return inv;
}

static void judge(const json_t *json)
{
	static const struct taken_hosts nobody;
	const struct batch_add_world world = {world_inventory(), &nobody, 1000};
	_cleanup_faults_ struct faults faults = FAULTS_INIT;
	struct batch_add_body body = {0};
	unsigned int status = validate_batch_add(&world, 1, json, &body, &faults);
	_cleanup_free_ char *array = NULL;
	json_t *list;

	if (status == 0) {
		if (!body.cluster || !body.host_ids || !body.version)
			abort();
		return;
	}
	if (status < 400 || status > 499 || faults.count == 0)
		abort();
	array = xasprintf("[%s]", faults.list.buf);
	list = json_loads(array, 0, NULL);
	if (json_array_size(list) != (size_t)faults.count)
		abort();
	json_decref(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct err err = {0};
	json_t *json = json_parse_strict((const char *)data, bytes, &err);

	if (json_is_object(json))
		judge(json);
	json_decref(json);
	return 0;
}

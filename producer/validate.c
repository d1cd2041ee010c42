#include "producer/validate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"

#define INVALID "COM10001"
/* Manual, "add an OBProxy": what a cluster's OceanBase version accepts. */
#define PACKAGE_OLDEST "1.8.0"
#define PACKAGE_FOUR "4.0.0"

static int64_t port(const json_t *json, const char *field, struct faults *faults)
{
	const json_t *value = json_object_get(json, field);

	if (!value || json_is_null(value)) {
		fault_add(faults, INVALID, field, value, "%s is missing: give a port from %d to %d",
		        field, PORT_MIN, PORT_MAX);
	} else if (!json_is_integer(value)) {
		fault_add(faults, INVALID, field, value,
		        "%s must be an integer without quotes, fraction or exponent", field);
	} else if (json_integer_value(value) < PORT_MIN || json_integer_value(value) > PORT_MAX) {
		fault_add(faults, INVALID, field, value, "%s must be from %d to %d", field,
		        PORT_MIN, PORT_MAX);
	} else {
		return json_integer_value(value);
	}
	return 0;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void check_host_id(const json_t *id, size_t i, struct faults *faults)
{
	char field[32];

	snprintf(field, sizeof(field), "hostIds[%zu]", i);
	if (!json_is_integer(id))
		fault_add(faults, INVALID, field, id, "%s must be an integer", field);
	else if (json_integer_value(id) < 1 || json_integer_value(id) > JSON_SAFE_INTEGER_MAX)
		fault_add(faults, INVALID, field, id, "%s must be from 1 to 2^53-1", field);
}

static void check_duplicates(const json_t *ids, struct faults *faults)
{
	size_t count = json_array_size(ids);
	int64_t *sorted = xcalloc(count + 1, sizeof(*sorted));

	for (size_t i = 0; i < count; i++)
		sorted[i] = json_integer_value(json_array_get(ids, i));
	qsort(sorted, count, sizeof(*sorted), by_value);
	for (size_t i = 1; i < count; i++) {
		if (sorted[i] != sorted[i - 1] || (i > 1 && sorted[i] == sorted[i - 2]))
			continue;
		json_t *twice = json_integer(sorted[i]);

		fault_add(faults, INVALID, "hostIds", twice,
		        "host %" PRId64 " is named more than once in hostIds", sorted[i]);
		json_decref(twice);
	}
	free(sorted);
}

static void check_host_ids(const json_t *ids, struct faults *faults)
{
	int before = faults->count;
	size_t i;
	json_t *id;

	if (!ids || json_is_null(ids)) {
		fault_add(faults, INVALID, "hostIds", ids,
		        "hostIds is missing: give the hosts to add an OBProxy on");
		return;
	}
	if (!json_is_array(ids)) {
		fault_add(faults, INVALID, "hostIds", ids, "hostIds must be an array of integers");
		return;
	}
	if (json_array_size(ids) == 0 || json_array_size(ids) > HOSTS_MAX) {
		fault_add(faults, INVALID, "hostIds", NULL,
		        "hostIds must name 1 to %d hosts, not %zu", HOSTS_MAX,
		        json_array_size(ids));
		return;
	}
	json_array_foreach (ids, i, id)
		check_host_id(id, i, faults);
	if (faults->count == before)
		check_duplicates(ids, faults);
}

static void check_version(const json_t *json, struct batch_add_body *body, struct faults *faults)
{
	const json_t *value = json_object_get(json, "version");
	struct err err = {0};

	if (!value || json_is_null(value)) {
		fault_add(faults, INVALID, "version", value,
		        "version is missing: give the package's file name");
	} else if (!json_is_string(value)) {
		fault_add(faults, INVALID, "version", value, "version must be a string");
	} else if (package_name_parse(json_string_value(value), &body->package, &err) < 0) {
		fault_add(faults, err.code, "version", value, "version %s", err.text);
	} else {
		body->version = json_string_value(value);
	}
}

static void check_form(const json_t *json, struct batch_add_body *body, struct faults *faults)
{
	body->host_ids = json_object_get(json, "hostIds");
	check_host_ids(body->host_ids, faults);
	body->sql_port = port(json, "sqlPort", faults);
	body->exporter_port = port(json, "exporterPort", faults);
	if (body->sql_port && body->sql_port == body->exporter_port)
		fault_add(faults, INVALID, "exporterPort", json_object_get(json, "exporterPort"),
		        "exporterPort must differ from sqlPort");
	check_version(json, body, faults);
}

/* ---- what it names ---- */

static void check_known(struct inventory_keeper *inventory, const struct batch_add_body *body,
        struct faults *faults)
{
	size_t i;
	json_t *id;

	json_array_foreach (body->host_ids, i, id) {
		if (inventory_host(inventory, json_integer_value(id)))
			continue;
		fault_add(faults, "CMP07005", "hostIds", id,
		        "host %" JSON_INTEGER_FORMAT " is not in the inventory; GET "
		        "/api/v2/compute/hosts lists them",
		        json_integer_value(id));
	}
	if (!inventory_package(inventory, body->version)) {
		json_t *version = json_string(body->version);

		fault_add(faults, "PKG10014", "version", version,
		        "package %s is not in the inventory; GET /api/v2/software-packages lists "
		        "them",
		        body->version);
		json_decref(version);
	}
}

/* ---- whether the parts fit each other ---- */

/* The port the cluster has already: set for it, or that of its first OBProxy. */
static int32_t fixed_port(const struct inventory_keeper *k, const struct inv_cluster *c, bool sql)
{
	const struct inventory *inv = inventory_now(k);
	int32_t set = sql ? c->sql_port : c->exporter_port;

	for (size_t i = 0; !set && i < inv->obproxy_count; i++)
		if (inv->obproxies[i].cluster_id == c->id)
			set = sql ? inv->obproxies[i].sql_port : inv->obproxies[i].exporter_port;
	return set;
}

static void check_port(const struct inventory_keeper *k, const struct inv_cluster *c, bool sql,
        int64_t value, struct faults *faults)
{
	const char *field = sql ? "sqlPort" : "exporterPort";
	int32_t fixed = fixed_port(k, c, sql);

	if (!fixed || fixed == value)
		return;
	json_t *rejected = json_integer(value);

	fault_add(faults, INVALID, field, rejected,
	        "%s of cluster %s is %d for all its OBProxies; give that", field, c->name, fixed);
	json_decref(rejected);
}

static void check_rule(const struct batch_add_body *body, struct faults *faults)
{
	const char *version = body->package.version;
	bool four = version_compare(body->cluster->version, "4.0") >= 0;
	json_t *rejected = json_string(body->version);

	if (strcmp(body->package.name, "obproxy") != 0 &&
	        strcmp(body->package.name, "obproxy-ce") != 0)
		fault_add(faults, "PKG10013", "version", rejected, "%s is no OBProxy package",
		        body->package.name);
	else if (four && version_compare(version, PACKAGE_FOUR) < 0)
		fault_add(faults, "ODP21110", "version", rejected,
		        "cluster %s has version %s and takes OBProxy " PACKAGE_FOUR " or newer",
		        body->cluster->name, body->cluster->version);
	else if (!four && (version_compare(version, PACKAGE_OLDEST) < 0 ||
	                          version_compare(version, PACKAGE_FOUR) >= 0))
		fault_add(faults, "ODP21110", "version", rejected,
		        "cluster %s has version %s and takes OBProxy " PACKAGE_OLDEST
		        " or newer, older than " PACKAGE_FOUR,
		        body->cluster->name, body->cluster->version);
	json_decref(rejected);
}

static void check_fit(struct inventory_keeper *inventory, const struct batch_add_body *body,
        struct faults *faults)
{
	size_t i;
	json_t *id;

	check_port(inventory, body->cluster, true, body->sql_port, faults);
	check_port(inventory, body->cluster, false, body->exporter_port, faults);
	check_rule(body, faults);
	json_array_foreach (body->host_ids, i, id) {
		const struct inv_host *h = inventory_host(inventory, json_integer_value(id));

		if (h && strcmp(h->architecture, body->package.arch) != 0)
			fault_add(faults, "CMP07025", "version", id,
			        "host %" PRId64 " (%s) is %s, the package is %s", h->id, h->name,
			        h->architecture, body->package.arch);
	}
}

static void check_state(struct inventory_keeper *inventory, const struct batch_add_body *body,
        struct faults *faults)
{
	size_t i;
	json_t *id;

	json_array_foreach (body->host_ids, i, id) {
		const struct inv_host *h = inventory_host(inventory, json_integer_value(id));

		if (strcmp(h->status, "AVAILABLE") != 0 && strcmp(h->status, "ONLINE") != 0)
			fault_add(faults, "CMP07004", "hostIds", id,
			        "host %" PRId64 " (%s) is %s; it must be AVAILABLE or ONLINE",
			        h->id, h->name, h->status);
		else if (h->obproxy)
			fault_add(faults, "ODP21116", "hostIds", id,
			        "host %" PRId64 " (%s) has an OBProxy already (id %" PRId64 ", %s)",
			        h->id, h->name, h->obproxy->id, h->obproxy->status);
		else if (inventory_taken(inventory, h->id))
			fault_add(faults, "ODP21116", "hostIds", id,
			        "another request is adding an OBProxy on host %" PRId64 " (%s)",
			        h->id, h->name);
	}
}

unsigned int validate_batch_add(struct inventory_keeper *inventory, int64_t cluster_id,
        const json_t *json, struct batch_add_body *body, struct faults *faults)
{
	*body = (struct batch_add_body){0};
	check_form(json, body, faults);
	if (faults->count)
		return MHD_HTTP_BAD_REQUEST;
	body->cluster = inventory_cluster(inventory, cluster_id);
	if (!body->cluster) {
		json_t *id = json_integer(cluster_id);

		fault_add(faults, "ODP21001", "id", id,
		        "there is no OBProxy cluster %" PRId64 "; GET /api/v2/obproxy/clusters "
		        "lists them",
		        cluster_id);
		json_decref(id);
	}
	check_known(inventory, body, faults);
	if (faults->count)
		return MHD_HTTP_NOT_FOUND;
	check_fit(inventory, body, faults);
	if (faults->count)
		return MHD_HTTP_BAD_REQUEST;
	check_state(inventory, body, faults);
	return faults->count ? MHD_HTTP_CONFLICT : 0;
}

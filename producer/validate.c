#include "producer/validate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"

#define INVALID "COM10001"

struct check {
	const struct batch_add_world *world;
	const json_t *json;
	struct batch_add_body *body;
	struct faults *faults;
	const struct inv_package *package; /* NULL: not known */
	int64_t *ids;                      /* host ids that can be one, sorted, each once */
	size_t id_count;
};

static int64_t read_port(struct check *c, const char *field)
{
	const json_t *value = json_object_get(c->json, field);

	if (!value || json_is_null(value)) {
		fault_add(c->faults, INVALID, field, value,
		        "%s is missing: give a port from %d to %d", field, PORT_MIN, PORT_MAX);
	} else if (!json_is_integer(value)) {
		fault_add(c->faults, INVALID, field, value,
		        "%s must be an integer without quotes, fraction or exponent", field);
	} else if (json_integer_value(value) < PORT_MIN || json_integer_value(value) > PORT_MAX) {
		fault_add(c->faults, INVALID, field, value, "%s must be from %d to %d", field,
		        PORT_MIN, PORT_MAX);
	} else {
		return json_integer_value(value);
	}
	return 0;
}

/* ---- host ids ---- */

static void read_host_id(struct check *c, const json_t *id, size_t place)
{
	char field[32];

	snprintf(field, sizeof(field), "hostIds[%zu]", place);
	if (!json_is_integer(id))
		fault_add(c->faults, INVALID, field, id, "%s must be an integer", field);
	else if (json_integer_value(id) < 1 || json_integer_value(id) > JSON_SAFE_INTEGER_MAX)
		fault_add(c->faults, INVALID, field, id, "%s must be from 1 to 2^53-1", field);
	else
		c->ids[c->id_count++] = json_integer_value(id);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Sorts the ids and keeps one of each. */
static void drop_duplicates(struct check *c)
{
	size_t kept = 0;
	bool told = false;

	qsort(c->ids, c->id_count, sizeof(*c->ids), by_value);
	for (size_t i = 0; i < c->id_count; i++) {
		if (kept == 0 || c->ids[i] != c->ids[kept - 1]) {
			c->ids[kept++] = c->ids[i];
			told = false;
			continue;
		}
		if (!told)
			fault_add_number(c->faults, INVALID, "hostIds", c->ids[i],
			        "host %" PRId64 " is named more than once in hostIds", c->ids[i]);
		told = true;
	}
	c->id_count = kept;
}

static void read_host_ids(struct check *c)
{
	const json_t *ids = json_object_get(c->json, "hostIds");
	size_t count = json_array_size(ids), i;
	json_t *id;

	c->body->host_ids = ids;
	if (!ids || json_is_null(ids)) {
		fault_add(c->faults, INVALID, "hostIds", ids,
		        "hostIds is missing: give the hosts to add an OBProxy on");
	} else if (!json_is_array(ids)) {
		fault_add(
		        c->faults, INVALID, "hostIds", ids, "hostIds must be an array of integers");
	} else if (count == 0 || count > HOSTS_MAX) {
		fault_add(c->faults, INVALID, "hostIds", count ? NULL : ids,
		        "hostIds must name 1 to %d hosts, not %zu", HOSTS_MAX, count);
	} else {
		c->ids = xcalloc(count, sizeof(*c->ids));
		json_array_foreach (ids, i, id)
			read_host_id(c, id, i);
		drop_duplicates(c);
	}
}

static void read_version(struct check *c)
{
	const json_t *value = json_object_get(c->json, "version");
	struct err err = {0};

	if (!value || json_is_null(value)) {
		fault_add(c->faults, INVALID, "version", value,
		        "version is missing: give the package's file name");
	} else if (!json_is_string(value)) {
		fault_add(c->faults, INVALID, "version", value, "version must be a string");
	} else if (package_name_parse(json_string_value(value), &c->body->package, &err) < 0) {
		fault_add(c->faults, err.code, "version", value, "version %s", err.text);
	} else {
		c->body->version = json_string_value(value);
		c->package = inventory_package(c->world->inventory, c->body->version);
	}
}

/* ---- against the inventory ---- */

static void check_cluster(struct check *c, int64_t cluster_id)
{
	c->body->cluster = inventory_cluster(c->world->inventory, cluster_id);
	if (c->body->cluster)
		return;
	c->faults->adding = 404;
	fault_add_number(c->faults, "ODP21001", "id", cluster_id,
	        "there is no OBProxy cluster %" PRId64 "; GET /api/v2/obproxy/clusters lists them",
	        cluster_id);
	c->faults->adding = 400;
}

static void check_host(struct check *c, const struct inv_host *h, int64_t id)
{
	struct faults *f = c->faults;

	f->adding = h ? 409 : 404;
	if (!h)
		fault_add_number(f, "CMP07005", "hostIds", id,
		        "host %" PRId64 " is not in the inventory; GET /api/v2/compute/hosts "
		        "lists them",
		        id);
	else if (strcmp(h->words->status, "AVAILABLE") != 0 &&
	         strcmp(h->words->status, "ONLINE") != 0)
		fault_add_number(f, "CMP07004", "hostIds", id,
		        "host %" PRId64 " (%s) is %s; it must be AVAILABLE or ONLINE", id, h->name,
		        h->words->status);
	else if (h->obproxy)
		fault_add_number(f, "ODP21116", "hostIds", id,
		        "host %" PRId64 " (%s) has an OBProxy already (id %" PRId64
		        ", %s); choose another host",
		        id, h->name, h->obproxy->id, h->obproxy->status);
	else if (taken_hosts_has(c->world->taken, id, c->world->now_ms))
		fault_add_number(f, "ODP21116", "hostIds", id,
		        "another request is adding an OBProxy on host %" PRId64
		        " (%s); wait for its task",
		        id, h->name);
	f->adding = 400;
}

static void check_architecture(struct check *c, const struct inv_host *h)
{
	const char *arch = c->body->package.arch;

	if (!h || !c->package || !strcmp(arch, "noarch") || !strcmp(arch, h->words->architecture))
		return;
	fault_add_text(c->faults, "CMP07025", "version", c->body->version,
	        "host %" PRId64 " (%s) is %s, the package is %s; choose a package for %s", h->id,
	        h->name, h->words->architecture, arch, h->words->architecture);
}

static void check_hosts(struct check *c)
{
	for (size_t i = 0; i < c->id_count; i++) {
		const struct inv_host *h = inventory_host(c->world->inventory, c->ids[i]);

		check_host(c, h, c->ids[i]);
		check_architecture(c, h);
	}
}

static void check_ports(struct check *c)
{
	const struct batch_add_body *b = c->body;
	const struct inv_cluster *cluster = b->cluster;

	if (b->sql_port && b->sql_port == b->exporter_port)
		fault_add_number(c->faults, INVALID, "exporterPort", b->exporter_port,
		        "exporterPort must differ from sqlPort");
	if (!cluster)
		return;
	if (b->sql_port && cluster->sql_port && b->sql_port != cluster->sql_port)
		fault_add_number(c->faults, INVALID, "sqlPort", b->sql_port,
		        "sqlPort of cluster %s is %d for all its OBProxies; give that",
		        cluster->name, cluster->sql_port);
	if (b->exporter_port && cluster->exporter_port &&
	        b->exporter_port != cluster->exporter_port)
		fault_add_number(c->faults, INVALID, "exporterPort", b->exporter_port,
		        "exporterPort of cluster %s is %d for all its OBProxies; give that",
		        cluster->name, cluster->exporter_port);
}

/* What the cluster's version asks of the package's. */
static void check_version_rule(struct check *c)
{
	const struct inv_cluster *cluster = c->body->cluster;
	const char *rule = obproxy_version_rule(cluster->version, c->body->package.version);

	if (rule)
		fault_add_text(c->faults, "ODP21110", "version", c->body->version,
		        "cluster %s has version %s and takes OBProxy %s", cluster->name,
		        cluster->version, rule);
}

static bool is_obproxy(const struct package_name *package)
{
	return !strcmp(package->name, "obproxy") || !strcmp(package->name, "obproxy-ce");
}

static void check_package(struct check *c)
{
	const char *file = c->body->version;

	if (!file)
		return;
	if (!c->package) {
		c->faults->adding = 404;
		fault_add_text(c->faults, "PKG10014", "version", file,
		        "package %s is not in the inventory; GET /api/v2/software-packages lists "
		        "them",
		        file);
		c->faults->adding = 400;
	} else if (!is_obproxy(&c->body->package) ||
	           strcmp(c->package->type, "OBPROXY_INSTALL_PACKAGE") != 0) {
		fault_add_text(c->faults, "PKG10013", "version", file,
		        "%s is no OBProxy package; give an obproxy-... file", file);
	} else if (c->body->cluster) {
		check_version_rule(c);
	}
}

unsigned int validate_batch_add(const struct batch_add_world *world, int64_t cluster_id,
        const json_t *json, struct batch_add_body *body, struct faults *faults)
{
	struct check c = {.world = world, .json = json, .body = body, .faults = faults};

	*body = (struct batch_add_body){0};
	check_cluster(&c, cluster_id);
	read_host_ids(&c);
	body->sql_port = read_port(&c, "sqlPort");
	body->exporter_port = read_port(&c, "exporterPort");
	check_ports(&c);
	read_version(&c); /* before the hosts, which must fit the package */
	check_hosts(&c);
	check_package(&c);
	free(c.ids);
	return faults->status;
}

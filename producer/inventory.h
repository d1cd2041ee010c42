/*
 * inventory: clusters, hosts, packages, users and templates in memory, so that accepting a request
 * never waits on PostgreSQL. Read anew within 1 s of a change (one version row tells). Loop thread.
 * Pointers are valid until control returns to the loop.
 */
#ifndef OBPIPE_PRODUCER_INVENTORY_H
#define OBPIPE_PRODUCER_INVENTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/template.h"
#include "producer/ingress.h"
#include "producer/render.h"

struct inv_cluster {
	int64_t id;
	char *name, *version, *work_mode, *config_url, *address;
	int32_t port, sql_port, exporter_port; /* 0: not fixed */
	int64_t parameter_version;
	int64_t create_time_us;
};

struct inv_obproxy {
	int64_t id, cluster_id, host_id;
	int32_t sql_port, exporter_port;
	char *version, *architecture, *status, *operate_status;
	int64_t parameter_version, last_active_us;
};

struct inv_host {
	int64_t id;
	char *name, *address, *status, *kind, *architecture, *os, *os_release;
	char *idc, *region, *type;
	int32_t ssh_port;
	int64_t create_time_us;
	const struct inv_obproxy *obproxy; /* NULL: none */
};

struct inv_package {
	int64_t id;
	char *file_name, *name, *version, *build, *os, *architecture, *type, *sha256;
	int64_t size, create_time_us;
};

struct inv_user {
	char *name, *hash;
};

struct inventory {
	int64_t version;
	struct inv_cluster *clusters;  /* by id */
	struct inv_obproxy *obproxies; /* by host id */
	struct inv_host *hosts;        /* by id */
	struct inv_package *packages;  /* by id */
	struct inv_user *users;
	size_t cluster_count, obproxy_count, host_count, package_count, user_count;
};

struct inventory_keeper;

struct inventory_keeper *inventory_new(struct ingress *in);
void inventory_free(struct inventory_keeper *k);
bool inventory_loaded(const struct inventory_keeper *k);
const struct inventory *inventory_now(const struct inventory_keeper *k);
const struct inv_cluster *inventory_cluster(const struct inventory_keeper *k, int64_t id);
const struct inv_host *inventory_host(const struct inventory_keeper *k, int64_t id);
const struct inv_package *inventory_package(const struct inventory_keeper *k, const char *file);
/* The crypt(5) hash; NULL: no such user. */
const char *inventory_user_hash(const struct inventory_keeper *k, const char *user);
/* The newest version of a template, ready to render; NULL: none. Valid for good. */
const struct task_form *inventory_form(const struct inventory_keeper *k, const char *name);
/* The form of a template id; NULL: none (so far). */
const struct task_form *inventory_form_of(const struct inventory_keeper *k, int32_t template_id);
/* Appends the names of all templates, comma separated. */
void inventory_template_names(const struct inventory_keeper *k, struct strbuf *sb);

/*
 * Hosts taken by requests accepted here whose OBProxy row is not there yet: a mark for TAKEN_MS, or
 * until the inventory shows the row. A best effort at the door; step 1 has the last word.
 */
#define TAKEN_MS 60000
bool inventory_taken(struct inventory_keeper *k, int64_t host_id);
void inventory_take(struct inventory_keeper *k, int64_t host_id);
void inventory_give_back(struct inventory_keeper *k, int64_t host_id);

#endif

/*
 * inventory: clusters, hosts, packages and users as they were at one moment. Filled row by row,
 * then finished, then read-only: a thread may fill it while others read an older one. Pure.
 */
#ifndef OBPIPE_PRODUCER_INVENTORY_H
#define OBPIPE_PRODUCER_INVENTORY_H

#include <stddef.h>
#include <stdint.h>

#include "producer/text_pool.h"

struct inv_cluster {
	int64_t id;
	const char *name, *version, *work_mode, *config_url, *address;
	/* 0: free to choose. Filled by inventory_finish() from an OBProxy where the row sets none.
	 */
	int32_t sql_port, exporter_port;
	int32_t port; /* 0: none */
	int64_t parameter_version;
	int64_t create_time_us;
};

struct inv_obproxy {
	int64_t id, cluster_id, host_id;
	int32_t sql_port, exporter_port;
	const char *version, *architecture, *status, *operate_status;
	int64_t parameter_version, last_active_us;
};

/* What many hosts have in common. */
struct inv_host_words {
	const char *status, *kind, *architecture, *os, *os_release, *idc, *region, *type;
};

struct inv_host {
	int64_t id;
	const char *name, *address;
	const struct inv_host_words *words; /* hosts with the same ones share them */
	int64_t create_time_us;
	const struct inv_obproxy *obproxy; /* NULL: none; by inventory_finish() */
	int32_t ssh_port;
};

struct inv_package {
	int64_t id;
	const char *file_name, *name, *version, *build, *os, *architecture, *type, *sha256;
	int64_t size, create_time_us;
};

struct inv_user {
	const char *name, *hash; /* crypt(5) */
};

struct inv_shared_words;

struct inventory {
	int64_t version;
	struct inv_cluster *clusters;  /* by id */
	struct inv_obproxy *obproxies; /* by host id */
	struct inv_host *hosts;        /* by id */
	struct inv_package *packages;  /* by id */
	struct inv_user *users;        /* by name */
	size_t cluster_count, obproxy_count, host_count, package_count, user_count;
	struct text_pool texts;
	struct inv_shared_words *words;
};

struct inventory *inventory_new(int64_t version);
void inventory_free(struct inventory *inv);

/* Adds a row; its texts are copied. Rows of one kind may come in any order. */
void inventory_add_cluster(struct inventory *inv, const struct inv_cluster *row);
void inventory_add_obproxy(struct inventory *inv, const struct inv_obproxy *row);
void inventory_add_host(struct inventory *inv, const struct inv_host *row);
void inventory_add_package(struct inventory *inv, const struct inv_package *row);
void inventory_add_user(struct inventory *inv, const struct inv_user *row);
/* Sorts, and ties what belongs together. After this nothing is added. */
void inventory_finish(struct inventory *inv);

/* NULL: there is none. */
const struct inv_cluster *inventory_cluster(const struct inventory *inv, int64_t id);
const struct inv_host *inventory_host(const struct inventory *inv, int64_t id);
const struct inv_package *inventory_package(const struct inventory *inv, const char *file_name);
const struct inv_user *inventory_user(const struct inventory *inv, const char *name);

#endif

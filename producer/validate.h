/*
 * validate: the rules of the batchAdd body. Every wrong field is named at once: what is wrong by
 * itself (400), what names something that is not there (404), what may not be done now (409); the
 * worst decides the status. Pure.
 */
#ifndef OBPIPE_PRODUCER_VALIDATE_H
#define OBPIPE_PRODUCER_VALIDATE_H

#include <jansson.h>

#include "producer/faults.h"
#include "producer/inventory.h"
#include "common/package_name.h"
#include "producer/taken_hosts.h"

#define HOSTS_MAX 1000
#define PORT_MIN 1025
#define PORT_MAX 65535

struct batch_add_body {
	const json_t *host_ids;
	int64_t sql_port, exporter_port;
	const char *version;
	struct package_name package;
	const struct inv_cluster *cluster;
};

/* What the rules are held against. now_ms is monotonic. */
struct batch_add_world {
	const struct inventory *inventory;
	const struct taken_hosts *taken;
	int64_t now_ms;
};

/* Fills *body from the JSON object (borrowed). Returns 0, or the HTTP status with *faults filled.
 */
unsigned int validate_batch_add(const struct batch_add_world *world, int64_t cluster_id,
        const json_t *json, struct batch_add_body *body, struct faults *faults);

#endif

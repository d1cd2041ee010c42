/*
 * validate: the rules of the batchAdd body. Every wrong field is named at once. The form of the
 * body is judged first (400), then what it names (404), then whether it may be done now (409).
 */
#ifndef OBPIPE_PRODUCER_VALIDATE_H
#define OBPIPE_PRODUCER_VALIDATE_H

#include <jansson.h>

#include "producer/call.h"
#include "producer/inventory.h"
#include "producer/package_name.h"

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

/*
 * Fills *body from the JSON (borrowed). Returns 0, or the HTTP status with *faults filled.
 */
unsigned int validate_batch_add(struct inventory_keeper *inventory, int64_t cluster_id,
        const json_t *json, struct batch_add_body *body, struct faults *faults);

#endif

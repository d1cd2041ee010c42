/*
 * inventory_keeper: the inventory, the users and the templates in memory, so that accepting a
 * request never waits on PostgreSQL. A helper thread with a connection of its own looks at the
 * version row every 300 ms, reads what changed in one snapshot and hands it to the loop, which
 * swaps pointers: a large inventory stalls nobody. All functions on the loop's thread; pointers
 * into the inventory are valid until control returns to the loop, forms for good.
 */
#ifndef OBPIPE_PRODUCER_INVENTORY_KEEPER_H
#define OBPIPE_PRODUCER_INVENTORY_KEEPER_H

#include <stdbool.h>

#include "producer/ingress.h"
#include "producer/inventory.h"
#include "producer/taken_hosts.h"
#include "producer/task_forms.h"

struct inventory_keeper;

struct inventory_keeper *keeper_new(struct ingress *in);
void keeper_free(struct inventory_keeper *k);
/* False until it was read for the first time; keeper_inventory() is empty then. */
bool keeper_loaded(const struct inventory_keeper *k);
const struct inventory *keeper_inventory(const struct inventory_keeper *k);
const struct task_forms *keeper_forms(const struct inventory_keeper *k);
struct taken_hosts *keeper_taken(struct inventory_keeper *k);

#endif

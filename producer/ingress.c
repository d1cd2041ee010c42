#include "producer/ingress.h"

#include <stddef.h>

struct db_async *ingress_db(struct ingress *in)
{
	struct db_async *best = NULL;

	for (int i = 0; i < in->settings.pg_pool; i++)
		if (in->pool[i] && db_async_up(in->pool[i]) &&
		        (!best || db_async_in_flight(in->pool[i]) < db_async_in_flight(best)))
			best = in->pool[i];
	return best;
}

#include "workers/maintainer.h"

#include <stdlib.h>

#include "common/mem.h"
#include "workers/maintainer_internal.h"

struct maintainer {
	struct relay *relay;
	struct sweeper *sweeper;
};

struct maintainer *maintainer_start(struct worker *w, struct err *err)
{
	struct maintainer *m = xcalloc(1, sizeof(*m));

	m->relay = relay_start(w, err);
	m->sweeper = m->relay ? sweeper_start(w, err) : NULL;
	return m->sweeper ? m : NULL; /* start-up ends the process */
}

void maintainer_stop(struct maintainer *m)
{
	if (!m)
		return;
	sweeper_stop(m->sweeper);
	relay_stop(m->relay);
	free(m);
}

/* The table of subtask types: registry.def, one line each. */
#include <string.h>

#include "common/mem.h"
#include "workers/subtask_type.h"

#define SUBTASK_TYPE(symbol, name)                                                                 \
	extern const struct subtask_type subtask_##symbol __attribute__((weak));
#include "workers/subtasks/registry.def"
#undef SUBTASK_TYPE

static const struct subtask_type *const types[] = {
#define SUBTASK_TYPE(symbol, name) &subtask_##symbol,
#include "workers/subtasks/registry.def"
#undef SUBTASK_TYPE
};

static const char *const names[] = {
#define SUBTASK_TYPE(symbol, name) name,
#include "workers/subtasks/registry.def"
#undef SUBTASK_TYPE
        NULL,
};

const struct subtask_type *subtask_type_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i] && !strcmp(types[i]->name, name))
			return types[i];
	return NULL;
}

const char *const *subtask_type_names(void)
{
	return names;
}

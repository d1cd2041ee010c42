/* The table of subtask types: registry.def, one line each. */
#include <string.h>

#include "common/mem.h"
#include "workers/subtask_type.h"

/*
 * Weak: a type that is named and has no file is not built in. Its subtasks stay READY until a
 * worker comes that has it, as with a worker of an older version.
 */
#define SUBTASK_TYPE(symbol, name)                                                                 \
	extern const struct subtask_type subtask_##symbol __attribute__((weak));
#include "workers/subtasks/registry.def"
#undef SUBTASK_TYPE

static const struct subtask_type *const types[] = {
#define SUBTASK_TYPE(symbol, name) &subtask_##symbol,
#include "workers/subtasks/registry.def"
#undef SUBTASK_TYPE
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
	static const char *names[ARRAY_SIZE(types) + 1];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i])
			names[n++] = types[i]->name;
	return names;
}

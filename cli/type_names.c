#include "cli/type_names.h"

#include "common/mem.h"

#define SUBTASK_TYPE(symbol, name) name,
const char *const cli_type_names[] = {
#include "workers/subtasks/registry.def"
        NULL,
};
#undef SUBTASK_TYPE
const size_t cli_type_count = ARRAY_SIZE(cli_type_names) - 1;

/* type_names: the subtask types of workers/subtasks/registry.def, by name. */
#ifndef OBPIPE_CLI_TYPE_NAMES_H
#define OBPIPE_CLI_TYPE_NAMES_H

#include <stddef.h>

extern const char *const cli_type_names[]; /* NULL-ended */
extern const size_t cli_type_count;

#endif

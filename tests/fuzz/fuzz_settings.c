/* NAME=VALUE lines as an environment: every program loads them or names what is wrong. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/settings.h"
#include "common/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* arg: the lines, each ended by NUL, an empty one at the end. */
static const char *look_up(void *arg, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = arg; *line; line += strlen(line) + 1)
		if (!strncmp(line, name, len) && line[len] == '=')
			return line + len + 1;
	return NULL;
}

static void load(enum setting_program program, void *lines)
{
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	struct settings s;
	int rc = settings_load(&s, program, look_up, lines, &errors);

	if ((rc == 0) != (errors.len == 0))
		abort();
	settings_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	_cleanup_free_ char *lines = xcalloc(1, bytes + 2);

	memcpy(lines, data, bytes);
	for (size_t i = 0; i < bytes; i++)
		if (lines[i] == '\n')
			lines[i] = '\0';
	load(SETTING_PRODUCER, lines);
	load(SETTING_WORKER, lines);
	load(SETTING_CLI, lines);
	return 0;
}

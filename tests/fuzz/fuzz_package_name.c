/* Any text as a package name; two versions compare alike from both sides. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/package_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void compare(const char *a, const char *b)
{
	int there = version_compare(a, b), back = version_compare(b, a);

	if ((there > 0) != (back < 0) || (there < 0) != (back > 0))
		abort();
	if (version_compare(a, a) != 0)
		abort();
	(void)obproxy_version_rule(a, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	_cleanup_free_ char *text = xcalloc(1, bytes + 1);
	struct package_name name;
	struct err err = {0};
	char *second;

	memcpy(text, data, bytes);
	if (package_name_parse(text, &name, &err) == 0 && strlen(name.version) == 0)
		abort();
	second = strchr(text, ' ');
	if (second) {
		*second++ = '\0';
		compare(text, second);
	}
	return 0;
}

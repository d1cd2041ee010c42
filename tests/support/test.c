#include "tests/support/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/strbuf.h"

char *test_read_file(const char *path, size_t *ret_bytes)
{
	FILE *file = fopen(path, "re");
	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	struct strbuf content = STRBUF_INIT;
	char block[4096];
	size_t bytes;
	while ((bytes = fread(block, 1, sizeof(block), file)) > 0)
		strbuf_add(&content, block, bytes);
	int failed = ferror(file);
	fclose(file);
	if (failed)
		fail_msg("%s: cannot be read", path);
	return strbuf_detach(&content, ret_bytes);
}

void test_assert_contains(const char *text, const char *needle, const char *file, int line)
{
	if (text && strstr(text, needle))
		return;
	print_error("\"%s\" does not stand in:\n%s\n", needle, text ? text : "(nothing)");
	_fail(file, line);
}

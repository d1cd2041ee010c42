#include "common/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* No allocation and no lock here: this runs when there is no memory left. */
static __attribute__((noreturn)) void out_of_memory(void)
{
	static const char text[] = "{\"level\":\"error\",\"msg\":\"out of memory; stopping\"}\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)ignored;
	abort();
}

void *xmalloc(size_t bytes)
{
	void *ptr = malloc(bytes ? bytes : 1);
	if (!ptr)
		out_of_memory();
	return ptr;
}

void *xcalloc(size_t count, size_t bytes)
{
	void *ptr = count && bytes ? calloc(count, bytes) : calloc(1, 1);
	if (!ptr)
		out_of_memory();
	return ptr;
}

void *xrealloc(void *ptr, size_t bytes)
{
	void *moved = realloc(ptr, bytes ? bytes : 1);
	if (!moved)
		out_of_memory();
	return moved;
}

char *xstrndup(const char *text, size_t bytes)
{
	size_t len = strnlen(text, bytes);
	char *copy = xmalloc(len + 1);
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *xstrdup(const char *text)
{
	size_t len = strlen(text);
	return memcpy(xmalloc(len + 1), text, len + 1);
}

char *xasprintf(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	int len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		out_of_memory();
	return text;
}

/* faults: what tests ask the stand-in to do wrong; its log line and version, which they may change.
 */
#include "deploy/hosts/obproxy/standin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"

#define FAULTS "/home/admin/obproxy-faults"

/* ---- faults ---- */

/* Value of the first line that `matches`; NULL when there is none. */
static char *fault_find(const char *name, const char *wanted)
{
	char *line = NULL, *found = NULL;
	size_t room = 0, length = strlen(name);
	FILE *file = fopen(FAULTS, "re");

	while (file && !found && getline(&line, &room, file) >= 0) {
		const char *value;

		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, name, length) != 0 || (line[length] && line[length] != ' '))
			continue;
		value = line[length] ? line + length + 1 : "";
		if (!wanted || strcmp(value, wanted) == 0)
			found = xstrdup(value);
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

bool fault_on(const char *name, char **ret)
{
	char *value = fault_find(name, NULL);
	bool on = value != NULL;

	if (ret)
		*ret = value;
	else
		free(value);
	return on;
}

bool fault_names(const char *name, const char *value)
{
	_cleanup_free_ char *found = fault_find(name, value);

	return found != NULL;
}

int64_t fault_number(const char *name)
{
	_cleanup_free_ char *value = fault_find(name, NULL);

	return value ? strtoll(value, NULL, 10) : 0;
}

void fault_sleep(const char *name)
{
	int64_t ms = fault_number(name);
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	if (ms > 0)
		nanosleep(&t, NULL);
}

/* ---- log and version ---- */

void log_line(const char *fmt, ...)
{
	struct timespec now;
	struct tm tm;
	char when[32];
	va_list ap;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	flockfile(stderr);
	fprintf(stderr, "[%s.%06ld] INFO  [PROXY] ", when, now.tv_nsec / 1000);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	funlockfile(stderr);
}

const char *version_text(void)
{
	static char text[128];
	_cleanup_free_ char *other = NULL;

	if (fault_on("version", &other))
		snprintf(text, sizeof(text), "%s", other);
	else
		snprintf(text, sizeof(text), "%s-%s", OBPROXY_VERSION, OBPROXY_RELEASE);
	return text;
}

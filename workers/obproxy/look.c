#include "workers/obproxy/look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "workers/obproxy/scripts.h"

#define FIELDS_MAX 7

/* Cuts a line at its tabs. Missing fields are "". */
static void split(char *line, char *fields[FIELDS_MAX])
{
	static char none[] = "";

	for (int i = 0; i < FIELDS_MAX; i++)
		fields[i] = none;
	for (int i = 0; i < FIELDS_MAX && line; i++)
		fields[i] = i < FIELDS_MAX - 1 ? strsep(&line, "\t") : line;
}

static char *printable(const char *text)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	host_add_printable(&sb, text, strlen(text), 512);
	return strbuf_detach(&sb, NULL);
}

static void blank_separators(char *text)
{
	for (; (text = strchr(text, '\037')); text++)
		*text = ' ';
}

static void add_process(struct look *l, char *fields[FIELDS_MAX])
{
	struct process *p;

	l->processes = xrealloc(l->processes, (l->process_count + 1) * sizeof(*l->processes));
	p = &l->processes[l->process_count++];
	blank_separators(fields[6]);
	*p = (struct process){
	        .pid = strtol(fields[1], NULL, 10),
	        .uid = strtol(fields[2], NULL, 10),
	        .seconds = strtol(fields[3], NULL, 10),
	        .comm = printable(fields[4]),
	        .exe = printable(fields[5]),
	        .arguments = printable(fields[6]),
	};
}

static void add_listener(struct look *l, char *fields[FIELDS_MAX])
{
	l->listeners = xrealloc(l->listeners, (l->listener_count + 1) * sizeof(*l->listeners));
	l->listeners[l->listener_count++] = (struct listener){
	        .port = atoi(fields[1]),
	        .uid = strtol(fields[3], NULL, 10),
	        .pid = strtol(fields[4], NULL, 10),
	};
}

static void parse(struct look *l, char *text)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		char *fields[FIELDS_MAX];

		split(line, fields);
		if (!strcmp(fields[0], "P"))
			add_process(l, fields);
		else if (!strcmp(fields[0], "L"))
			add_listener(l, fields);
	}
}

int look(struct host *h, const char *const *names, const int *ports, struct look *ret,
        struct err *err)
{
	_cleanup_host_result_ struct host_result r = HOST_RESULT_INIT;
	_cleanup_strbuf_ struct strbuf words = STRBUF_INIT, hex = STRBUF_INIT;
	struct host_command cmd = {.what = "look for processes and ports"};
	int rc;

	*ret = (struct look)LOOK_INIT;
	strbuf_adds(&words, "");
	strbuf_adds(&hex, "");
	for (; *names; names++)
		strbuf_addf(&words, "%s ", *names);
	for (; *ports; ports++)
		strbuf_addf(&hex, "%04X ", *ports);
	cmd.argv = HOST_ARGV(words.buf, hex.buf);
	rc = host_script_ok(h, obproxy_look_text, &cmd, &r, err);
	if (rc == 0 && r.out.buf)
		parse(ret, r.out.buf);
	return rc;
}

void look_release(struct look *l)
{
	for (size_t i = 0; i < l->process_count; i++) {
		free(l->processes[i].comm);
		free(l->processes[i].exe);
		free(l->processes[i].arguments);
	}
	free(l->processes);
	free(l->listeners);
	*l = (struct look)LOOK_INIT;
}

const struct process *look_find(const struct look *l, const char *exe)
{
	for (size_t i = 0; i < l->process_count; i++)
		if (!strcmp(l->processes[i].exe, exe))
			return &l->processes[i];
	return NULL;
}

const struct listener *look_listener(const struct look *l, int port)
{
	for (size_t i = 0; i < l->listener_count; i++)
		if (l->listeners[i].port == port)
			return &l->listeners[i];
	return NULL;
}

void process_describe(struct strbuf *sb, const struct process *p)
{
	strbuf_addf(sb, "%s (pid %ld, user id %ld, for %ld s: %s)", p->comm, p->pid, p->uid,
	        p->seconds, p->arguments);
}

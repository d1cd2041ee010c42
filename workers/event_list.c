#include "workers/event_list.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* A copy of one row's texts; entries are cut in place. */
struct text_block {
	struct text_block *next;
	char text[];
};

static char *keep(struct event_list *list, const char *who, const char *entries, char **ret_who)
{
	size_t who_bytes = strlen(who) + 1, bytes = strlen(entries) + 1;
	struct text_block *block = xmalloc(sizeof(*block) + who_bytes + bytes);

	block->next = list->blocks;
	list->blocks = block;
	*ret_who = memcpy(block->text, who, who_bytes);
	return memcpy(block->text + who_bytes, entries, bytes);
}

/* Cuts what stands before `end` off the front of *at; NULL when `end` is not there. */
static char *cut(char **at, char end)
{
	char *field = *at, *stop = strchr(field, end);

	if (!stop)
		return NULL;
	*stop = '\0';
	*at = stop + 1;
	return field;
}

static bool to_number(const char *text, int64_t *ret_number)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	*ret_number = strtoll(text, &end, 10);
	return *end == '\0';
}

/* "@template/version@traceparent " in front of the moves of a creation. */
static bool cut_creation(char **at, struct event_row *row)
{
	int64_t version;

	if (**at != '@')
		return true;
	(*at)++;
	row->template = cut(at, '/');
	if (!row->template || !to_number(cut(at, '@'), &version))
		return false;
	row->version = (int32_t)version;
	row->traceparent = cut(at, ' ');
	if (row->traceparent && !*row->traceparent)
		row->traceparent = NULL;
	return *at[0] != '\0';
}

static bool parse(char *line, struct event_row *row)
{
	if (!to_number(cut(&line, ' '), &row->task_id) ||
	        !to_number(cut(&line, ' '), &row->first) || !cut_creation(&line, row))
		return false;
	row->moves = line;
	row->sequence = row->first;
	for (const char *space = strchr(line, ' '); space; space = strchr(space + 1, ' '))
		row->sequence++;
	return true;
}

int event_list_add(struct event_list *list, int64_t at_us, const char *who, const char *entries,
        struct err *err)
{
	char *kept_who, *line = keep(list, who, entries, &kept_who), *next;
	int rc = 0;

	for (; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (list->count == list->alloc) {
			list->alloc = list->alloc * 2 + 256;
			list->rows = xrealloc(list->rows, list->alloc * sizeof(*list->rows));
		}
		struct event_row *row = &list->rows[list->count];

		*row = (struct event_row){.at_us = at_us, .who = kept_who};
		if (parse(line, row))
			list->count++;
		else
			rc = err_set(err, ERR_PERMANENT, "",
			        "not an entry of event_batch: \"%.100s\"", line);
	}
	return rc;
}

static int by_number(const void *a, const void *b)
{
	const struct event_row *x = a, *y = b;

	if (x->task_id != y->task_id)
		return x->task_id < y->task_id ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

void event_list_sort(struct event_list *list)
{
	if (list->count > 1)
		qsort(list->rows, list->count, sizeof(*list->rows), by_number);
}

void event_list_clear(struct event_list *list)
{
	while (list->blocks) {
		struct text_block *next = list->blocks->next;

		free(list->blocks);
		list->blocks = next;
	}
	list->count = 0;
}

void event_list_release(struct event_list *list)
{
	event_list_clear(list);
	free(list->rows);
	*list = (struct event_list)EVENT_LIST_INIT;
}

/* task_forms: the templates there are, ready to render, by number and by name. Loop thread. */
#ifndef OBPIPE_PRODUCER_TASK_FORMS_H
#define OBPIPE_PRODUCER_TASK_FORMS_H

#include <stddef.h>
#include <stdint.h>

#include "common/strbuf.h"
#include "producer/render.h"

struct task_forms {
	struct task_form **forms; /* rising by template id */
	size_t count;
};

/* Takes the form; its template id must be higher than those there are. Forms live as long as the
 * struct, so that calls may hold them. */
void task_forms_add(struct task_forms *f, struct task_form *form);
void task_forms_release(struct task_forms *f);
/* The newest version by name; NULL: none. */
const struct task_form *task_forms_newest(const struct task_forms *f, const char *name);
/* By template id; NULL: none (so far). */
const struct task_form *task_forms_of(const struct task_forms *f, int32_t template_id);
/* Appends the names, comma separated. */
void task_forms_names(const struct task_forms *f, struct strbuf *sb);

#endif

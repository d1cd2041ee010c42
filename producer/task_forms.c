#include "producer/task_forms.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"

void task_forms_add(struct task_forms *f, struct task_form *form)
{
	if (f->count && f->forms[f->count - 1]->template->id >= form->template->id)
		BUG("template %d comes behind its successor", form->template->id);
	f->forms = xrealloc(f->forms, (f->count + 1) * sizeof(*f->forms));
	f->forms[f->count++] = form;
}

void task_forms_release(struct task_forms *f)
{
	for (size_t i = 0; i < f->count; i++)
		task_form_free(f->forms[i]);
	free(f->forms);
	*f = (struct task_forms){0};
}

const struct task_form *task_forms_newest(const struct task_forms *f, const char *name)
{
	const struct task_form *best = NULL;

	for (size_t i = 0; i < f->count; i++) {
		const struct template *t = f->forms[i]->template;

		if (!strcmp(t->name, name) && (!best || t->version > best->template->version))
			best = f->forms[i];
	}
	return best;
}

const struct task_form *task_forms_of(const struct task_forms *f, int32_t template_id)
{
	for (size_t i = f->count; i-- > 0;)
		if (f->forms[i]->template->id == template_id)
			return f->forms[i];
	return NULL;
}

void task_forms_names(const struct task_forms *f, struct strbuf *sb)
{
	for (size_t i = 0; i < f->count; i++) {
		const char *name = f->forms[i]->template->name;

		if (f->forms[i] != task_forms_newest(f, name))
			continue;
		if (sb->len)
			strbuf_adds(sb, ", ");
		strbuf_adds(sb, name);
	}
}

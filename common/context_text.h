/*
 * context_text: a task's context as JSON text, joined from fragments that are cut once a template:
 * what template_context() builds, printed, without building it. Read-only once made; any thread.
 */
#ifndef OBPIPE_COMMON_CONTEXT_TEXT_H
#define OBPIPE_COMMON_CONTEXT_TEXT_H

#include "common/message.h"
#include "common/template.h"

struct context_text;

/* For template_parse(), which keeps it in the template. Reads t->context. */
struct context_text *context_text_new(const struct template *t);
void context_text_free(struct context_text *c);

/*
 * Appends the context of one task of a request: of the request's values (r->plain or r->values) and
 * the task's own ids. -1 (PERMANENT), nothing appended: a value is missing, or one that the
 * template sets itself is given; so for every task of a request or for none.
 */
int context_text_append(struct strbuf *sb, const struct template *t, const struct request *r,
        const struct request_task *task, struct err *err) __attribute__((warn_unused_result));

/* True: that cannot fail for any task of the request. False: it has to be tried. */
bool context_text_sure(const struct template *t, const struct request *r);

#endif

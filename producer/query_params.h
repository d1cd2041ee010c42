/* query_params: the parameters of a query string; what is wrong with one goes to the faults. */
#ifndef OBPIPE_PRODUCER_QUERY_PARAMS_H
#define OBPIPE_PRODUCER_QUERY_PARAMS_H

#include "producer/call.h"

#define PAGE_MAX INT64_C(10000000)
#define PAGE_SIZE_DEFAULT 10
#define PAGE_SIZE_MAX 2000

/* Digits only, 1 to max; the fallback when absent, empty or wrong. */
int64_t query_number(
        struct call *c, const char *name, int64_t fallback, int64_t max, struct faults *faults);
/* UTF-8; NULL when absent, empty or wrong. */
const char *query_text(struct call *c, const char *name, struct faults *faults);

/* OCP's page, size (ocp-api.md 1.3). */
struct page {
	int64_t number, size;
};
struct page query_page(struct call *c, struct faults *faults);
/* Appends "page":{...}. */
void page_render(struct strbuf *sb, const struct page *page, int64_t total);

/* The number a text says, 0 when it is none from 1 to max. Pure. */
int64_t query_parse_number(const char *text, int64_t max);

#endif

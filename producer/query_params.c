#include "producer/query_params.h"

#include <inttypes.h>

int64_t query_parse_number(const char *text, int64_t max)
{
	int64_t value = 0;

	if (!*text)
		return 0;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return 0;
		value = value * 10 + (*text - '0');
		if (value > max)
			return 0;
	}
	return value;
}

int64_t query_number(
        struct call *c, const char *name, int64_t fallback, int64_t max, struct faults *faults)
{
	const char *text = call_query(c, name);
	int64_t value;

	if (!text || !*text)
		return fallback;
	value = query_parse_number(text, max);
	if (value)
		return value;
	fault_add_text(faults, "COM10001", name, text, "%s must be an integer from 1 to %" PRId64,
	        name, max);
	return fallback;
}

const char *query_text(struct call *c, const char *name, struct faults *faults)
{
	const char *text = call_query(c, name);
	json_t *checked;

	if (!text || !*text)
		return NULL;
	checked = json_string(text);
	if (!checked) {
		fault_add(faults, "COM10001", name, NULL, "%s must be UTF-8", name);
		return NULL;
	}
	json_decref(checked);
	return text;
}

struct page query_page(struct call *c, struct faults *faults)
{
	return (struct page){
	        .number = query_number(c, "page", 1, PAGE_MAX, faults),
	        .size = query_number(c, "size", PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, faults),
	};
}

void page_render(struct strbuf *sb, const struct page *page, int64_t total)
{
	strbuf_addf(sb,
	        "\"page\":{\"number\":%" PRId64 ",\"size\":%" PRId64 ",\"totalElements\":%" PRId64
	        ",\"totalPages\":%" PRId64 "}",
	        page->number, page->size, total, (total + page->size - 1) / page->size);
}

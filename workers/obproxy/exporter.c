#include "workers/obproxy/exporter.h"

#include <string.h>

#include "workers/host/http_get.h"

#define EXPORTER_TIMEOUT_MS INT64_C(10000)

static size_t count_lines(const struct strbuf *sb)
{
	size_t lines = 0;

	for (size_t i = 0; i < sb->len; i++)
		lines += sb->buf[i] == '\n';
	return lines;
}

int exporter_check(struct subtask_ctx *ctx, struct host *h, int port, struct err *err)
{
	struct http_answer a;
	int rc = http_get(h, port, "/metrics", 0, EXPORTER_TIMEOUT_MS, &a, err);

	if (rc == 0 && a.status != 200)
		rc = err_set(err, ERR_PERMANENT, "",
		        "%s: http://127.0.0.1:%d/metrics answers %ld; is that the exporter port?",
		        host_label(h), port, a.status);
	if (rc == 0 && (!a.content_type || strncmp(a.content_type, "text/plain", 10) != 0))
		rc = err_set(err, ERR_PERMANENT, "",
		        "%s: http://127.0.0.1:%d/metrics answers %s instead of text/plain",
		        host_label(h), port, a.content_type ? a.content_type : "no type");
	if (rc == 0)
		subtask_log(ctx,
		        "%s: http://127.0.0.1:%d/metrics answers 200, %zu lines, in %lld ms",
		        host_label(h), port, count_lines(&a.body), (long long)a.elapsed_ms);
	http_answer_release(&a);
	return rc;
}

/* /metrics of the exporter port, by libmicrohttpd. A fresh proxy has no odp_ series. */
#include "deploy/hosts/obproxy/standin.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

static long statements, sessions, scrapes, bytes_sent;

void metrics_count_statement(void)
{
	__atomic_add_fetch(&statements, 1, __ATOMIC_RELAXED);
}

void metrics_count_session(int delta)
{
	__atomic_add_fetch(&sessions, delta, __ATOMIC_RELAXED);
}

static void text_make(struct strbuf *sb)
{
	strbuf_addf(sb,
	        "# TYPE exposer_transferred_bytes_total counter\n"
	        "exposer_transferred_bytes_total %ld\n"
	        "# TYPE exposer_scrapes_total counter\n"
	        "exposer_scrapes_total %ld\n",
	        __atomic_load_n(&bytes_sent, __ATOMIC_RELAXED),
	        __atomic_load_n(&scrapes, __ATOMIC_RELAXED));
	if (statements > 0)
		strbuf_addf(sb,
		        "# TYPE odp_sql_request_total counter\n"
		        "odp_sql_request_total{cluster=\"proxysys\"} %ld\n"
		        "# TYPE odp_current_session gauge\n"
		        "odp_current_session{cluster=\"proxysys\"} %ld\n",
		        __atomic_load_n(&statements, __ATOMIC_RELAXED),
		        __atomic_load_n(&sessions, __ATOMIC_RELAXED));
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url,
        const char *method, const char *version, const char *upload, size_t *upload_bytes,
        void **state)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	int64_t status = fault_number("metrics-status");
	struct MHD_Response *response;
	enum MHD_Result result;

	(void)arg, (void)method, (void)version, (void)upload, (void)upload_bytes, (void)state;
	fault_sleep("metrics-slow");
	if (strcmp(url, "/metrics") == 0)
		text_make(&sb);
	else
		status = 404;
	response = MHD_create_response_from_buffer(sb.len, sb.buf, MHD_RESPMEM_MUST_COPY);
	(void)MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
	result = MHD_queue_response(connection, status ? (unsigned int)status : 200, response);
	MHD_destroy_response(response);
	__atomic_add_fetch(&scrapes, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&bytes_sent, (long)sb.len, __ATOMIC_RELAXED);
	return result;
}

int metrics_start(int port)
{
	return MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION,
	               (uint16_t)port, NULL, NULL, answer, NULL, MHD_OPTION_END)
	               ? 0
	               : -1;
}

#include "workers/worker_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

struct worker_http {
	struct worker *worker;
	struct MHD_Daemon *daemon;
};

static void add_missing(struct strbuf *sb, const char *what)
{
	strbuf_adds(sb, sb->len ? ", \"" : "\"");
	strbuf_adds(sb, what);
	strbuf_addc(sb, '"');
}

/* Ready: can claim. Prints what is missing. */
static unsigned int readyz(const struct worker *w, struct strbuf *body)
{
	_cleanup_strbuf_ struct strbuf missing = STRBUF_INIT;

	if (!worker_may_start(w))
		add_missing(&missing, "heartbeat (is PostgreSQL there, and migrated?)");
	if ((w->roles & ROLE_EXECUTOR) && !atomic_load(&w->pg_up))
		add_missing(&missing, "postgres");
	if ((w->roles & (ROLE_EXECUTOR | ROLE_INTAKE)) && !atomic_load(&w->kafka_up))
		add_missing(&missing, "kafka partitions");
	if (atomic_load(&w->too_new))
		add_missing(&missing, "a newer obpipe (messages or templates are newer than this)");
	if (atomic_load(&w->stopping))
		add_missing(&missing, "draining");
	strbuf_addf(body, "{\"ready\": %s, \"missing\": [%s]}\n", missing.len ? "false" : "true",
	        missing.len ? missing.buf : "");
	return missing.len ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
}

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned int status,
        const char *type, const struct strbuf *body)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	        body->len, body->buf ? body->buf : (char *)"", MHD_RESPMEM_MUST_COPY);
	enum MHD_Result rc;

	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	rc = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return rc;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
        const char *method, const char *version, const char *upload, size_t *upload_bytes,
        void **state)
{
	struct worker_http *http = arg;
	_cleanup_strbuf_ struct strbuf body = STRBUF_INIT;
	unsigned int status = MHD_HTTP_OK;
	const char *type = "application/json";

	if (*upload_bytes) {
		*upload_bytes = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0) {
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
		strbuf_adds(&body, "{\"error\": \"only GET\"}\n");
	} else if (!strcmp(url, "/healthz")) {
		strbuf_adds(&body, "{\"alive\": true}\n");
	} else if (!strcmp(url, "/readyz")) {
		status = readyz(http->worker, &body);
	} else if (!strcmp(url, "/metrics")) {
		type = "text/plain; version=0.0.4";
		metrics_render(&body, SETTING_WORKER);
	} else {
		status = MHD_HTTP_NOT_FOUND;
		strbuf_adds(&body, "{\"error\": \"there are /healthz, /readyz and /metrics\"}\n");
	}
	return reply(connection, status, type, &body);
}

static int resolve(const char *listen, struct addrinfo **ret, struct err *err)
{
	const struct addrinfo hints = {
	        .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	_cleanup_free_ char *host = xstrdup(listen);
	char *colon = strrchr(host, ':');
	int rc;

	*colon = '\0'; /* its form was checked with the settings */
	rc = getaddrinfo(*host ? host : NULL, colon + 1, &hints, ret);
	if (rc)
		return err_set(err, ERR_FATAL, "", "OBPIPE_WORKER_HTTP_LISTEN=%s: %s", listen,
		        gai_strerror(rc));
	return 0;
}

int worker_http_start(struct worker *w, struct worker_http **ret, struct err *err)
{
	const char *listen = w->settings.worker_http_listen;
	struct addrinfo *address;
	struct worker_http *http;

	*ret = NULL;
	if (!*listen)
		return 0;
	if (resolve(listen, &address, err) < 0)
		return -1;
	http = xcalloc(1, sizeof(*http));
	http->worker = w;
	http->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, 0, NULL,
	        NULL, on_request, http, MHD_OPTION_SOCK_ADDR, address->ai_addr,
	        MHD_OPTION_CONNECTION_LIMIT, 64u, MHD_OPTION_CONNECTION_TIMEOUT, 10u,
	        MHD_OPTION_END);
	freeaddrinfo(address);
	if (!http->daemon) {
		free(http);
		return err_errno(err, ERR_FATAL, errno, "OBPIPE_WORKER_HTTP_LISTEN=%s", listen);
	}
	log_notice("listening", "port", "i",
	        (int64_t)MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	*ret = http;
	return 0;
}

void worker_http_stop(struct worker_http *http)
{
	if (!http)
		return;
	MHD_stop_daemon(http->daemon);
	free(http);
}

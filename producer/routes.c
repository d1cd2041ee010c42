#include "producer/routes.h"

#include <string.h>

#include "common/json.h"

const struct route routes[] = {
        {"POST", "/api/v2/obproxy/clusters/{}/obproxies/batchAdd", batch_add, false},
        {"POST", "/api/v2/obpipe/tasks", submit_template, false},
        {"GET", "/api/v2/tasks/instances", task_list, false},
        {"GET", "/api/v2/tasks/instances/{}", task_get, false},
        {"POST", "/api/v2/tasks/instances/{}/retry", task_retry, false},
        {"GET", "/api/v2/tasks/instances/{}/subtasks/{}/log", subtask_log_get, false},
        {"POST", "/api/v2/tasks/instances/{}/subtasks/{}/retry", subtask_retry, false},
        {"GET", "/api/v2/obproxy/clusters", cluster_list, false},
        {"GET", "/api/v2/obproxy/clusters/{}", cluster_get, false},
        {"GET", "/api/v2/compute/hosts", host_list, false},
        {"GET", "/api/v2/software-packages", package_list, false},
        {"GET", "/api/v2/info", meta_info, false},
        {"GET", "/api/v2/time", meta_time, true},
        {"GET", "/api/status", meta_status, true},
        {"GET", "/healthz", meta_healthz, true},
        {"GET", "/readyz", meta_readyz, true},
        {"GET", "/metrics", meta_metrics, true},
        {0},
};

/* A number in the path: digits only, 1 to 2^53-1. Returns the first byte behind it, or NULL. */
static const char *path_number(const char *at, int64_t *ret)
{
	int64_t value = 0;
	const char *start = at;

	for (; *at >= '0' && *at <= '9'; at++) {
		value = value * 10 + (*at - '0');
		if (value > JSON_SAFE_INTEGER_MAX)
			return NULL;
	}
	*ret = value;
	return at > start && value > 0 ? at : NULL;
}

static bool matches(const char *path, const char *url, int64_t *params)
{
	int n = 0;

	while (*path) {
		if (path[0] == '{') {
			url = path_number(url, &params[n++]);
			if (!url)
				return false;
			path += 2;
		} else if (*path++ != *url++) {
			return false;
		}
	}
	return *url == '\0';
}

void route_find(struct call *c, const char *method, const char *url)
{
	int64_t params[CALL_PARAMS_MAX] = {0};

	c->head = !strcmp(method, "HEAD");
	if (c->head)
		method = "GET";
	for (const struct route *r = routes; r->method; r++) {
		if (!matches(r->path, url, params))
			continue;
		if (!strcmp(r->method, method)) {
			c->route = r;
			memcpy(c->params, params, sizeof(params));
			return;
		}
		c->allow = r->method;
	}
	c->early_status = c->allow ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND;
}

#include "producer/routes.h"

#include <string.h>

#include "common/json.h"
#include "common/mem.h"

const struct route routes[] = {
        {"POST", "/api/v2/obproxy/clusters/{id}/obproxies/batchAdd", batch_add, false},
        {"POST", "/api/v2/obpipe/tasks", submit_template, false},
        {"GET", "/api/v2/tasks/instances", task_list, false},
        {"GET", "/api/v2/tasks/instances/{taskInstanceId}", task_get, false},
        {"POST", "/api/v2/tasks/instances/{taskInstanceId}/retry", task_retry, false},
        {"GET", "/api/v2/tasks/instances/{taskInstanceId}/subtasks/{subtaskInstanceId}/log",
                subtask_log_get, false},
        {"POST", "/api/v2/tasks/instances/{taskInstanceId}/subtasks/{subtaskInstanceId}/retry",
                subtask_retry, false},
        {"GET", "/api/v2/obproxy/clusters", cluster_list, false},
        {"GET", "/api/v2/obproxy/clusters/{id}", cluster_get, false},
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

/* A number in the path: digits only. *ret is 0 when it is no id (1 to 2^53-1). Returns the first
 * byte behind it; NULL when there is no number. */
static const char *path_number(const char *at, int64_t *ret)
{
	const char *start = at;
	int64_t value = 0;

	for (; *at >= '0' && *at <= '9'; at++)
		if (value <= JSON_SAFE_INTEGER_MAX)
			value = value * 10 + (*at - '0');
	*ret = value <= JSON_SAFE_INTEGER_MAX ? value : 0;
	return at > start ? at : NULL;
}

static bool matches(const char *path, const char *url, int64_t *params)
{
	int n = 0;

	while (*path) {
		if (path[0] == '{') {
			url = path_number(url, &params[n++]);
			if (!url)
				return false;
			path = strchr(path, '}') + 1;
		} else if (*path++ != *url++) {
			return false;
		}
	}
	return *url == '\0';
}

int route_param_count(const struct route *r)
{
	int n = 0;

	for (const char *at = r->path; (at = strchr(at, '{')); at++)
		n++;
	return n;
}

char *route_param_name(const struct route *r, int n)
{
	const char *at = r->path;

	while (n-- >= 0)
		at = strchr(at, '{') + 1;
	return xstrndup(at, strcspn(at, "}"));
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
		if (strcmp(r->method, method) != 0) {
			c->allow = strcmp(r->method, "GET") != 0 ? r->method : "GET, HEAD";
			continue;
		}
		c->route = r;
		memcpy(c->params, params, sizeof(params));
		for (int n = route_param_count(r); n-- > 0;)
			if (!params[n])
				c->early_status = MHD_HTTP_BAD_REQUEST;
		return;
	}
	c->early_status = c->allow ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND;
}

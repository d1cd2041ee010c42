/* routes: the one table of what the ingress answers. */
#ifndef OBPIPE_PRODUCER_ROUTES_H
#define OBPIPE_PRODUCER_ROUTES_H

#include "producer/call.h"

struct route {
	const char *method;
	const char *path; /* a {name} is a number from 1 to 2^53-1 */
	call_fn handler;
	bool open; /* needs no log-on */
};

extern const struct route routes[];

/*
 * Finds the route of a request: fills c->route and c->params. Otherwise c->early_status is 404, or
 * 405 with c->allow, or 400 when a number is no id (that parameter is 0).
 */
void route_find(struct call *c, const char *method, const char *url);
int route_param_count(const struct route *r);
/* The name of the nth parameter, from 0; the caller's. */
char *route_param_name(const struct route *r, int n);

/* The handlers, by file. */
void batch_add(struct call *c);
void submit_template(struct call *c);
void task_list(struct call *c);
void task_get(struct call *c);
void subtask_log_get(struct call *c);
void task_retry(struct call *c);
void subtask_retry(struct call *c);
void cluster_list(struct call *c);
void cluster_get(struct call *c);
void host_list(struct call *c);
void package_list(struct call *c);
void meta_time(struct call *c);
void meta_info(struct call *c);
void meta_status(struct call *c);
void meta_healthz(struct call *c);
void meta_readyz(struct call *c);
void meta_metrics(struct call *c);

#endif

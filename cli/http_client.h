/* http_client: calls to the ingress by libcurl, over one connection that is kept. One thread. */
#ifndef OBPIPE_CLI_HTTP_CLIENT_H
#define OBPIPE_CLI_HTTP_CLIENT_H

#include <jansson.h>

#include "cli/cli.h"

/*
 * Sends one request (body NULL: none) and parses the answer. 0: *ret_json is the whole answer, the
 * caller's; its HTTP status was below 400. -1: *err says why, in the ingress's own words when there
 * are some; RETRYABLE when it cannot be reached or said 503 (nothing was changed), UNKNOWN when a
 * request went out and no answer came back, or 504. Further faults an answer names are printed.
 */
int http_call(struct cli *cli, const char *method, const char *path, const char *body,
        json_t **ret_json, struct err *err) __attribute__((warn_unused_result));
/* Percent-encodes a value for a query string; the caller's. */
char *http_encode(const char *text);
/* NULL is allowed. */
void http_client_free(struct http_client *client);

#endif

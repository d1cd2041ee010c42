/* http: one HTTP request by libcurl, for tests. */
#ifndef OBPIPE_TESTS_SUPPORT_HTTP_H
#define OBPIPE_TESTS_SUPPORT_HTTP_H

#include "common/strbuf.h"

/* Returns the status; 0 when there was no answer. login ("user:password"), body and ret_text may be
 * NULL. Bodies are sent as application/json. */
long http_request(const char *method, const char *url, const char *login, const char *body,
        struct strbuf *ret_text);

#endif

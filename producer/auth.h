/*
 * auth: HTTP Basic against the users of the inventory (crypt(5) hashes).
 *
 * yescrypt is slow on purpose, so it runs on a helper thread behind a bounded queue; verdicts, good
 * and bad, are remembered in memory under HMAC-SHA256 with a key of this process (headers found
 * good once more by known_headers.h). A user that does not exist costs the same as a wrong
 * password.
 */
#ifndef OBPIPE_PRODUCER_AUTH_H
#define OBPIPE_PRODUCER_AUTH_H

#include "producer/call.h"

struct auth;

struct auth *auth_new(struct ingress *in);
void auth_free(struct auth *a);
/* Runs `then` once the caller is known (at once or later), or answers 401 or 503. */
void auth_check(struct auth *a, struct call *c, call_fn then);
#endif

/*
 * known_headers: Authorization headers that were found good a moment ago, under SipHash-2-4 with a
 * key of this process, so that a client's next request costs neither a decoding nor an HMAC. Holds
 * only as long as the inventory whose users it was compared with. Loop thread.
 */
#ifndef OBPIPE_PRODUCER_KNOWN_HEADERS_H
#define OBPIPE_PRODUCER_KNOWN_HEADERS_H

#include <stdint.h>

#include "producer/inventory.h"

#define HEADER_KEY_BYTES 16

struct known_headers;

struct known_headers *known_headers_new(void);
void known_headers_free(struct known_headers *k);

/* The key of a header's text. */
void known_headers_key(struct known_headers *k, const char *header, unsigned char *ret_key);
/* The user's name, valid until control returns to the loop; NULL: not known (any more). */
const char *known_headers_user(
        const struct known_headers *k, const unsigned char *key, const struct inventory *inv);
/* Good for this user until then (monotonic ms). Takes the place of an older one. */
void known_headers_add(struct known_headers *k, const unsigned char *key,
        const struct inventory *inv, const char *user, int64_t until_ms);

#endif

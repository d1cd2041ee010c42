#include "producer/known_headers.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#define PLACES 1024
#define NAME_BYTES_MAX 64 /* longer names have no place here and cost what they cost */

struct place {
	unsigned char key[HEADER_KEY_BYTES];
	const struct inventory *inventory; /* never followed */
	int64_t version;
	int64_t until_ms;
	char user[NAME_BYTES_MAX + 1];
};

struct known_headers {
	EVP_MAC *mac;
	EVP_MAC_CTX *context;
	unsigned char secret[HEADER_KEY_BYTES];
	struct place places[PLACES];
};

struct known_headers *known_headers_new(void)
{
	struct known_headers *k = xcalloc(1, sizeof(*k));

	k->mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	k->context = k->mac ? EVP_MAC_CTX_new(k->mac) : NULL;
	if (!k->context || getrandom(k->secret, sizeof(k->secret), 0) != sizeof(k->secret))
		BUG("no SipHash or no random bytes");
	return k;
}

void known_headers_free(struct known_headers *k)
{
	if (!k)
		return;
	EVP_MAC_CTX_free(k->context);
	EVP_MAC_free(k->mac);
	explicit_bzero(k->secret, sizeof(k->secret));
	free(k);
}

void known_headers_key(struct known_headers *k, const char *header, unsigned char *ret_key)
{
	size_t bytes = 0;

	/* With the key each time: without it OpenSSL 3.0 goes on where it stood. */
	if (!EVP_MAC_init(k->context, k->secret, sizeof(k->secret), NULL) ||
	        !EVP_MAC_update(k->context, (const unsigned char *)header, strlen(header)) ||
	        !EVP_MAC_final(k->context, ret_key, &bytes, HEADER_KEY_BYTES) ||
	        bytes != HEADER_KEY_BYTES)
		BUG("SipHash does not work");
}

static size_t place_of(const unsigned char *key)
{
	return (key[0] | (size_t)key[1] << 8) % PLACES;
}

const char *known_headers_user(
        const struct known_headers *k, const unsigned char *key, const struct inventory *inv)
{
	const struct place *p = &k->places[place_of(key)];

	if (p->inventory != inv || p->version != inv->version || p->until_ms <= clock_mono_ms() ||
	        CRYPTO_memcmp(p->key, key, HEADER_KEY_BYTES) != 0)
		return NULL;
	return p->user;
}

void known_headers_add(struct known_headers *k, const unsigned char *key,
        const struct inventory *inv, const char *user, int64_t until_ms)
{
	struct place *p = &k->places[place_of(key)];
	size_t bytes = strlen(user);

	if (bytes > NAME_BYTES_MAX)
		return;
	memcpy(p->key, key, HEADER_KEY_BYTES);
	memcpy(p->user, user, bytes + 1);
	p->inventory = inv;
	p->version = inv->version;
	p->until_ms = until_ms;
}

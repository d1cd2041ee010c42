#include "producer/auth.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>
#include <uthash.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "producer/inventory_keeper.h"
#include "producer/known_headers.h"

#define KEY_BYTES 32
#define GOOD_MS (10 * 60 * 1000)
#define BAD_MS (30 * 1000)
#define REMEMBERED_MAX 10000
/* yescrypt of a random password nobody has, for when there are no users at all. */
#define NOBODY "$y$j9T$8dVEK1FnHhKCq2Qe0uVn6.$wXj1vVJwU0CIdz6Nnv5kZ1mWqZQ2oQ0p1xO4pJq5cC4"

struct verdict {
	unsigned char key[KEY_BYTES];
	bool good;
	int64_t until_ms;
	UT_hash_handle hh;
};

/* Who waits for a verdict. */
struct asker {
	struct asker *next;
	struct call *call;
	call_fn then;
};

/* One password to verify; callers that give the same one meanwhile wait for the same verdict. */
struct question {
	struct question *next; /* in the thread's lists */
	struct asker *askers;
	char *user, *password;
	char *hash;      /* the user's, or a decoy */
	bool is_a_decoy; /* whatever the verdict: no */
	bool good;
	unsigned char key[KEY_BYTES];
	UT_hash_handle hh; /* in auth.open */
};

struct auth {
	struct ingress *in;
	unsigned char secret[KEY_BYTES];
	struct verdict *remembered;
	struct known_headers *headers; /* good ones, the short way to `remembered` */
	struct question *open;         /* asked and not answered, by key */
	int waiting;                   /* calls */
	/* the helper thread */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct question *asked, *asked_tail, *answered;
	bool stop;
	int event_fd;
};

static void refuse(struct call *c)
{
	reply_error(c, MHD_HTTP_UNAUTHORIZED, "IAM10000",
	        "log on with HTTP Basic: a user that `obpipe user add` made, and its password");
}

/* The user's hash is part of it (a changed password is a new question), and whether it is his: the
 * password of the decoy's owner must not be remembered for somebody else. */
static void make_key(struct auth *a, const struct question *q, unsigned char *key)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	unsigned int len = KEY_BYTES;

	strbuf_add(&text, q->user, strlen(q->user) + 1);
	strbuf_add(&text, q->password, strlen(q->password) + 1);
	strbuf_addc(&text, q->is_a_decoy ? 'd' : 'u');
	strbuf_adds(&text, q->hash);
	HMAC(EVP_sha256(), a->secret, KEY_BYTES, (unsigned char *)text.buf, text.len, key, &len);
	explicit_bzero(text.buf, text.len);
}

static void question_free(struct question *q)
{
	for (struct asker *a = q->askers, *next; a; a = next) {
		next = a->next;
		free(a);
	}
	if (q->password)
		explicit_bzero(q->password, strlen(q->password));
	free(q->user);
	free(q->password);
	free(q->hash);
	free(q);
}

static void remember(struct auth *a, const struct question *q)
{
	struct verdict *v;

	HASH_FIND(hh, a->remembered, q->key, KEY_BYTES, v);
	if (!v) {
		if (HASH_COUNT(a->remembered) >= REMEMBERED_MAX) {
			v = a->remembered; /* the oldest: uthash keeps the order of adding */
			HASH_DEL(a->remembered, v);
		} else {
			v = xcalloc(1, sizeof(*v));
		}
		memcpy(v->key, q->key, KEY_BYTES);
		HASH_ADD(hh, a->remembered, key, KEY_BYTES, v);
	}
	v->good = q->good;
	v->until_ms = clock_mono_ms() + (q->good ? GOOD_MS : BAD_MS);
}

static void decide(struct call *c, const char *user, bool good, call_fn then)
{
	if (!good) {
		refuse(c);
		return;
	}
	c->user = xstrdup(user);
	then(c);
}

/* ---- the helper thread ---- */

static bool verify(const struct question *q, struct crypt_data *data)
{
	const char *hash = crypt_r(q->password, q->hash, data);

	return hash && *hash != '*' && strlen(hash) == strlen(q->hash) &&
	       CRYPTO_memcmp(hash, q->hash, strlen(hash)) == 0;
}

static void *run(void *arg)
{
	struct auth *a = arg;
	struct crypt_data *data = xcalloc(1, sizeof(*data));

	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		struct question *q = a->asked;

		if (!q) {
			pthread_cond_wait(&a->work, &a->lock);
			continue;
		}
		a->asked = q->next;
		if (!a->asked)
			a->asked_tail = NULL;
		pthread_mutex_unlock(&a->lock);
		q->good = verify(q, data) && !q->is_a_decoy;
		pthread_mutex_lock(&a->lock);
		q->next = a->answered;
		a->answered = q;
		(void)!eventfd_write(a->event_fd, 1);
	}
	pthread_mutex_unlock(&a->lock);
	free(data);
	return NULL;
}

static void answered(struct auth *a, struct question *q)
{
	HASH_DEL(a->open, q);
	remember(a, q);
	for (struct asker *asker = q->askers; asker; asker = asker->next) {
		a->waiting--;
		decide(asker->call, q->user, q->good, asker->then);
	}
	question_free(q);
}

static void on_answers(void *arg, uint32_t events)
{
	struct auth *a = arg;
	struct question *q;
	eventfd_t count;

	(void)!eventfd_read(a->event_fd, &count);
	pthread_mutex_lock(&a->lock);
	q = a->answered;
	a->answered = NULL;
	pthread_mutex_unlock(&a->lock);
	while (q) {
		struct question *next = q->next;

		answered(a, q);
		q = next;
	}
	metric_set(METRIC_AUTH_QUEUE, a->waiting);
}

static void add_asker(struct auth *a, struct question *q, struct call *c, call_fn then)
{
	struct asker *asker = xcalloc(1, sizeof(*asker));

	*asker = (struct asker){.next = q->askers, .call = c, .then = then};
	q->askers = asker;
	a->waiting++;
	metric_set(METRIC_AUTH_QUEUE, a->waiting);
}

/* Takes the question. */
static void ask(struct auth *a, struct question *q, struct call *c, call_fn then)
{
	struct question *open;

	HASH_FIND(hh, a->open, q->key, KEY_BYTES, open);
	if (open) {
		question_free(q);
		add_asker(a, open, c, then);
		return;
	}
	if (HASH_COUNT(a->open) >= a->in->settings.auth_queue) {
		metric_add_label(METRIC_REFUSED, "busy", 1);
		reply_unavailable(c, "too many passwords wait to be verified; try again");
		question_free(q);
		return;
	}
	add_asker(a, q, c, then);
	HASH_ADD(hh, a->open, key, KEY_BYTES, q);
	pthread_mutex_lock(&a->lock);
	q->next = NULL;
	if (a->asked_tail)
		a->asked_tail->next = q;
	else
		a->asked = q;
	a->asked_tail = q;
	pthread_cond_signal(&a->work);
	pthread_mutex_unlock(&a->lock);
}

/*
 * What a user is compared with who does not exist: the hash of one who does, so that it costs what
 * those cost here; always the same one for the same name.
 */
static const char *decoy(const struct inventory *inv, const char *user)
{
	unsigned int n = 0;

	for (; *user; user++)
		n = n * 31 + (unsigned char)*user;
	return inv->user_count ? inv->users[n % inv->user_count].hash : NOBODY;
}

static void check_password(struct auth *a, struct call *c, const unsigned char *header_key,
        const char *user, const char *password, call_fn then)
{
	const struct inventory *inv = keeper_inventory(a->in->inventory);
	const struct inv_user *known = inventory_user(inv, user);
	struct question *q;
	struct verdict *v;

	if (!keeper_loaded(a->in->inventory)) {
		reply_unavailable(c, "the users are not read from PostgreSQL yet; try again");
		return;
	}
	q = xcalloc(1, sizeof(*q));
	q->user = xstrdup(user);
	q->password = xstrdup(password);
	q->hash = xstrdup(known ? known->hash : decoy(inv, user));
	q->is_a_decoy = !known;
	make_key(a, q, q->key);
	HASH_FIND(hh, a->remembered, q->key, KEY_BYTES, v);
	if (v && v->until_ms > clock_mono_ms()) {
		if (v->good)
			known_headers_add(a->headers, header_key, inv, user, v->until_ms);
		decide(c, user, v->good, then);
		question_free(q);
		return;
	}
	ask(a, q, c, then);
}

void auth_check(struct auth *a, struct call *c, call_fn then)
{
	const char *header = MHD_lookup_connection_value(
	        c->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
	unsigned char key[HEADER_KEY_BYTES];
	const char *known;
	char *password = NULL, *user;

	if (!header) {
		refuse(c);
		return;
	}
	known_headers_key(a->headers, header, key);
	known = known_headers_user(a->headers, key, keeper_inventory(a->in->inventory));
	if (known) {
		decide(c, known, true, then);
		return;
	}
	user = MHD_basic_auth_get_username_password(c->connection, &password);
	if (user && password)
		check_password(a, c, key, user, password, then);
	else
		refuse(c);
	if (password)
		explicit_bzero(password, strlen(password));
	MHD_free(password);
	MHD_free(user);
}

struct auth *auth_new(struct ingress *in)
{
	struct auth *a = xcalloc(1, sizeof(*a));

	a->in = in;
	if (getrandom(a->secret, KEY_BYTES, 0) != KEY_BYTES)
		BUG("no random bytes");
	a->headers = known_headers_new();
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->work, NULL);
	a->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	loop_add(in->loop, a->event_fd, EPOLLIN, on_answers, a);
	if (pthread_create(&a->thread, NULL, run, a) != 0)
		BUG("cannot start the password thread");
	return a;
}

void auth_free(struct auth *a)
{
	struct verdict *v, *tmp;
	struct question *q, *next;

	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->work);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	loop_del(a->in->loop, a->event_fd);
	close(a->event_fd);
	HASH_ITER(hh, a->remembered, v, tmp)
	{
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): uthash unlinks before it frees */
		HASH_DEL(a->remembered, v);
		free(v);
	}
	/* Their calls are answered when the server stops. */
	HASH_ITER(hh, a->open, q, next)
	{
		HASH_DEL(a->open, q);
		question_free(q);
	}
	pthread_cond_destroy(&a->work);
	pthread_mutex_destroy(&a->lock);
	known_headers_free(a->headers);
	explicit_bzero(a->secret, KEY_BYTES);
	free(a);
}

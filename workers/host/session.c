#include "workers/host/session.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "workers/host/tcp.h"

#define CONNECT_TRIES_MAX 8
#define CONNECT_BACKOFF_MS 50
/* Of libssh's own waits; we never let it wait, but it wants a number. */
#define LIBSSH_TIMEOUT_S 30L

void target_release(struct target *t)
{
	free(t->address);
	free(t->host_key);
	free(t->user);
	free(t->key_file);
	*t = (struct target){0};
}

bool target_equal(const struct target *a, const struct target *b)
{
	return a->host_id == b->host_id && a->port == b->port &&
	       strcmp(a->address, b->address) == 0 && strcmp(a->host_key, b->host_key) == 0 &&
	       strcmp(a->user, b->user) == 0 && strcmp(a->key_file, b->key_file) == 0;
}

static struct session *session_new(struct target *target)
{
	struct session *s = xcalloc(1, sizeof(*s));

	s->target = *target;
	*target = (struct target){0};
	s->label = xasprintf(
	        "host %" PRId64 " (%s:%d)", s->target.host_id, s->target.address, s->target.port);
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

static void drop_ssh(struct session *s)
{
	if (!s->ssh)
		return;
	/* No farewell: it could wait for a host that is gone. Closing the socket says it all. */
	ssh_silent_disconnect(s->ssh);
	ssh_free(s->ssh);
	s->ssh = NULL;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	drop_ssh(s);
	pthread_mutex_destroy(&s->lock);
	target_release(&s->target);
	free(s->label);
	free(s);
}

void session_wait(struct session *s, const struct patience *p)
{
	struct pollfd pfd = {.events = POLLIN};
	int ms = patience_slice_ms(p);

	pthread_mutex_lock(&s->lock);
	pfd.fd = ssh_get_fd(s->ssh);
	if (ssh_get_poll_flags(s->ssh) & SSH_WRITE_PENDING)
		pfd.events |= POLLOUT;
	pthread_mutex_unlock(&s->lock);
	/* The pump may take our packets off the socket, and nobody would wake us for them. */
	if (atomic_load(&s->pumped) && ms > 5)
		ms = 5;
	poll(&pfd, 1, ms);
}

const char *session_reason(struct session *s)
{
	static _Thread_local char copy[256];
	const char *reason;

	pthread_mutex_lock(&s->lock);
	reason = ssh_get_error(s->ssh);
	snprintf(copy, sizeof(copy), "%s",
	        reason && reason[0] ? reason : "the connection was closed");
	pthread_mutex_unlock(&s->lock);
	return copy;
}

/* ---- connecting ---- */

/* Key types as the inventory names them; RSA keys sign by SHA-2 (ssh-rsa is what the key is
 * called).
 */
static const char *signatures_of(const char *type)
{
	return strcmp(type, "ssh-rsa") == 0 ? "rsa-sha2-512,rsa-sha2-256" : type;
}

/* Splits "type base64 [comment]". Both are the caller's. */
static int split_host_key(const char *text, char **ret_type, char **ret_base64)
{
	size_t type = strcspn(text, " \t"), gap = strspn(text + type, " \t");
	const char *key = text + type + gap;
	size_t bytes = strcspn(key, " \t\r\n");

	if (type == 0 || gap == 0 || bytes == 0)
		return -1;
	*ret_type = xstrndup(text, type);
	*ret_base64 = xstrndup(key, bytes);
	return 0;
}

static int wanted_key(const struct session *s, char **ret_type, ssh_key *ret, struct err *err)
{
	char *type = NULL, *base64 = NULL;
	enum ssh_keytypes_e kind = SSH_KEYTYPE_UNKNOWN;
	int rc = -1;

	if (split_host_key(s->target.host_key, &type, &base64) == 0) {
		kind = ssh_key_type_from_name(type);
		if (kind != SSH_KEYTYPE_UNKNOWN)
			rc = ssh_pki_import_pubkey_base64(base64, kind, ret);
	}
	free(base64);
	if (rc != SSH_OK) {
		free(type);
		err_set(err, ERR_PERMANENT, "CMP07002",
		        "%s: the inventory's host key is no OpenSSH public key (\"%.60s\"); put "
		        "the line of /etc/ssh/ssh_host_ed25519_key.pub there and load it again",
		        s->label, s->target.host_key);
		return -1;
	}
	*ret_type = type;
	return 0;
}

static int set_options(struct session *s, int fd, const char *key_type)
{
	static const int off = 0;
	static const int port_unused = 22;
	long timeout = LIBSSH_TIMEOUT_S;
	ssh_session ssh = s->ssh;

	/* No file of the account the worker runs under may change what is done here. */
	return ssh_options_set(ssh, SSH_OPTIONS_PROCESS_CONFIG, &off) |
	       ssh_options_set(ssh, SSH_OPTIONS_HOST, s->target.address) |
	       ssh_options_set(ssh, SSH_OPTIONS_PORT, &port_unused) |
	       ssh_options_set(ssh, SSH_OPTIONS_USER, s->target.user) |
	       ssh_options_set(ssh, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") |
	       ssh_options_set(ssh, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") |
	       ssh_options_set(ssh, SSH_OPTIONS_HOSTKEYS, signatures_of(key_type)) |
	       ssh_options_set(ssh, SSH_OPTIONS_TIMEOUT, &timeout) |
	       ssh_options_set(ssh, SSH_OPTIONS_FD, &fd);
}

/* "SHA256:..." of a key; the caller frees it. */
static char *fingerprint(ssh_key key)
{
	unsigned char *hash = NULL;
	size_t bytes = 0;
	char *text = NULL, *copy;

	if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &bytes) == 0)
		text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, bytes);
	ssh_clean_pubkey_hash(&hash);
	copy = xstrdup(text ? text : "(unreadable)");
	ssh_string_free_char(text);
	return copy;
}

static int verify_host_key(struct session *s, ssh_key wanted, struct err *err)
{
	_cleanup_free_ char *wants = NULL, *has = NULL;
	ssh_key key = NULL;
	int differs;

	if (ssh_get_server_publickey(s->ssh, &key) != SSH_OK)
		return err_set(err, ERR_RETRYABLE, "CMP07002", "%s: sent no host key: %s", s->label,
		        ssh_get_error(s->ssh));
	differs = ssh_key_cmp(key, wanted, SSH_KEY_CMP_PUBLIC);
	if (differs) {
		wants = fingerprint(wanted);
		has = fingerprint(key);
	}
	ssh_key_free(key);
	if (!differs)
		return 0;
	return err_set(err, ERR_PERMANENT, "CMP07002",
	        "%s: its host key is %s, but the inventory has %s: another machine answers at this "
	        "address, or the host was set up anew; nothing was sent to it. When that is right, "
	        "load the inventory with its new key",
	        s->label, has, wants);
}

static int shake_hands(
        struct session *s, const struct patience *p, bool *ret_again, struct err *err)
{
	const char *reason;
	int rc;

	while ((rc = ssh_connect(s->ssh)) == SSH_AGAIN) {
		if (patience_check(p, s->label, "connect", err) < 0)
			return -1;
		session_wait(s, p);
	}
	if (rc == SSH_OK)
		return 0;
	reason = ssh_get_error(s->ssh);
	if (strstr(reason, "kex error") || strstr(reason, "no match"))
		return err_set(err, ERR_PERMANENT, "CMP07002",
		        "%s: no common method of key exchange (%s); its host key type must be that "
		        "of the inventory, and its sshd allow curve25519 and aes256",
		        s->label, reason);
	/* sshd with too many connections waiting for their logon drops new ones (MaxStartups). */
	*ret_again = true;
	return err_set(err, ERR_RETRYABLE, "CMP07002",
	        "%s: the connection was dropped before the logon (%s); check that it is an SSH "
	        "server, its log, and its MaxStartups",
	        s->label, reason);
}

static int read_user_key(const struct session *s, ssh_key *ret, struct err *err)
{
	if (access(s->target.key_file, R_OK) < 0)
		return err_set(err, ERR_PERMANENT, "CMP07016",
		        "%s: the private key of its credential, %s, cannot be read on this worker: "
		        "%s",
		        s->label, s->target.key_file, strerror(errno));
	if (ssh_pki_import_privkey_file(s->target.key_file, NULL, NULL, NULL, ret) != SSH_OK)
		return err_set(err, ERR_PERMANENT, "CMP07016",
		        "%s: %s is no private key without a passphrase; put one there or change "
		        "the credential",
		        s->label, s->target.key_file);
	return 0;
}

static int log_on(struct session *s, ssh_key key, const struct patience *p, struct err *err)
{
	int rc;

	while ((rc = ssh_userauth_publickey(s->ssh, NULL, key)) == SSH_AUTH_AGAIN) {
		if (patience_check(p, s->label, "log on", err) < 0)
			return -1;
		session_wait(s, p);
	}
	switch (rc) {
	case SSH_AUTH_SUCCESS:
		return 0;
	case SSH_AUTH_DENIED:
		return err_set(err, ERR_PERMANENT, "CMP07015",
		        "%s: it refuses user %s with key %s; put the public key into that user's "
		        "authorized_keys there, or change the credential",
		        s->label, s->target.user, s->target.key_file);
	case SSH_AUTH_PARTIAL:
		return err_set(err, ERR_PERMANENT, "CMP07015",
		        "%s: it wants more than the key of user %s; its sshd must accept the key "
		        "alone (AuthenticationMethods)",
		        s->label, s->target.user);
	default:
		return err_set(err, ERR_RETRYABLE, "CMP07002",
		        "%s: the connection was lost in the logon of user %s: %s", s->label,
		        s->target.user, ssh_get_error(s->ssh));
	}
}

/* *ret_again: dropped before the logon, worth another try. */
static int connect_once(
        struct session *s, const struct patience *p, bool *ret_again, struct err *err)
{
	_cleanup_free_ char *type = NULL;
	ssh_key wanted = NULL, key = NULL;
	int fd = -1, rc = -1;

	if (wanted_key(s, &type, &wanted, err) < 0 || read_user_key(s, &key, err) < 0)
		goto out;
	if (tcp_connect(s->label, s->target.address, s->target.port, p, &fd, err) < 0)
		goto out;
	s->ssh = ssh_new();
	if (!s->ssh || set_options(s, fd, type) != 0) {
		close(fd);
		err_set(err, ERR_PERMANENT, "CMP07002",
		        "%s: libssh refuses its address or user: %s", s->label,
		        s->ssh ? ssh_get_error(s->ssh) : "out of memory");
		goto out;
	}
	ssh_set_blocking(s->ssh, 0);
	if (shake_hands(s, p, ret_again, err) < 0 || verify_host_key(s, wanted, err) < 0)
		goto out;
	rc = log_on(s, key, p, err);
out:
	ssh_key_free(wanted);
	ssh_key_free(key);
	if (rc < 0)
		drop_ssh(s);
	return rc;
}

/* Attempts that were dropped together must not come back together. False: patience is over. */
static bool back_off(int tries, const struct patience *p)
{
	unsigned range = (unsigned)CONNECT_BACKOFF_MS << tries, random = 0;
	int64_t until;

	if (getrandom(&random, sizeof(random), 0) < 0)
		random = (unsigned)clock_mono_us();
	until = clock_mono_ms() + CONNECT_BACKOFF_MS / 2 + random % range;
	while (clock_mono_ms() < until) {
		if (patience_look(p) != PATIENCE_LEFT)
			return false;
		clock_sleep_ms(5);
	}
	return true;
}

int session_connect(
        struct target *target, const struct patience *p, struct session **ret, struct err *err)
{
	struct session *s = session_new(target);

	for (int tries = 1;; tries++) {
		bool again = false;

		if (connect_once(s, p, &again, err) == 0)
			break;
		if (!again || tries == CONNECT_TRIES_MAX || !back_off(tries, p)) {
			session_free(s);
			return -1;
		}
	}
	*ret = s;
	return 0;
}

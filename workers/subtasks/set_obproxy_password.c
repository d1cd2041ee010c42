/*
 * set-obproxy-password: root@proxysys, who had no password until now, gets the one drawn for this
 * OBProxy; and the OBProxy gets the password of proxyro, as which it logs on to the cluster
 * (host-operations.md A8). The password is stored before it is set, so whichever of the two an
 * attempt finds after a crash, it can log on.
 *
 * A version older than 3.2.0 has no proxyro password (OCP error 21007): the log says so.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/package_name.h"
#include "workers/obproxy/proxysys.h"

#define PROXYRO "proxyro"
#define PROXYRO_SINCE "3.2.0"
#define SHA1_BYTES 20

static void sha1_hex(const char *text, char ret[2 * SHA1_BYTES + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	EVP_Digest(text, strlen(text), digest, NULL, EVP_sha1(), NULL);
	for (int i = 0; i < SHA1_BYTES; i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

/* The proxy shows the SHA-1 of what it was given. Without the text of the password anywhere. */
static int set_hashed(struct subtask_ctx *ctx, struct host *h, struct mysql_client *my,
        const char *parameter, const char *password, const char *whose, struct err *err)
{
	_cleanup_free_ char *before = NULL, *after = NULL;
	char hash[2 * SHA1_BYTES + 1];

	sha1_hex(password, hash);
	if (proxysys_get(my, parameter, &before, err) != 0)
		return -1;
	if (before && !strcasecmp(before, hash)) {
		subtask_log(ctx, "%s: the password of %s is set already", host_label(h), whose);
		return 0;
	}
	if (proxysys_set(my, parameter, password, err) != 0)
		return err_prefix(
		        err, "%s: the password of %s cannot be set", host_label(h), whose);
	if (proxysys_get(my, parameter, &after, err) != 0)
		return -1;
	if (!after || strcasecmp(after, hash) != 0)
		return err_set(err, ERR_PERMANENT, "",
		        "%s: the password of %s was set, but the OBProxy holds another; retry",
		        host_label(h), whose);
	subtask_log(ctx, "%s: the password of %s was set", host_label(h), whose);
	return 0;
}

static int set_proxyro(struct subtask_ctx *ctx, struct host *h, const struct site *s,
        struct mysql_client *my, struct err *err)
{
	_cleanup_free_ char *owner = xasprintf("cluster/%lld", (long long)s->cluster_id);
	_cleanup_free_ char *password = NULL;

	if (version_compare(s->package_version, PROXYRO_SINCE) < 0) {
		subtask_log(ctx,
		        "%s: version %s has no password of " PROXYRO " (it came with " PROXYRO_SINCE
		        ", OCP error 21007): nothing to set",
		        host_label(h), s->package_version);
		return 0;
	}
	if (secret_draw(ctx, owner, PROXYRO, &password, err) != 0 ||
	        set_hashed(ctx, h, my, "observer_sys_password", password, PROXYRO, err) != 0)
		return -1;
	secret_set_on_success(ctx, owner, PROXYRO);
	return 0;
}

static int set_proxysys(struct subtask_ctx *ctx, struct host *h, const struct site *s,
        struct mysql_client *my, bool drawn, struct err *err)
{
	_cleanup_free_ char *owner = secret_owner(s);
	_cleanup_free_ char *password = NULL;
	json_t *found = NULL;

	if (undo_record(ctx, json_pack("{sb}", "password", drawn), &found, err) != 0)
		return -1;
	json_decref(found);
	if (secret_draw(ctx, owner, PROXYSYS_USER, &password, err) != 0 ||
	        set_hashed(ctx, h, my, "obproxy_sys_password", password, PROXYSYS_USER, err) != 0)
		return -1;
	secret_set_on_success(ctx, owner, PROXYSYS_USER);
	return 0;
}

/* The new password must open the door, before the step counts as done. */
static int log_on_again(
        struct subtask_ctx *ctx, struct host *h, const struct site *s, struct err *err)
{
	_cleanup_mysql_ struct mysql_client *my = NULL;
	bool drawn;

	if (proxysys_open(ctx, h, s, &my, &drawn, err) != 0)
		return -1;
	if (!drawn)
		return err_set(err, ERR_PERMANENT, "ODP21006",
		        "%s: " PROXYSYS_USER " still logs on without the new password; retry",
		        host_label(h));
	subtask_log(ctx, "%s: " PROXYSYS_USER " logs on with the new password", host_label(h));
	return 0;
}

static enum subtask_outcome run(struct subtask_ctx *ctx, struct err *err)
{
	_cleanup_site_ struct site s = SITE_INIT;
	_cleanup_host_ struct host *h = NULL;
	_cleanup_mysql_ struct mysql_client *my = NULL;
	bool drawn;

	if (site_load(ctx, &s, err) != 0 || host_open(ctx, &h, err) != 0 ||
	        proxysys_open(ctx, h, &s, &my, &drawn, err) != 0 ||
	        set_proxyro(ctx, h, &s, my, err) != 0 ||
	        set_proxysys(ctx, h, &s, my, drawn, err) != 0 || log_on_again(ctx, h, &s, err) != 0)
		return SUBTASK_FAIL;
	return SUBTASK_DONE;
}

const struct subtask_type subtask_set_obproxy_password = {
        .name = "set-obproxy-password",
        .run = run,
};

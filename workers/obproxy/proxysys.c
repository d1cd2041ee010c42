#include "workers/obproxy/proxysys.h"

#include <ctype.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"

#define PASSWORD_BYTES 20
#define ER_ACCESS_DENIED "42000"

/* ---- passwords ---- */

char *secret_owner(const struct site *s)
{
	return xasprintf("obproxy/%lld", (long long)s->obproxy_id);
}

int secret_get(
        struct subtask_ctx *ctx, const char *owner, const char *name, char **ret, struct err *err)
{
	struct db_params params = DB_PARAMS_INIT;
	PGresult *res = NULL;
	int rc;

	*ret = NULL;
	db_add_text(&params, owner);
	db_add_text(&params, name);
	rc = subtask_query(ctx, QUERY_SUB_SECRET_GET, &params, &res, err);
	db_params_release(&params);
	if (rc == 0 && PQntuples(res) == 1)
		*ret = xstrdup(db_get_text(res, 0, 0));
	PQclear(res);
	return rc;
}

/* 8 to 32 of letters, digits and some signs are allowed (OCP's password rules); no sign is needed
 * for 119 bits. */
static int draw(char password[PASSWORD_BYTES + 1], struct err *err)
{
	static const char letters[] =
	        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	unsigned char random[PASSWORD_BYTES];

	if (RAND_bytes(random, sizeof(random)) != 1)
		return err_set(err, ERR_RETRYABLE, "", "the system gives no random bytes");
	for (size_t i = 0; i < PASSWORD_BYTES; i++)
		password[i] = letters[random[i] % 64];
	password[PASSWORD_BYTES] = '\0';
	return 0;
}

int secret_draw(
        struct subtask_ctx *ctx, const char *owner, const char *name, char **ret, struct err *err)
{
	struct db_params params = DB_PARAMS_INIT;
	char password[PASSWORD_BYTES + 1];
	int rc;

	*ret = NULL;
	if (draw(password, err) != 0)
		return -1;
	db_add_int8(&params, ctx->task_id);
	db_add_int8(&params, ctx->subtask_id);
	db_add_int8(&params, ctx->claim);
	db_add_text(&params, owner);
	db_add_text(&params, name);
	db_add_text(&params, password);
	rc = subtask_query(ctx, QUERY_SUB_SECRET_DRAW, &params, NULL, err);
	db_params_release(&params);
	if (rc == 0)
		rc = secret_get(ctx, owner, name, ret, err);
	if (rc == 0 && !*ret)
		rc = err_set(err, ERR_PERMANENT, "",
		        "another attempt has taken over; this one ends without a change");
	return rc;
}

void secret_set_on_success(struct subtask_ctx *ctx, const char *owner, const char *name)
{
	struct db_params params = DB_PARAMS_INIT;

	db_add_text(&params, owner);
	db_add_text(&params, name);
	subtask_on_success(ctx, QUERY_SUB_SECRET_SET, &params);
	db_params_release(&params);
}

/* ---- logon ---- */

static bool refused(const struct err *err)
{
	return err->kind == ERR_PERMANENT && !strcmp(err->code, ER_ACCESS_DENIED);
}

int proxysys_open(struct subtask_ctx *ctx, struct host *h, const struct site *s,
        struct mysql_client **ret, bool *ret_drawn, struct err *err)
{
	_cleanup_free_ char *owner = secret_owner(s);
	_cleanup_free_ char *password = NULL;
	bool drawn = true;
	int rc;

	if (secret_get(ctx, owner, PROXYSYS_USER, &password, err) != 0)
		return -1;
	rc = mysql_client_open(
	        h, s->sql_port, PROXYSYS_USER, password, PROXYSYS_TIMEOUT_MS, ret, err);
	if (!password)
		drawn = false;
	if (rc != 0 && password && refused(err)) {
		drawn = false;
		rc = mysql_client_open(
		        h, s->sql_port, PROXYSYS_USER, NULL, PROXYSYS_TIMEOUT_MS, ret, err);
	}
	if (rc != 0 && refused(err))
		return err_set(err, ERR_PERMANENT, "ODP21008",
		        "%s: the OBProxy on port %d refuses the password of " PROXYSYS_USER
		        ": somebody changed it; set it back, or remove the OBProxy and submit "
		        "again",
		        host_label(h), s->sql_port);
	if (rc == 0 && ret_drawn)
		*ret_drawn = drawn;
	return rc;
}

/* ---- parameters ---- */

int proxysys_get(struct mysql_client *my, const char *name, char **ret, struct err *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	struct mysql_rows rows;
	int rc;

	*ret = NULL;
	strbuf_adds(&sql, "show proxyconfig like ");
	if (mysql_add_quoted(&sql, name, strlen(name), err) != 0)
		return -1;
	rc = mysql_client_query(my, sql.buf, &rows, err);
	/* "_" in a LIKE matches any byte. */
	for (size_t i = 0; rc == 0 && i < rows.rows; i++) {
		const char *found = mysql_rows_value(&rows, i, "name");
		const char *value = mysql_rows_value(&rows, i, "value");

		if (found && !strcmp(found, name) && !*ret)
			*ret = xstrdup(value ? value : "");
	}
	mysql_rows_release(&rows);
	return rc;
}

int proxysys_set(struct mysql_client *my, const char *name, const char *value, struct err *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	strbuf_addf(&sql, "alter proxyconfig set %s = ", name);
	if (mysql_add_quoted(&sql, value, strlen(value), err) != 0)
		return -1;
	if (mysql_client_query(my, sql.buf, NULL, err) != 0)
		return err_prefix(err, "parameter %s", name);
	return 0;
}

/* A number and its unit in the smallest of its kind (bytes, microseconds); 0: no such text. */
static int measure(const char *text, uint64_t *ret)
{
	static const struct {
		const char *unit;
		int kind;
		uint64_t factor;
	} units[] = {
	        {"", 1, 1},
	        {"b", 2, 1},
	        {"k", 2, 1 << 10},
	        {"kb", 2, 1 << 10},
	        {"mb", 2, 1 << 20},
	        {"g", 2, 1 << 30},
	        {"gb", 2, 1 << 30},
	        {"t", 2, UINT64_C(1) << 40},
	        {"tb", 2, UINT64_C(1) << 40},
	        {"us", 3, 1},
	        {"ms", 3, 1000},
	        {"s", 3, 1000000},
	        {"h", 3, UINT64_C(3600000000)},
	        {"d", 3, UINT64_C(86400000000)},
	};
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 9)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcasecmp(text + digits, units[i].unit)) {
			*ret = strtoull(text, NULL, 10) * units[i].factor;
			return units[i].kind;
		}
	return 0;
}

/* "m" is minutes or mebibytes: the other side tells. */
static int measure_like(const char *text, int kind, uint64_t *ret)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 9 || strcasecmp(text + digits, "m") != 0)
		return measure(text, ret);
	*ret = strtoull(text, NULL, 10) * (kind == 3 ? UINT64_C(60000000) : UINT64_C(1) << 20);
	return kind;
}

static bool is_boolean(const char *text)
{
	return !strcasecmp(text, "true") || !strcasecmp(text, "false");
}

bool proxysys_same_value(const char *a, const char *b)
{
	uint64_t na = 0, nb = 0;
	int ka = measure(a, &na), kb = measure(b, &nb);

	if (!strcmp(a, b))
		return true;
	if (is_boolean(a))
		return !strcasecmp(a, b);
	if (ka == 0)
		ka = measure_like(a, kb, &na);
	if (kb == 0)
		kb = measure_like(b, ka, &nb);
	return ka != 0 && ka == kb && na == nb;
}

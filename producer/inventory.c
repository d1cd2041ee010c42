#include "producer/inventory.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

#define LOOK_MS 300
#define FORMS_MAX 4096

struct taken {
	int64_t host_id;
	int64_t until_ms;
	UT_hash_handle hh;
};

struct inventory_keeper {
	struct ingress *in;
	struct loop_timer *timer;
	struct inventory now, coming;
	bool loaded, loading;
	int64_t wanted_version;
	int32_t template_id; /* highest one loaded */
	int32_t wanted_template;
	struct task_form *forms[FORMS_MAX]; /* by template id; never freed while we live */
	struct taken *taken;
};

/* ---- reading ---- */

static char *text(const PGresult *res, int row, int col)
{
	const char *value = db_get_text(res, row, col);

	return value ? xstrdup(value) : NULL;
}

static void release(struct inventory *inv)
{
	for (size_t i = 0; i < inv->cluster_count; i++) {
		struct inv_cluster *c = &inv->clusters[i];

		free(c->name), free(c->version), free(c->work_mode), free(c->config_url);
		free(c->address);
	}
	for (size_t i = 0; i < inv->obproxy_count; i++) {
		struct inv_obproxy *o = &inv->obproxies[i];

		free(o->version), free(o->architecture), free(o->status), free(o->operate_status);
	}
	for (size_t i = 0; i < inv->host_count; i++) {
		struct inv_host *h = &inv->hosts[i];

		free(h->name), free(h->address), free(h->status), free(h->kind);
		free(h->architecture), free(h->os), free(h->os_release), free(h->idc);
		free(h->region), free(h->type);
	}
	for (size_t i = 0; i < inv->package_count; i++) {
		struct inv_package *p = &inv->packages[i];

		free(p->file_name), free(p->name), free(p->version), free(p->build), free(p->os);
		free(p->architecture), free(p->type), free(p->sha256);
	}
	for (size_t i = 0; i < inv->user_count; i++)
		free(inv->users[i].name), free(inv->users[i].hash);
	free(inv->clusters), free(inv->obproxies), free(inv->hosts), free(inv->packages);
	free(inv->users);
	*inv = (struct inventory){0};
}

static void take_users(struct inventory *inv, const PGresult *res)
{
	inv->user_count = (size_t)PQntuples(res);
	inv->users = xcalloc(inv->user_count + 1, sizeof(*inv->users));
	for (int row = 0; row < PQntuples(res); row++)
		inv->users[row] = (struct inv_user){text(res, row, 0), text(res, row, 1)};
}

static void take_clusters(struct inventory *inv, const PGresult *res)
{
	inv->cluster_count = (size_t)PQntuples(res);
	inv->clusters = xcalloc(inv->cluster_count + 1, sizeof(*inv->clusters));
	for (int row = 0; row < PQntuples(res); row++)
		inv->clusters[row] = (struct inv_cluster){
		        .id = db_get_int8(res, row, 0),
		        .name = text(res, row, 1),
		        .version = text(res, row, 2),
		        .work_mode = text(res, row, 3),
		        .config_url = text(res, row, 4),
		        .address = text(res, row, 5),
		        .port = db_get_int4(res, row, 6),
		        .sql_port = db_get_int4(res, row, 7),
		        .exporter_port = db_get_int4(res, row, 8),
		        .parameter_version = db_get_int8(res, row, 9),
		        .create_time_us = db_get_time(res, row, 10),
		};
}

static void take_hosts(struct inventory *inv, const PGresult *res)
{
	inv->host_count = (size_t)PQntuples(res);
	inv->hosts = xcalloc(inv->host_count + 1, sizeof(*inv->hosts));
	for (int row = 0; row < PQntuples(res); row++)
		inv->hosts[row] = (struct inv_host){
		        .id = db_get_int8(res, row, 0),
		        .name = text(res, row, 1),
		        .address = text(res, row, 2),
		        .status = text(res, row, 3),
		        .kind = text(res, row, 4),
		        .architecture = text(res, row, 5),
		        .os = text(res, row, 6),
		        .os_release = text(res, row, 7),
		        .idc = text(res, row, 8),
		        .region = text(res, row, 9),
		        .type = text(res, row, 10),
		        .ssh_port = db_get_int4(res, row, 11),
		        .create_time_us = db_get_time(res, row, 12),
		};
}

static void take_packages(struct inventory *inv, const PGresult *res)
{
	inv->package_count = (size_t)PQntuples(res);
	inv->packages = xcalloc(inv->package_count + 1, sizeof(*inv->packages));
	for (int row = 0; row < PQntuples(res); row++)
		inv->packages[row] = (struct inv_package){
		        .id = db_get_int8(res, row, 0),
		        .file_name = text(res, row, 1),
		        .name = text(res, row, 2),
		        .version = text(res, row, 3),
		        .build = text(res, row, 4),
		        .os = text(res, row, 5),
		        .architecture = text(res, row, 6),
		        .type = text(res, row, 7),
		        .sha256 = text(res, row, 8),
		        .size = db_get_int8(res, row, 9),
		        .create_time_us = db_get_time(res, row, 10),
		};
}

static void take_obproxies(struct inventory *inv, const PGresult *res)
{
	inv->obproxy_count = (size_t)PQntuples(res);
	inv->obproxies = xcalloc(inv->obproxy_count + 1, sizeof(*inv->obproxies));
	for (int row = 0; row < PQntuples(res); row++)
		inv->obproxies[row] = (struct inv_obproxy){
		        .id = db_get_int8(res, row, 0),
		        .cluster_id = db_get_int8(res, row, 1),
		        .host_id = db_get_int8(res, row, 2),
		        .sql_port = db_get_int4(res, row, 3),
		        .exporter_port = db_get_int4(res, row, 4),
		        .version = text(res, row, 5),
		        .architecture = text(res, row, 6),
		        .status = text(res, row, 7),
		        .operate_status = text(res, row, 8),
		        .parameter_version = db_get_int8(res, row, 9),
		        .last_active_us = db_get_time(res, row, 10),
		};
}

static void take_templates(struct inventory_keeper *k, const PGresult *res)
{
	for (int row = 0; row < PQntuples(res); row++) {
		int32_t id = db_get_int4(res, row, 0);
		const char *body = db_get_text(res, row, 4);
		struct template *t;
		struct err err = {0};

		k->template_id = id;
		if (id <= 0 || id >= FORMS_MAX || k->forms[id])
			continue;
		if (template_parse(body, strlen(body), NULL, &t, &err) < 0) {
			log_error("template cannot be read", "template", "s",
			        db_get_text(res, row, 1), "error", "e", &err);
			continue;
		}
		t->id = id;
		k->forms[id] = task_form_new(t);
	}
}

static void on_load_result(void *arg, int index, const PGresult *res)
{
	struct inventory_keeper *k = arg;

	switch (index) {
	case 0:
		take_users(&k->coming, res);
		break;
	case 1:
		take_clusters(&k->coming, res);
		break;
	case 2:
		take_hosts(&k->coming, res);
		break;
	case 3:
		take_packages(&k->coming, res);
		break;
	case 4:
		take_obproxies(&k->coming, res);
		break;
	default:
		take_templates(k, res);
	}
}

/* Both lists are sorted by host id. */
static void link_obproxies(struct inventory *inv)
{
	size_t at = 0;

	for (size_t i = 0; i < inv->host_count; i++) {
		while (at < inv->obproxy_count && inv->obproxies[at].host_id < inv->hosts[i].id)
			at++;
		if (at < inv->obproxy_count && inv->obproxies[at].host_id == inv->hosts[i].id)
			inv->hosts[i].obproxy = &inv->obproxies[at];
	}
}

static void on_load_done(void *arg, const struct err *err)
{
	struct inventory_keeper *k = arg;

	k->loading = false;
	if (err) {
		if (err->kind == ERR_PERMANENT)
			log_error("inventory cannot be read", "error", "e", err);
		release(&k->coming);
		return;
	}
	link_obproxies(&k->coming);
	k->coming.version = k->wanted_version;
	release(&k->now);
	k->now = k->coming;
	k->coming = (struct inventory){0};
	k->loaded = true;
	metric_set(METRIC_INVENTORY_VERSION, k->now.version);
}

static void load(struct inventory_keeper *k, struct db_async *db)
{
	struct db_batch *batch = db_batch_new(db, on_load_result, on_load_done, k);
	struct db_params p = DB_PARAMS_INIT;

	k->loading = true;
	db_batch_add(batch, QUERY_API_USERS, NULL);
	db_batch_add(batch, QUERY_API_CLUSTERS, NULL);
	db_batch_add(batch, QUERY_API_HOSTS, NULL);
	db_batch_add(batch, QUERY_API_PACKAGES, NULL);
	db_batch_add(batch, QUERY_API_OBPROXIES, NULL);
	db_add_int4(&p, k->template_id);
	db_batch_add(batch, QUERY_TEMPLATE_LIST, &p);
	db_params_release(&p);
	db_batch_send(batch);
}

/* The version is read before the tables: a change in between is seen by the next look. */
static void on_version(void *arg, int index, const PGresult *res)
{
	struct inventory_keeper *k = arg;

	k->wanted_version = db_get_int8(res, 0, 0);
	k->wanted_template = db_get_int4(res, 0, 1);
}

static void on_version_done(void *arg, const struct err *err)
{
	struct inventory_keeper *k = arg;
	struct db_async *db = ingress_db(k->in);

	k->loading = false;
	if (err || !db)
		return;
	if (!k->loaded || k->wanted_version != k->now.version ||
	        k->wanted_template > k->template_id)
		load(k, db);
}

static void on_timer(void *arg)
{
	struct inventory_keeper *k = arg;
	struct db_async *db = ingress_db(k->in);
	struct db_batch *batch;

	loop_timer_arm(k->timer, LOOK_MS);
	if (k->loading || !db)
		return;
	k->loading = true;
	batch = db_batch_new(db, on_version, on_version_done, k);
	db_batch_add(batch, QUERY_API_INVENTORY_VERSION, NULL);
	db_batch_send(batch);
}

struct inventory_keeper *inventory_new(struct ingress *in)
{
	struct inventory_keeper *k = xcalloc(1, sizeof(*k));

	k->in = in;
	k->timer = loop_timer_new(in->loop, on_timer, k);
	loop_timer_arm(k->timer, 10);
	return k;
}

void inventory_free(struct inventory_keeper *k)
{
	struct taken *t, *tmp;

	if (!k)
		return;
	release(&k->now);
	release(&k->coming);
	for (int i = 0; i < FORMS_MAX; i++)
		task_form_free(k->forms[i]);
	HASH_ITER(hh, k->taken, t, tmp)
	{
		HASH_DEL(k->taken, t);
		free(t);
	}
	loop_timer_free(k->timer);
	free(k);
}

/* ---- looking up ---- */

bool inventory_loaded(const struct inventory_keeper *k)
{
	return k->loaded;
}

const struct inventory *inventory_now(const struct inventory_keeper *k)
{
	return &k->now;
}

static int by_id(const void *key, const void *element)
{
	int64_t id = *(const int64_t *)key, other = *(const int64_t *)element;

	return id < other ? -1 : id > other; /* the id is the first member of each */
}

const struct inv_cluster *inventory_cluster(const struct inventory_keeper *k, int64_t id)
{
	return k->now.cluster_count ? bsearch(&id, k->now.clusters, k->now.cluster_count,
	                                      sizeof(*k->now.clusters), by_id)
	                            : NULL;
}

const struct inv_host *inventory_host(const struct inventory_keeper *k, int64_t id)
{
	return k->now.host_count
	               ? bsearch(&id, k->now.hosts, k->now.host_count, sizeof(*k->now.hosts), by_id)
	               : NULL;
}

const struct inv_package *inventory_package(const struct inventory_keeper *k, const char *file)
{
	for (size_t i = 0; i < k->now.package_count; i++)
		if (!strcmp(k->now.packages[i].file_name, file))
			return &k->now.packages[i];
	return NULL;
}

const char *inventory_user_hash(const struct inventory_keeper *k, const char *user)
{
	for (size_t i = 0; i < k->now.user_count; i++)
		if (!strcmp(k->now.users[i].name, user))
			return k->now.users[i].hash;
	return NULL;
}

const struct task_form *inventory_form(const struct inventory_keeper *k, const char *name)
{
	const struct task_form *best = NULL;

	for (int i = 1; i <= k->template_id && i < FORMS_MAX; i++) {
		const struct task_form *form = k->forms[i];

		if (form && !strcmp(form->template->name, name) &&
		        (!best || form->template->version > best->template->version))
			best = form;
	}
	return best;
}

const struct task_form *inventory_form_of(const struct inventory_keeper *k, int32_t template_id)
{
	return template_id > 0 && template_id < FORMS_MAX ? k->forms[template_id] : NULL;
}

void inventory_template_names(const struct inventory_keeper *k, struct strbuf *sb)
{
	for (int i = 1; i <= k->template_id && i < FORMS_MAX; i++) {
		const struct task_form *form = k->forms[i];

		if (!form || form != inventory_form(k, form->template->name))
			continue;
		if (sb->len)
			strbuf_adds(sb, ", ");
		strbuf_adds(sb, form->template->name);
	}
}

/* ---- hosts taken here ---- */

bool inventory_taken(struct inventory_keeper *k, int64_t host_id)
{
	struct taken *t;

	HASH_FIND(hh, k->taken, &host_id, sizeof(host_id), t);
	if (t && t->until_ms <= clock_mono_ms()) {
		HASH_DEL(k->taken, t);
		free(t);
		t = NULL;
	}
	return t != NULL;
}

void inventory_take(struct inventory_keeper *k, int64_t host_id)
{
	struct taken *t = xcalloc(1, sizeof(*t));

	t->host_id = host_id;
	t->until_ms = clock_mono_ms() + TAKEN_MS;
	HASH_ADD(hh, k->taken, host_id, sizeof(host_id), t);
}

void inventory_give_back(struct inventory_keeper *k, int64_t host_id)
{
	struct taken *t;

	HASH_FIND(hh, k->taken, &host_id, sizeof(host_id), t);
	if (t) {
		HASH_DEL(k->taken, t);
		free(t);
	}
}

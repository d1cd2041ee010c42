#include "producer/inventory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/mem.h"

struct inv_shared_words {
	struct inv_host_words words; /* of shared texts: the same pointers, the same words */
	UT_hash_handle hh;
};

/* Of each set of words there is one copy: a large inventory has few of them. */
static const struct inv_host_words *share_words(
        struct inventory *inv, const struct inv_host_words *from)
{
	struct text_pool *texts = &inv->texts;
	const struct inv_host_words words = {
	        .status = text_pool_share(texts, from->status),
	        .kind = text_pool_share(texts, from->kind),
	        .architecture = text_pool_share(texts, from->architecture),
	        .os = text_pool_share(texts, from->os),
	        .os_release = text_pool_share(texts, from->os_release),
	        .idc = text_pool_share(texts, from->idc),
	        .region = text_pool_share(texts, from->region),
	        .type = text_pool_share(texts, from->type),
	};
	struct inv_shared_words *shared;

	/* NOLINTNEXTLINE(clang-analyzer-*): uthash reads the key byte by byte */
	HASH_FIND(hh, inv->words, &words, sizeof(words), shared);
	if (!shared) {
		shared = xcalloc(1, sizeof(*shared));
		shared->words = words;
		HASH_ADD(hh, inv->words, words, sizeof(words), shared);
	}
	return &shared->words;
}

static void words_free(struct inventory *inv)
{
	struct inv_shared_words *shared, *tmp;

	HASH_ITER(hh, inv->words, shared, tmp)
	{
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): uthash unlinks before it frees */
		HASH_DEL(inv->words, shared);
		free(shared);
	}
}

struct inventory *inventory_new(int64_t version)
{
	struct inventory *inv = xcalloc(1, sizeof(*inv));

	inv->version = version;
	return inv;
}

void inventory_free(struct inventory *inv)
{
	if (!inv)
		return;
	free(inv->clusters);
	free(inv->obproxies);
	free(inv->hosts);
	free(inv->packages);
	free(inv->users);
	text_pool_release(&inv->texts);
	words_free(inv);
	free(inv);
}

/* Makes room for one more; arrays double at 64, 128, ... */
static void *grow(void *array, size_t count, size_t bytes)
{
	if (count && (count < 64 || count & (count - 1)))
		return array;
	return xrealloc(array, (count < 64 ? 64 : count * 2) * bytes);
}

void inventory_add_cluster(struct inventory *inv, const struct inv_cluster *row)
{
	struct text_pool *texts = &inv->texts;
	struct inv_cluster *c;

	inv->clusters = grow(inv->clusters, inv->cluster_count, sizeof(*c));
	c = &inv->clusters[inv->cluster_count++];
	*c = *row;
	c->name = text_pool_add(texts, row->name);
	c->version = text_pool_share(texts, row->version);
	c->work_mode = text_pool_share(texts, row->work_mode);
	c->config_url = text_pool_add(texts, row->config_url);
	c->address = text_pool_add(texts, row->address);
}

void inventory_add_obproxy(struct inventory *inv, const struct inv_obproxy *row)
{
	struct text_pool *texts = &inv->texts;
	struct inv_obproxy *o;

	inv->obproxies = grow(inv->obproxies, inv->obproxy_count, sizeof(*o));
	o = &inv->obproxies[inv->obproxy_count++];
	*o = *row;
	o->version = text_pool_share(texts, row->version);
	o->architecture = text_pool_share(texts, row->architecture);
	o->status = text_pool_share(texts, row->status);
	o->operate_status = text_pool_share(texts, row->operate_status);
}

void inventory_add_host(struct inventory *inv, const struct inv_host *row)
{
	struct text_pool *texts = &inv->texts;
	struct inv_host *h;

	inv->hosts = grow(inv->hosts, inv->host_count, sizeof(*h));
	h = &inv->hosts[inv->host_count++];
	*h = *row;
	h->name = text_pool_add(texts, row->name);
	h->address = text_pool_add(texts, row->address);
	h->words = share_words(inv, row->words);
	h->obproxy = NULL;
}

void inventory_add_package(struct inventory *inv, const struct inv_package *row)
{
	struct text_pool *texts = &inv->texts;
	struct inv_package *p;

	inv->packages = grow(inv->packages, inv->package_count, sizeof(*p));
	p = &inv->packages[inv->package_count++];
	*p = *row;
	p->file_name = text_pool_add(texts, row->file_name);
	p->name = text_pool_share(texts, row->name);
	p->version = text_pool_share(texts, row->version);
	p->build = text_pool_share(texts, row->build);
	p->os = text_pool_share(texts, row->os);
	p->architecture = text_pool_share(texts, row->architecture);
	p->type = text_pool_share(texts, row->type);
	p->sha256 = text_pool_add(texts, row->sha256);
}

void inventory_add_user(struct inventory *inv, const struct inv_user *row)
{
	struct inv_user *u;

	inv->users = grow(inv->users, inv->user_count, sizeof(*u));
	u = &inv->users[inv->user_count++];
	u->name = text_pool_add(&inv->texts, row->name);
	u->hash = text_pool_add(&inv->texts, row->hash);
}

/* ---- order ---- */

static int compare(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

/* The id is the first member of each row. */
static int by_id(const void *a, const void *b)
{
	return compare(*(const int64_t *)a, *(const int64_t *)b);
}

static int by_host(const void *a, const void *b)
{
	return compare(
	        ((const struct inv_obproxy *)a)->host_id, ((const struct inv_obproxy *)b)->host_id);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct inv_user *)a)->name, ((const struct inv_user *)b)->name);
}

static bool is_sorted(
        const char *array, size_t count, size_t bytes, int (*order)(const void *, const void *))
{
	for (size_t i = 1; i < count; i++)
		if (order(array + (i - 1) * bytes, array + i * bytes) > 0)
			return false;
	return true;
}

/* The database sends most rows in order: qsort() would need as much memory again. */
static void sort(void *array, size_t count, size_t bytes, int (*order)(const void *, const void *))
{
	if (!is_sorted(array, count, bytes, order))
		qsort(array, count, bytes, order);
}

static const void *find(const void *key, const void *array, size_t count, size_t bytes,
        int (*order)(const void *, const void *))
{
	return count ? bsearch(key, array, count, bytes, order) : NULL;
}

/* All OBProxies of a cluster have the same ports: those of the row, else of any of them. */
static void fix_ports(struct inventory *inv)
{
	for (size_t i = 0; i < inv->obproxy_count; i++) {
		const struct inv_obproxy *o = &inv->obproxies[i];
		struct inv_cluster *c = (struct inv_cluster *)inventory_cluster(inv, o->cluster_id);

		if (!c)
			continue;
		if (!c->sql_port)
			c->sql_port = o->sql_port;
		if (!c->exporter_port)
			c->exporter_port = o->exporter_port;
	}
}

void inventory_finish(struct inventory *inv)
{
	size_t at = 0;

	sort(inv->clusters, inv->cluster_count, sizeof(*inv->clusters), by_id);
	sort(inv->hosts, inv->host_count, sizeof(*inv->hosts), by_id);
	sort(inv->packages, inv->package_count, sizeof(*inv->packages), by_id);
	sort(inv->obproxies, inv->obproxy_count, sizeof(*inv->obproxies), by_host);
	sort(inv->users, inv->user_count, sizeof(*inv->users), by_name);
	for (size_t i = 0; i < inv->host_count; i++) {
		while (at < inv->obproxy_count && inv->obproxies[at].host_id < inv->hosts[i].id)
			at++;
		if (at < inv->obproxy_count && inv->obproxies[at].host_id == inv->hosts[i].id)
			inv->hosts[i].obproxy = &inv->obproxies[at];
	}
	fix_ports(inv);
}

const struct inv_cluster *inventory_cluster(const struct inventory *inv, int64_t id)
{
	return find(&id, inv->clusters, inv->cluster_count, sizeof(*inv->clusters), by_id);
}

const struct inv_host *inventory_host(const struct inventory *inv, int64_t id)
{
	return find(&id, inv->hosts, inv->host_count, sizeof(*inv->hosts), by_id);
}

const struct inv_package *inventory_package(const struct inventory *inv, const char *file_name)
{
	for (size_t i = 0; i < inv->package_count; i++)
		if (!strcmp(inv->packages[i].file_name, file_name))
			return &inv->packages[i];
	return NULL;
}

const struct inv_user *inventory_user(const struct inventory *inv, const char *name)
{
	const struct inv_user key = {.name = name};

	return find(&key, inv->users, inv->user_count, sizeof(*inv->users), by_name);
}

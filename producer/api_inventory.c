/* api_inventory: clusters, hosts and packages, from memory. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "producer/inventory_keeper.h"
#include "producer/query_params.h"
#include "producer/routes.h"

static void add_text(struct strbuf *sb, const char *name, const char *value)
{
	if (!value)
		return;
	strbuf_addf(sb, "\"%s\":", name);
	strbuf_add_json(sb, value, strlen(value));
	strbuf_addc(sb, ',');
}

static void add_time(struct strbuf *sb, const char *name, int64_t us)
{
	if (!us)
		return;
	strbuf_addf(sb, "\"%s\":\"", name);
	clock_add_iso(sb, us);
	strbuf_adds(sb, "\",");
}

static void add_number(struct strbuf *sb, const char *name, int64_t value)
{
	strbuf_addf(sb, "\"%s\":%" PRId64 ",", name, value);
}

/* Members end in a comma; the last one's is taken back. */
static void end_object(struct strbuf *sb)
{
	if (sb->buf[sb->len - 1] == ',')
		sb->buf[--sb->len] = '\0';
	strbuf_addc(sb, '}');
}

static void render_obproxy(
        struct strbuf *sb, const struct inventory *inv, const struct inv_obproxy *o)
{
	const struct inv_host *h = inventory_host(inv, o->host_id);

	strbuf_addc(sb, '{');
	add_text(sb, "architecture", o->architecture);
	add_number(sb, "clusterId", o->cluster_id);
	add_number(sb, "exporterPort", o->exporter_port);
	add_number(sb, "hostId", o->host_id);
	add_number(sb, "id", o->id);
	add_text(sb, "idcName", h ? h->words->idc : NULL);
	add_text(sb, "ip", h ? h->address : NULL);
	add_time(sb, "lastActiveTime", o->last_active_us);
	add_text(sb, "operateStatus", o->operate_status);
	add_number(sb, "parameterVersion", o->parameter_version);
	add_number(sb, "sqlPort", o->sql_port);
	add_text(sb, "status", o->status);
	add_text(sb, "version", o->version);
	end_object(sb);
}

static void render_cluster(struct strbuf *sb, const struct inventory *inv, size_t i)
{
	const struct inv_cluster *c = &inv->clusters[i];
	bool first = true;

	strbuf_addc(sb, '{');
	add_text(sb, "address", c->address);
	add_text(sb, "configUrl", c->config_url);
	add_time(sb, "createTime", c->create_time_us);
	add_number(sb, "id", c->id);
	add_text(sb, "name", c->name);
	strbuf_adds(sb, "\"obproxies\":[");
	for (size_t n = 0; n < inv->obproxy_count; n++) {
		if (inv->obproxies[n].cluster_id != c->id)
			continue;
		if (!first)
			strbuf_addc(sb, ',');
		first = false;
		render_obproxy(sb, inv, &inv->obproxies[n]);
	}
	strbuf_adds(sb, "],");
	add_number(sb, "parameterVersion", c->parameter_version);
	if (c->port)
		add_number(sb, "port", c->port);
	add_text(sb, "workMode", c->work_mode);
	end_object(sb);
}

static void render_host(struct strbuf *sb, const struct inventory *inv, size_t i)
{
	const struct inv_host *h = &inv->hosts[i];
	const struct inv_cluster *c = h->obproxy ? inventory_cluster(inv, h->obproxy->cluster_id)
	                                         : NULL;

	strbuf_addc(sb, '{');
	add_text(sb, "architecture", h->words->architecture);
	add_time(sb, "createTime", h->create_time_us);
	add_number(sb, "id", h->id);
	add_text(sb, "idcName", h->words->idc);
	add_text(sb, "innerIpAddress", h->address);
	add_text(sb, "kind", h->words->kind);
	add_text(sb, "name", h->name);
	add_text(sb, "operatingSystem", h->words->os);
	add_text(sb, "operatingSystemRelease", h->words->os_release);
	add_text(sb, "regionName", h->words->region);
	strbuf_adds(sb, "\"services\":[");
	if (h->obproxy) {
		strbuf_addc(sb, '{');
		add_text(sb, "name", c ? c->name : NULL);
		add_text(sb, "type", "OB_PROXY");
		add_text(sb, "version", h->obproxy->version);
		end_object(sb);
	}
	strbuf_adds(sb, "],");
	add_number(sb, "sshPort", h->ssh_port);
	add_text(sb, "status", h->words->status);
	add_text(sb, "typeName", h->words->type);
	end_object(sb);
}

static void render_package(struct strbuf *sb, const struct inventory *inv, size_t i)
{
	const struct inv_package *p = &inv->packages[i];

	strbuf_addc(sb, '{');
	add_text(sb, "architecture", p->architecture);
	add_text(sb, "buildNumber", p->build);
	add_time(sb, "createTime", p->create_time_us);
	strbuf_adds(sb, "\"extension\":\"rpm\",");
	add_text(sb, "fileName", p->file_name);
	add_number(sb, "id", p->id);
	add_text(sb, "name", p->name);
	add_text(sb, "operatingSystem", p->os);
	add_text(sb, "sha256", p->sha256);
	add_number(sb, "size", p->size);
	add_text(sb, "type", p->type);
	add_text(sb, "version", p->version);
	end_object(sb);
}

/* One page of `count` rows. */
static void answer_page(struct call *c, size_t count,
        void (*render)(struct strbuf *sb, const struct inventory *inv, size_t i))
{
	_cleanup_faults_ struct faults faults = FAULTS_INIT;
	struct page page = query_page(c, &faults);
	int64_t total = (int64_t)count, from = (page.number - 1) * page.size;

	if (faults.count) {
		reply_faults(c, &faults);
		return;
	}
	reply_begin(c);
	strbuf_adds(&c->reply, "{\"contents\":[");
	for (int64_t i = from; i < total && i < from + page.size; i++) {
		if (i > from)
			strbuf_addc(&c->reply, ',');
		render(&c->reply, keeper_inventory(c->in->inventory), (size_t)i);
	}
	strbuf_adds(&c->reply, "],");
	page_render(&c->reply, &page, total);
	strbuf_addc(&c->reply, '}');
	reply_end(c, MHD_HTTP_OK);
}

void cluster_list(struct call *c)
{
	answer_page(c, keeper_inventory(c->in->inventory)->cluster_count, render_cluster);
}

void host_list(struct call *c)
{
	answer_page(c, keeper_inventory(c->in->inventory)->host_count, render_host);
}

void package_list(struct call *c)
{
	answer_page(c, keeper_inventory(c->in->inventory)->package_count, render_package);
}

void cluster_get(struct call *c)
{
	const struct inventory *inv = keeper_inventory(c->in->inventory);
	const struct inv_cluster *found = inventory_cluster(inv, c->params[0]);

	if (!found) {
		reply_error(c, MHD_HTTP_NOT_FOUND, "ODP21001",
		        "there is no OBProxy cluster %" PRId64, c->params[0]);
		return;
	}
	reply_begin(c);
	render_cluster(&c->reply, inv, (size_t)(found - inv->clusters));
	reply_end(c, MHD_HTTP_OK);
}

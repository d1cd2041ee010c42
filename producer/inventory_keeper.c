#include "producer/inventory_keeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/db.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

/* A change is seen within 1 s. Reading a large inventory takes long: then rather half of the time
 * is left to others. */
#define LOOK_MS 300
#define LOOK_MS_MAX 700
#define LEAVE_MS 1500

struct inventory_keeper {
	struct ingress *in;
	/* loop thread */
	struct inventory *now; /* never NULL */
	bool loaded;
	struct task_forms forms;
	struct taken_hosts taken;
	/* helper thread */
	pthread_t thread;
	struct db db;
	int64_t version;     /* last handed over; -1: none */
	int32_t template_id; /* highest handed over */
	bool told;           /* that it cannot be read */
	/* between them, under the lock */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
	struct inventory *coming, *old; /* old: for the thread to free */
	struct task_forms coming_forms;
	int event_fd;
	_Atomic int socket_fd; /* of db while it is connected; -1: none */
};

/* ---- reading: helper thread ---- */

static bool take_user(void *arg, const PGresult *res)
{
	inventory_add_user(arg, &(struct inv_user){db_get_text(res, 0, 0), db_get_text(res, 0, 1)});
	return true;
}

static bool take_cluster(void *arg, const PGresult *res)
{
	const struct inv_cluster row = {
	        .id = db_get_int8(res, 0, 0),
	        .name = db_get_text(res, 0, 1),
	        .version = db_get_text(res, 0, 2),
	        .work_mode = db_get_text(res, 0, 3),
	        .config_url = db_get_text(res, 0, 4),
	        .address = db_get_text(res, 0, 5),
	        .port = db_get_int4(res, 0, 6),
	        .sql_port = db_get_int4(res, 0, 7),
	        .exporter_port = db_get_int4(res, 0, 8),
	        .parameter_version = db_get_int8(res, 0, 9),
	        .create_time_us = db_get_time(res, 0, 10),
	};

	inventory_add_cluster(arg, &row);
	return true;
}

static bool take_host(void *arg, const PGresult *res)
{
	const struct inv_host_words words = {
	        .status = db_get_text(res, 0, 3),
	        .kind = db_get_text(res, 0, 4),
	        .architecture = db_get_text(res, 0, 5),
	        .os = db_get_text(res, 0, 6),
	        .os_release = db_get_text(res, 0, 7),
	        .idc = db_get_text(res, 0, 8),
	        .region = db_get_text(res, 0, 9),
	        .type = db_get_text(res, 0, 10),
	};
	const struct inv_host row = {
	        .id = db_get_int8(res, 0, 0),
	        .name = db_get_text(res, 0, 1),
	        .address = db_get_text(res, 0, 2),
	        .words = &words,
	        .ssh_port = db_get_int4(res, 0, 11),
	        .create_time_us = db_get_time(res, 0, 12),
	};

	inventory_add_host(arg, &row);
	return true;
}

static bool take_package(void *arg, const PGresult *res)
{
	const struct inv_package row = {
	        .id = db_get_int8(res, 0, 0),
	        .file_name = db_get_text(res, 0, 1),
	        .name = db_get_text(res, 0, 2),
	        .version = db_get_text(res, 0, 3),
	        .build = db_get_text(res, 0, 4),
	        .os = db_get_text(res, 0, 5),
	        .architecture = db_get_text(res, 0, 6),
	        .type = db_get_text(res, 0, 7),
	        .sha256 = db_get_text(res, 0, 8),
	        .size = db_get_int8(res, 0, 9),
	        .create_time_us = db_get_time(res, 0, 10),
	};

	inventory_add_package(arg, &row);
	return true;
}

static bool take_obproxy(void *arg, const PGresult *res)
{
	const struct inv_obproxy row = {
	        .id = db_get_int8(res, 0, 0),
	        .cluster_id = db_get_int8(res, 0, 1),
	        .host_id = db_get_int8(res, 0, 2),
	        .sql_port = db_get_int4(res, 0, 3),
	        .exporter_port = db_get_int4(res, 0, 4),
	        .version = db_get_text(res, 0, 5),
	        .architecture = db_get_text(res, 0, 6),
	        .status = db_get_text(res, 0, 7),
	        .operate_status = db_get_text(res, 0, 8),
	        .parameter_version = db_get_int8(res, 0, 9),
	        .last_active_us = db_get_time(res, 0, 10),
	};

	inventory_add_obproxy(arg, &row);
	return true;
}

static bool take_template(void *arg, const PGresult *res)
{
	const char *name = db_get_text(res, 0, 1), *body = db_get_text(res, 0, 4);
	struct template *t;
	struct err err = {0};

	if (template_parse(body, strlen(body), NULL, &t, &err) < 0) {
		log_error("template cannot be read", "template", "s", name, "error", "e", &err);
		return true;
	}
	t->id = db_get_int4(res, 0, 0);
	task_forms_add(arg, task_form_new(t));
	return true;
}

static int read_tables(struct db *db, struct inventory *inv, struct err *err)
{
	if (db_stream(db, QUERY_API_USERS, NULL, take_user, inv, err) < 0 ||
	        db_stream(db, QUERY_API_CLUSTERS, NULL, take_cluster, inv, err) < 0 ||
	        db_stream(db, QUERY_API_HOSTS, NULL, take_host, inv, err) < 0 ||
	        db_stream(db, QUERY_API_PACKAGES, NULL, take_package, inv, err) < 0 ||
	        db_stream(db, QUERY_API_OBPROXIES, NULL, take_obproxy, inv, err) < 0)
		return -1;
	inventory_finish(inv);
	return 0;
}

static int read_version(struct db *db, int64_t *version, int32_t *template_id, struct err *err)
{
	PGresult *res = NULL;

	if (db_query(db, QUERY_API_INVENTORY_VERSION, NULL, &res, err) < 0)
		return -1;
	if (PQntuples(res) == 1) {
		*version = db_get_int8(res, 0, 0);
		*template_id = db_get_int4(res, 0, 1);
	}
	PQclear(res);
	return 0;
}

/* In one snapshot, so that the version says exactly what was read. */
static int read_changes(struct inventory_keeper *k, struct inventory **ret_inv,
        struct task_forms *forms, int32_t *template_id, struct err *err)
{
	_cleanup_free_ struct db_params *p = xcalloc(1, sizeof(*p));
	struct inventory *inv = inventory_new(-1);
	int rc = -1;

	db_add_int4(p, k->template_id);
	if (db_exec(&k->db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err) == 0 &&
	        read_version(&k->db, &inv->version, template_id, err) == 0 &&
	        (inv->version == k->version || read_tables(&k->db, inv, err) == 0) &&
	        db_stream(&k->db, QUERY_TEMPLATE_LIST, p, take_template, forms, err) == 0)
		rc = db_exec(&k->db, "COMMIT", err);
	db_params_release(p);
	if (rc < 0) {
		db_disconnect(&k->db); /* a failed transaction may be open on it */
		task_forms_release(forms);
	}
	if (rc < 0 || inv->version == k->version) {
		inventory_free(inv);
		inv = NULL;
	}
	*ret_inv = inv;
	return rc;
}

/* ---- the helper thread ---- */

static void hand_over(struct inventory_keeper *k, struct inventory *inv, struct task_forms *forms)
{
	struct inventory *missed;

	pthread_mutex_lock(&k->lock);
	missed = inv ? k->coming : NULL; /* the loop had no time for the last one */
	if (inv)
		k->coming = inv;
	for (size_t i = 0; i < forms->count; i++)
		task_forms_add(&k->coming_forms, forms->forms[i]);
	pthread_mutex_unlock(&k->lock);
	free(forms->forms); /* the forms themselves were handed over */
	inventory_free(missed);
	(void)!eventfd_write(k->event_fd, 1);
}

static int look(struct inventory_keeper *k, struct err *err)
{
	struct task_forms forms = {0};
	struct inventory *inv;
	int64_t version = -1;
	int32_t template_id = 0;

	if (db_connect(&k->db, err) < 0)
		return -1;
	atomic_store(&k->socket_fd, PQsocket(k->db.conn));
	if (read_version(&k->db, &version, &template_id, err) < 0)
		return -1;
	if (version == k->version && template_id <= k->template_id)
		return 0;
	if (read_changes(k, &inv, &forms, &template_id, err) < 0)
		return -1;
	if (inv)
		k->version = inv->version;
	k->template_id = template_id;
	hand_over(k, inv, &forms);
	return 0;
}

static void say(struct inventory_keeper *k, const struct err *err)
{
	/* That PostgreSQL is away, the pool says. */
	if (!k->told && err->kind == ERR_PERMANENT)
		log_error("the inventory cannot be read; was `obpipe migrate` run?", "error", "e",
		        err);
	k->told = true;
}

static void *run(void *arg)
{
	struct inventory_keeper *k = arg;

	pthread_mutex_lock(&k->lock);
	while (!k->stop) {
		struct inventory *old = k->old;
		struct err err = {0};
		struct timespec until;
		int64_t began = clock_mono_ms(), pause;

		k->old = NULL;
		pthread_mutex_unlock(&k->lock);
		inventory_free(old);
		if (look(k, &err) < 0)
			say(k, &err);
		else
			k->told = false;
		if (!k->db.conn)
			atomic_store(&k->socket_fd, -1);
		pause = clock_mono_ms() - began;
		pause = pause < LOOK_MS ? LOOK_MS : pause > LOOK_MS_MAX ? LOOK_MS_MAX : pause;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += pause * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_lock(&k->lock);
		while (!k->stop && pthread_cond_timedwait(&k->wake, &k->lock, &until) != ETIMEDOUT)
			;
	}
	pthread_mutex_unlock(&k->lock);
	db_release(&k->db);
	return NULL;
}

/* ---- loop thread ---- */

static void on_coming(void *arg, uint32_t events)
{
	struct inventory_keeper *k = arg;
	eventfd_t count;

	(void)!eventfd_read(k->event_fd, &count);
	pthread_mutex_lock(&k->lock);
	for (size_t i = 0; i < k->coming_forms.count; i++)
		task_forms_add(&k->forms, k->coming_forms.forms[i]);
	free(k->coming_forms.forms);
	k->coming_forms = (struct task_forms){0};
	if (k->coming) {
		if (k->old)
			inventory_free(k->old);
		k->old = k->now;
		k->now = k->coming;
		k->coming = NULL;
		k->loaded = true;
	}
	pthread_mutex_unlock(&k->lock);
	metric_set(METRIC_INVENTORY_VERSION, k->now->version);
}

struct inventory_keeper *keeper_new(struct ingress *in)
{
	struct inventory_keeper *k = xcalloc(1, sizeof(*k));
	pthread_condattr_t monotonic;

	k->in = in;
	k->now = inventory_new(0);
	k->version = -1;
	db_init(&k->db, &in->settings, "obpipe-inventory");
	atomic_store(&k->socket_fd, -1);
	pthread_mutex_init(&k->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&k->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	k->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	loop_add(in->loop, k->event_fd, EPOLLIN, on_coming, k);
	if (pthread_create(&k->thread, NULL, run, k) != 0)
		BUG("cannot start the thread that reads the inventory");
	return k;
}

/* True once the thread has ended. It may wait for a database that stands still: its socket is shut
 * down under it. */
static bool end_thread(struct inventory_keeper *k)
{
	struct timespec until;
	int fd;

	pthread_mutex_lock(&k->lock);
	k->stop = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
	fd = atomic_load(&k->socket_fd);
	if (fd >= 0)
		shutdown(fd, SHUT_RDWR);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LEAVE_MS / 1000;
	return pthread_timedjoin_np(k->thread, NULL, &until) == 0;
}

void keeper_free(struct inventory_keeper *k)
{
	if (!k)
		return;
	loop_del(k->in->loop, k->event_fd);
	if (!end_thread(k)) {
		k->in->thread_left = true;
		return;
	}
	close(k->event_fd);
	inventory_free(k->now);
	inventory_free(k->coming);
	inventory_free(k->old);
	task_forms_release(&k->coming_forms);
	task_forms_release(&k->forms);
	taken_hosts_release(&k->taken);
	pthread_cond_destroy(&k->wake);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

bool keeper_loaded(const struct inventory_keeper *k)
{
	return k->loaded;
}

const struct inventory *keeper_inventory(const struct inventory_keeper *k)
{
	return k->now;
}

const struct task_forms *keeper_forms(const struct inventory_keeper *k)
{
	return &k->forms;
}

struct taken_hosts *keeper_taken(struct inventory_keeper *k)
{
	return &k->taken;
}

#include "workers/identity.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/db.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

struct identity {
	struct worker *worker;
	struct db db;
	pthread_t thread;
	_Atomic bool stop;
	int stop_fd; /* eventfd: readable when it is to stop */
};

static int draw(struct identity *id, struct err *err)
{
	struct worker *w = id->worker;
	struct db_params p = DB_PARAMS_INIT;
	PGresult *res;
	int rc;

	db_add_text(&p, w->settings.worker_name);
	db_add_text(&p, w->settings.roles);
	db_add_text(&p, w->settings.types);
	rc = db_query(&id->db, QUERY_WORKER_REGISTER, &p, &res, err);
	db_params_release(&p);
	if (rc < 0)
		return -1;
	atomic_store(&w->renewed_ms, clock_mono_ms());
	atomic_store(&w->worker_id, db_get_int8(res, 0, 0));
	log_notice("registered", "worker", "i", db_get_int8(res, 0, 0), "name", "s",
	        w->settings.worker_name);
	PQclear(res);
	return 0;
}

static int beat(struct identity *id, struct err *err)
{
	struct worker *w = id->worker;
	struct db_params p = DB_PARAMS_INIT;
	int64_t asked_ms = clock_mono_ms();
	PGresult *res;
	int rc;

	db_add_int8(&p, atomic_load(&w->worker_id));
	rc = db_query(&id->db, QUERY_WORKER_BEAT, &p, &res, err);
	db_params_release(&p);
	if (rc < 0)
		return -1;
	if (PQntuples(res) == 1) {
		/* The time before the call: the counter rose no earlier than that. */
		atomic_store(&w->renewed_ms, asked_ms);
	} else {
		log_error("declared dead by another worker; going on under a new number", "worker",
		        "i", atomic_load(&w->worker_id));
		metric_add(METRIC_REBORN, 1);
		atomic_store(&w->worker_id, 0);
	}
	PQclear(res);
	return 0;
}

static void *run(void *arg)
{
	struct identity *id = arg;
	struct worker *w = id->worker;
	bool told = false;

	while (!atomic_load(&id->stop)) {
		struct err err = {0};
		int rc = atomic_load(&w->worker_id) ? beat(id, &err) : draw(id, &err);

		if (rc < 0 && !told)
			log_warn("heartbeat not taken", "error", "e", &err);
		told = rc < 0;
		if (rc == 0 && !atomic_load(&w->worker_id))
			continue;
		/* Not worker_pause(): the heartbeat goes on while the worker drains. */
		(void)poll(&(struct pollfd){.fd = id->stop_fd, .events = POLLIN}, 1,
		        (int)w->settings.heartbeat_ms);
	}
	return NULL;
}

struct identity *identity_start(struct worker *w)
{
	struct identity *id = xcalloc(1, sizeof(*id));

	id->worker = w;
	id->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (id->stop_fd < 0)
		BUG("eventfd: %s", strerror(errno));
	db_init(&id->db, &w->settings, "obpipe-heartbeat");
	if (pthread_create(&id->thread, NULL, run, id) != 0)
		BUG("cannot start the heartbeat thread");
	return id;
}

void identity_stop(struct identity *id)
{
	struct db_params p = DB_PARAMS_INIT;
	struct err err = {0};

	atomic_store(&id->stop, true);
	if (eventfd_write(id->stop_fd, 1) < 0)
		BUG("eventfd_write: %s", strerror(errno));
	pthread_join(id->thread, NULL);
	close(id->stop_fd);
	db_add_int8(&p, atomic_load(&id->worker->worker_id));
	if (db_query(&id->db, QUERY_WORKER_LEAVE, &p, NULL, &err) < 0)
		log_warn("could not say goodbye; others find out by the heartbeat", "error", "e",
		        &err);
	db_params_release(&p);
	db_release(&id->db);
	free(id);
}

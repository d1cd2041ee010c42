/* obpipe-worker: the order of start-up and shutdown. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/exit_code.h"
#include "common/log.h"
#include "workers/catalog.h"
#include "workers/db_pool.h"
#include "workers/executor.h"
#include "workers/handoff_box.h"
#include "workers/hint_sender.h"
#include "workers/host/host.h"
#include "workers/identity.h"
#include "workers/intake.h"
#include "workers/maintainer.h"
#include "workers/options.h"
#include "workers/worker.h"
#include "workers/worker_http.h"

#define POOL_CONNECTIONS 4
#define CATALOG_RETRY_MS 500
#define FLUSH_MS 1000

static struct worker worker;

/* The main thread waits for signals; all others have them blocked. */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* A stop asked for while we still wait for PostgreSQL. */
static bool stop_pending(const sigset_t *set)
{
	struct timespec none = {0};

	return sigtimedwait(set, NULL, &none) > 0;
}

/* Waits until the schema and at least one subtask type are there. False: asked to stop. */
static bool load_catalog(const sigset_t *signals)
{
	struct db *db = db_pool_borrow(worker.pool);
	bool told = false, loaded = false;

	while (!loaded && !stop_pending(signals)) {
		struct err err = {0};

		loaded = catalog_load(worker.catalog, db, &err) == 0;
		if (loaded && !catalog_type(worker.catalog, 1)) {
			loaded = false;
			err_set(&err, ERR_RETRYABLE, "", "no subtask types: run `obpipe migrate`");
		}
		if (!loaded && !told)
			log_warn("waiting for PostgreSQL and its schema", "error", "e", &err);
		told = true;
		if (!loaded)
			worker_pause(&worker, CATALOG_RETRY_MS);
	}
	db_pool_return(worker.pool, db);
	return loaded;
}

static void wait_for_stop(const sigset_t *set)
{
	int signal_number = 0;

	sigwait(set, &signal_number);
	log_notice("stopping", "signal", "s", strsignal(signal_number));
	worker_stop(&worker);
}

static void *second_signal(void *arg)
{
	int signal_number;

	sigwait(arg, &signal_number);
	log_warn("second signal: leaving at once");
	_exit(EXIT_FAILED);
}

static int fail(const struct err *err)
{
	log_error("cannot start", "error", "e", err);
	return EXIT_USAGE;
}

/* With threads under way that use what main() would free. */
static int fail_running(const struct err *err)
{
	_exit(fail(err));
}

static int serve(sigset_t *signals)
{
	struct err err = {0};
	struct identity *identity;
	struct intake *intake = NULL;
	struct executor *executor = NULL;
	struct maintainer *maintainer = NULL;
	pthread_t impatient;

	if (!(worker.hints = hint_sender_new(&worker.settings, worker.catalog, &err)))
		return fail(&err);
	identity = identity_start(&worker);
	if (worker.settings.handoff)
		worker.box = handoff_box_new();
	if ((worker.roles & ROLE_MAINTAINER) && !(maintainer = maintainer_start(&worker, &err)))
		return fail_running(&err);
	if ((worker.roles & ROLE_EXECUTOR) && !(executor = executor_start(&worker, &err)))
		return fail_running(&err);
	if ((worker.roles & ROLE_INTAKE) && !(intake = intake_start(&worker, &err)))
		return fail_running(&err);
	wait_for_stop(signals);
	if (pthread_create(&impatient, NULL, second_signal, signals) == 0)
		pthread_detach(impatient);
	intake_stop(intake);
	executor_stop(executor);
	maintainer_stop(maintainer);
	hint_sender_free(worker.hints, FLUSH_MS);
	handoff_box_free(worker.box);
	identity_stop(identity);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	static sigset_t signals;
	struct worker_http *http;
	struct err err = {0};
	int code = options_read(&worker, argc, argv);

	if (code >= 0)
		return code;
	block_signals(&signals);
	worker_open(&worker);
	log_init("worker", (enum log_level)log_level_parse(worker.settings.log_level));
	worker.catalog = catalog_new(&worker.settings);
	worker.pool = db_pool_new(&worker.settings, POOL_CONNECTIONS);
	if (worker_http_start(&worker, &http, &err) < 0)
		return fail(&err);
	code = load_catalog(&signals) ? serve(&signals) : EXIT_OK;
	worker_http_stop(http);
	host_sessions_close();
	db_pool_free(worker.pool);
	catalog_free(worker.catalog);
	settings_release(&worker.settings);
	log_notice("stopped");
	return code;
}

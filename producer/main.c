/* obpipe-producer: the order of start-up and shutdown. */
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/exit_code.h"
#include "common/log.h"
#include "common/mem.h"
#include "producer/auth.h"
#include "producer/http_server.h"
#include "producer/id_blocks.h"
#include "producer/inventory_keeper.h"
#include "producer/publish.h"
#include "producer/read_write.h"

#define DRAIN_MS 10000
#define FLUSH_MS 2000
/* Larger pieces (the inventory's arrays, answers of a thousand tasks) are mapped and unmapped.
 * Unless it is set, malloc raises the limit when it unmaps one, and keeps the next ones. */
#define MAP_BYTES (1024 * 1024)

static struct ingress ingress;

static int read_settings(int argc, char **argv)
{
	static const struct option options[] = {
	        {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option != 'h')
			return EXIT_USAGE;
		puts("Usage: obpipe-producer\n\nAccepts requests over HTTP and publishes them to "
		     "Kafka.\n\nSettings (environment):");
		settings_help(stdout, SETTING_PRODUCER);
		return EXIT_OK;
	}
	if (optind < argc) {
		fprintf(stderr,
		        "obpipe-producer: \"%s\": everything is set by the environment, "
		        "see --help\n",
		        argv[optind]);
		return EXIT_USAGE;
	}
	if (settings_load(&ingress.settings, SETTING_PRODUCER, NULL, NULL, &errors) == 0)
		return -1;
	fputs(errors.buf, stderr);
	fputs("Try `obpipe-producer --help`.\n", stderr);
	return EXIT_USAGE;
}

static void on_signal(void *arg, uint32_t events)
{
	int fd = *(int *)arg;
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (ingress.draining) {
		log_warn("second signal: leaving at once");
		_exit(EXIT_FAILED);
	}
	log_notice("stopping", "signal", "s", strsignal((int)info.ssi_signo));
	ingress.draining = true;
	loop_stop(ingress.loop);
}

static int watch_signals(void)
{
	static int fd;
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	loop_add(ingress.loop, fd, EPOLLIN, on_signal, &fd);
	return fd;
}

/* Requests under way get their answer; then what Kafka still holds is waited for. */
static void drain(void)
{
	int64_t until = clock_mono_ms() + DRAIN_MS;

	http_server_quiesce(ingress.http);
	while (http_server_calls(ingress.http) > 0 && clock_mono_ms() < until)
		loop_turn(ingress.loop, 50);
}

static int start(struct err *err)
{
	_cleanup_free_ char *address = NULL;

	if (http_server_start(&ingress, &address, err) < 0)
		return -1;
	if (*ingress.settings.server_address) {
		ingress.server = xstrdup(ingress.settings.server_address);
	} else {
		ingress.server = xstrdup(address);
		*strrchr(ingress.server, ':') = '\0';
	}
	ingress.publisher = publisher_new(&ingress, err);
	ingress.ends = ingress.publisher ? log_ends_new(&ingress, err) : NULL;
	if (!ingress.ends)
		return -1;
	for (int i = 0; i < ingress.settings.pg_pool; i++)
		ingress.pool[i] = db_async_new(
		        ingress.loop, &ingress.settings, "obpipe-ingress", NULL, NULL);
	ingress.auth = auth_new(&ingress);
	ingress.inventory = keeper_new(&ingress);
	ingress.ids = id_blocks_new(&ingress);
	log_notice("listening", "address", "s", address);
	return 0;
}

/*
 * What calls wait for goes first, each answering them on its way out; then the answers are sent;
 * then the rest. A connection of the pool leaves the pool before its batches fail: their owners may
 * want to send the next one.
 */
static void stop(int signal_fd)
{
	publisher_free(ingress.publisher, FLUSH_MS);
	for (int i = 0; i < ingress.settings.pg_pool; i++) {
		struct db_async *db = ingress.pool[i];

		ingress.pool[i] = NULL;
		db_async_free(db);
	}
	auth_free(ingress.auth);
	log_ends_free(ingress.ends);
	http_server_free(ingress.http);
	id_blocks_free(ingress.ids);
	keeper_free(ingress.inventory);
	if (ingress.thread_left) {
		log_notice("stopped");
		_exit(EXIT_OK);
	}
	loop_del(ingress.loop, signal_fd);
	close(signal_fd);
	loop_free(ingress.loop);
	free(ingress.server);
	settings_release(&ingress.settings);
}

int main(int argc, char **argv)
{
	struct err err = {0};
	int code = read_settings(argc, argv), signal_fd;

	if (code >= 0)
		return code;
	mallopt(M_MMAP_THRESHOLD, MAP_BYTES);
	log_init("producer", (enum log_level)log_level_parse(ingress.settings.log_level));
	ingress.loop = loop_new();
	signal_fd = watch_signals();
	if (start(&err) < 0) {
		log_error("cannot start", "error", "e", &err);
		return EXIT_USAGE;
	}
	loop_run(ingress.loop);
	drain();
	stop(signal_fd);
	log_notice("stopped");
	return EXIT_OK;
}

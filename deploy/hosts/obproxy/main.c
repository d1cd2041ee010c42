#include "deploy/hosts/obproxy/standin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "common/mem.h"

/* ---- command line ---- */

static const struct option long_options[] = {
        {"help", no_argument, NULL, 'h'},
        {"listen_port", required_argument, NULL, 'p'},
        {"prometheus_listen_port", required_argument, NULL, 'l'},
        {"rpc_listen_port", required_argument, NULL, 's'},
        {"optstr", required_argument, NULL, 'o'},
        {"appname", required_argument, NULL, 'n'},
        {"rs_list", required_argument, NULL, 'r'},
        {"cluster_name", required_argument, NULL, 'c'},
        {"nodaemon", no_argument, NULL, 'N'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
};

struct arguments {
	bool no_daemon;
	const char *port, *exporter_port, *app, *rs_list, *cluster, *options;
};

static void usage(FILE *to, const char *name)
{
	fprintf(to,
	        "usage: %s [-p PORT] [-l EXPORTER_PORT] [-n APP] [-c CLUSTER] [-r IP:PORT;...]\n"
	        "       [-o NAME=VALUE,...] [-N] [-V] [-h]\n",
	        name);
}

static void arguments_read(struct arguments *a, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "hp:l:s:o:n:r:c:NV", long_options, NULL)) != -1) {
		switch (option) {
		case 'p':
			a->port = optarg;
			break;
		case 'l':
			a->exporter_port = optarg;
			break;
		case 's':
			break;
		case 'o':
			a->options = optarg;
			break;
		case 'n':
			a->app = optarg;
			break;
		case 'r':
			a->rs_list = optarg;
			break;
		case 'c':
			a->cluster = optarg;
			break;
		case 'N':
			a->no_daemon = true;
			break;
		case 'V':
			printf("obproxy (OceanBase %s)\nREVISION: stand-in of obpipe\n",
			        version_text());
			exit(0);
		case 'h':
			usage(stdout, argv[0]);
			exit(0);
		default:
			usage(stderr, argv[0]);
			exit(1);
		}
	}
}

static void set_or_die(const char *name, const char *value)
{
	if (value && config_set(name, value) != CONFIG_OK) {
		fprintf(stderr, "obproxy: \"%s\" is not allowed for %s\n", value, name);
		exit(1);
	}
}

static void configure(const struct arguments *a)
{
	config_load();
	if (a->options)
		config_set_options(a->options);
	set_or_die("listen_port", a->port);
	set_or_die("prometheus_listen_port", a->exporter_port);
	set_or_die("app_name", a->app);
	set_or_die("rootservice_list", a->rs_list);
	set_or_die("rootservice_cluster_name", a->cluster);
}

/* ---- life ---- */

/* The parent ends with 0 before anything was bound, as the real one does. */
static void daemonise(void)
{
	int log, null;

	if (mkdir("log", 0755) != 0 && errno != EEXIST) {
		fprintf(stderr, "obproxy: the folder log cannot be made: %s\n", strerror(errno));
		exit(1);
	}
	log = open("log/obproxy.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (log < 0 || null < 0) {
		fprintf(stderr, "obproxy: log/obproxy.log cannot be written: %s\n",
		        strerror(errno));
		exit(1);
	}
	if (fork() != 0)
		_exit(0);
	setsid();
	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	setvbuf(stderr, NULL, _IOLBF, 0);
}

static int listen_at(int port)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fault_on("no-bind", NULL)) {
		errno = EADDRINUSE;
		return -1;
	}
	if (bind(fd, (const struct sockaddr *)&where, sizeof(where)) != 0 || listen(fd, 128) != 0)
		return -1;
	return fd;
}

struct arrival {
	int fd;
	char address[64];
};

static void *serve(void *arg)
{
	struct arrival *a = arg;

	client_serve(a->fd, a->address);
	free(a);
	return NULL;
}

static void accept_one(int listener)
{
	struct sockaddr_in peer;
	socklen_t length = sizeof(peer);
	pthread_t thread;
	struct arrival *a = xcalloc(1, sizeof(*a));

	a->fd = accept4(listener, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC);
	if (a->fd < 0 || !inet_ntop(AF_INET, &peer.sin_addr, a->address, sizeof(a->address)) ||
	        pthread_create(&thread, NULL, serve, a) != 0) {
		if (a->fd >= 0)
			close(a->fd);
		free(a);
		return;
	}
	pthread_detach(thread);
}

static void *end_later(void *arg)
{
	fault_sleep("exit-after");
	log_line("exit after %s ms, as the fault says", (const char *)arg);
	_exit(1);
}

static void end_when_told(void)
{
	pthread_t thread;
	char *after;

	if (fault_on("exit-after", &after) && pthread_create(&thread, NULL, end_later, after) == 0)
		pthread_detach(thread);
}

static int config_port(const char *name)
{
	_cleanup_free_ char *text = config_get(name);

	return atoi(text);
}

int main(int argc, char **argv)
{
	struct arguments a = {0};
	int listener, port;

	arguments_read(&a, argc, argv);
	if (geteuid() == 0) {
		fprintf(stderr, "obproxy: must not run as root; run it as admin\n");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	configure(&a);
	if (!a.no_daemon)
		daemonise();
	if (config_save() != 0) {
		log_line("the configuration cannot be written to etc/: %s", strerror(errno));
		return 1;
	}
	port = config_port("listen_port");
	listener = listen_at(port);
	if (listener < 0) {
		log_line("bind to port %d failed: %s", port, strerror(errno));
		return 1;
	}
	if (!fault_on("no-metrics", NULL) &&
	        metrics_start(config_port("prometheus_listen_port")) != 0) {
		log_line("the exporter port cannot be bound: %s", strerror(errno));
		return 1;
	}
	end_when_told();
	log_line("obproxy %s serves on port %d", version_text(), port);
	for (;;)
		accept_one(listener);
}

/*
 * A stand-in for OceanBase's OBProxy, for demo and test hosts: the same command line, MySQL
 * protocol, proxy configuration statements, /metrics and files, no proxying. What it copies of the
 * real one is in host-operations.md, section D.
 *
 * Faults, for tests: while the file /home/admin/obproxy-faults is there, each of its lines is one
 * fault, "name" or "name value"; it is read again at each use.
 *   no-bind            the SQL port cannot be bound: ends after daemonising
 *   exit-after MS      ends by itself after that time
 *   no-greeting        accepts SQL connections and says nothing
 *   slow MS            each statement takes that long
 *   unknown NAME       `alter` of that parameter: error 5099
 *   invalid NAME       `alter` of that parameter: error 4147
 *   cut                the connection breaks in the middle of a result
 *   metrics-status N   /metrics answers N
 *   metrics-slow MS    /metrics takes that long
 *   no-metrics         the exporter port is not bound
 *   version TEXT       what -V and `show proxyinfo binary` say
 */
#ifndef OBPIPE_DEPLOY_HOSTS_STANDIN_H
#define OBPIPE_DEPLOY_HOSTS_STANDIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/strbuf.h"

#ifndef OBPROXY_VERSION
#define OBPROXY_VERSION "1.9.1.1"
#endif
#ifndef OBPROXY_RELEASE
#define OBPROXY_RELEASE "1919579.el7"
#endif

/* ---- faults.c ---- */

/* True when the fault is on. *ret (NULL allowed, else malloc'd or NULL) is its value. */
bool fault_on(const char *name, char **ret);
/* The same, and some line "name value" has that value. */
bool fault_names(const char *name, const char *value);
/* Its value as a number; 0 when it is off. */
int64_t fault_number(const char *name);
void fault_sleep(const char *name);

void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *version_text(void); /* "1.9.1.1-1919579.el7" */

/* ---- config.c: the parameters; any thread ---- */

enum config_error {
	CONFIG_OK = 0,
	CONFIG_UNKNOWN = 5099,
	CONFIG_INVALID = 4147,
	CONFIG_FIXED = 1235
};

/* Defaults, then what etc/ has. */
void config_load(void);
/* Writes all to etc/, atomically. 0 or -1 with errno. */
int config_save(void);
/* "k=v,k=v" of -o: unknown names are tolerated, as in the real one. */
void config_set_options(const char *options);
/* Validates, applies and saves; secrets are stored as SHA-1 in hex. */
enum config_error config_alter(const char *name, const char *value);
/* The same without saving, and a secret is the SHA-1 in hex already. */
enum config_error config_set(const char *name, const char *value);
/* malloc'd; NULL when unknown. */
char *config_get(const char *name);
bool config_is_true(const char *name);
/* Calls `row` for each parameter whose name matches the LIKE pattern (NULL: all). */
void config_each(const char *pattern,
        void (*row)(void *arg, const char *name, const char *value, const char *info,
                bool need_reboot, const char *level),
        void *arg);
void sha1_hex(const char *text, char ret[41]);

/* ---- mysql.c: one SQL connection ---- */

struct client {
	int fd;
	uint8_t sequence;
	bool inspector; /* may only `ping proxy` */
	bool broken;
	char address[64];
	struct strbuf out; /* packets to be sent */
};

/* Serves one connection to its end, and closes fd. */
void client_serve(int fd, const char *address);
void client_ok(struct client *c);
void client_error(struct client *c, int number, const char *state, const char *text);
/* A result set: names first, then each row, then the end. NULL ends each list of `columns`. */
void client_columns(struct client *c, const char *const *names);
void client_row(struct client *c, const char *const *values, size_t columns);
void client_end(struct client *c);

/* ---- statement.c ---- */

void statement_run(struct client *c, const char *text);

/* ---- metrics.c ---- */

void metrics_count_statement(void);
void metrics_count_session(int delta);
/* 0, or -1 with errno. */
int metrics_start(int port);

#endif

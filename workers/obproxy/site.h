/*
 * site: the OBProxy a task works on, as its row and those around it say. Read by every subtask but
 * the first, which inserts the row.
 */
#ifndef OBPIPE_WORKERS_OBPROXY_SITE_H
#define OBPIPE_WORKERS_OBPROXY_SITE_H

#include <stdint.h>

#include "workers/subtask_type.h"

/* The user OBProxy runs as; it refuses root (OCP's takeover FAQ). */
#define OBPROXY_USER "admin"
/* Where packages of OBProxy install, one folder a version. */
#define OBPROXY_FOLDER "/opt/taobao/install"
/* Debian's rpm keeps its database in the caller's home unless it is told. */
#define RPM_DATABASE "--dbpath", "/var/lib/rpm"

struct site {
	int64_t obproxy_id, cluster_id, host_id;
	int sql_port, exporter_port;
	char *version;      /* "1.9.1.1-1919579" */
	char *architecture; /* x86_64 */
	char *status;       /* CREATING, RUNNING */
	char *cluster_name, *work_mode;
	char *config_url, *rs_list; /* NULL: none */
	int64_t parameter_version;  /* of the cluster */
	char *file_name, *sha256;   /* of the package */
	char *path;                 /* of its file, on the worker's machine */
	int64_t size;               /* bytes */
	char *full_name;            /* "obproxy-1.9.1.1-1919579.el7.x86_64", as rpm prints it */
	char *package_name;         /* "obproxy" */
	char *package_version;      /* "1.9.1.1" */
	char *root;                 /* "/opt/taobao/install/obproxy-1.9.1.1" */
};

#define SITE_INIT                                                                                  \
	{                                                                                          \
		0                                                                                  \
	}
#define _cleanup_site_ __attribute__((cleanup(site_release)))

/* PERMANENT when the row is not there or another task's: somebody removed it, or the first subtask
 * never ran. Release it in either case. */
int site_load(struct subtask_ctx *ctx, struct site *ret, struct err *err)
        __attribute__((warn_unused_result));
void site_release(struct site *s);

struct parameter {
	char *name, *value;
};
struct parameters {
	struct parameter *list;
	size_t count;
};
#define _cleanup_parameters_ __attribute__((cleanup(parameters_release)))
/* The cluster's parameters for its OBProxies: those given on the command line (startup), or those
 * set by ALTER. */
int parameters_load(struct subtask_ctx *ctx, const struct site *s, bool startup,
        struct parameters *ret, struct err *err) __attribute__((warn_unused_result));
void parameters_release(struct parameters *p);

/*
 * The undo record: stores what this step found before its first change, once a task and step. The
 * object is consumed. *ret is what the first attempt found, this one's or an older one's; the
 * caller's. PERMANENT when another attempt has taken over.
 */
int undo_record(struct subtask_ctx *ctx, json_t *found, json_t **ret, struct err *err)
        __attribute__((warn_unused_result));

#endif

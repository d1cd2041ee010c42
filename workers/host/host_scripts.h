/*
 * host_scripts: the shell scripts that run on hosts, as text (generated from workers/host/ .sh
 * files by workers/host/embed).
 */
#ifndef OBPIPE_WORKERS_HOST_HOST_SCRIPTS_H
#define OBPIPE_WORKERS_HOST_HOST_SCRIPTS_H

extern const char host_guard_text[];
extern const char host_guard_sha256[]; /* 64 hex digits */
extern const char host_enter_text[];
extern const char host_run_text[];
extern const char host_put_text[];

#endif

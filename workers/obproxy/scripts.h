/* scripts: what subtask types of OBProxy run on hosts, as text (generated from the .sh files of
 * this folder by workers/host/embed). */
#ifndef OBPIPE_WORKERS_OBPROXY_SCRIPTS_H
#define OBPIPE_WORKERS_OBPROXY_SCRIPTS_H

extern const char obproxy_facts_text[];
extern const char obproxy_look_text[];
extern const char obproxy_package_text[];
extern const char obproxy_stop_text[];

#endif

/*
 * package_name: the parts of an rpm file name, and rpm's order of versions. Pure.
 * name-version-release.os.arch.rpm (host-operations.md C.1): arch behind the last dot, release
 * behind the last dash, version behind the dash before, the rest is the name.
 */
#ifndef OBPIPE_COMMON_PACKAGE_NAME_H
#define OBPIPE_COMMON_PACKAGE_NAME_H

#include "common/err.h"

#define PACKAGE_PART_MAX 128

struct package_name {
	char name[PACKAGE_PART_MAX];    /* obproxy */
	char version[PACKAGE_PART_MAX]; /* 1.9.1.1 */
	char build[PACKAGE_PART_MAX];   /* 1919579 */
	char os[PACKAGE_PART_MAX];      /* el7 */
	char arch[PACKAGE_PART_MAX];    /* x86_64 */
};

/* PERMANENT when the text is none. */
int package_name_parse(const char *file, struct package_name *ret, struct err *err)
        __attribute__((warn_unused_result));

/* rpm's own order (rpmvercmp): < 0, 0, > 0; "1.10" > "1.9", "~" sorts lowest. */
int version_compare(const char *a, const char *b);

/* What OBProxy a cluster of that OceanBase version takes (OCP manual, "Add an OBProxy"): NULL when
 * `package` is one, else words for it, such as "4.0.0 or newer". */
const char *obproxy_version_rule(const char *cluster, const char *package);

#endif

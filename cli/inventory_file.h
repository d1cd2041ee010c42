/*
 * inventory_file: an inventory file, looked over as a whole. Reads package files; else pure.
 *
 * {credentials: [{id, name, userName, keyFile}],
 *  clusters: [{id, name, version, workMode, rsList | configUrl, address?, port?, sqlPort?,
 *              exporterPort?, parameters?: [{name, value}], startupParameters?: [{name, value}]}],
 *  hosts: [{id, name, address, sshPort?, hostKey, credential, architecture, operatingSystem?,
 *           operatingSystemRelease, status?, kind?, idcName?, regionName?, typeName?}],
 *  packages: [{id?, path, type?}], users: [{name, passwordHash}]}
 * All lists may be absent. `credential` is a name.
 */
#ifndef OBPIPE_CLI_INVENTORY_FILE_H
#define OBPIPE_CLI_INVENTORY_FILE_H

#include <jansson.h>
#include <stddef.h>

#include "common/strbuf.h"

struct inventory_faults {
	struct strbuf text; /* "  PLACE: what is wrong\n" each */
	size_t count;
};

void inventory_fault(struct inventory_faults *f, const char *place, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/*
 * Looks `root` over and completes it in place: defaults, `place` of every object, the parts of each
 * package, both kinds of parameters in `allParameters`. Relative package paths are below `folder`.
 * What was wrong is in *faults (release its text); with none, the lists are all there.
 */
void inventory_file_check(json_t *root, const char *folder, struct inventory_faults *faults);

#endif

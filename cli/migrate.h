/* migrate: the parts of `obpipe migrate`. One thread; each prints what it did. */
#ifndef OBPIPE_CLI_MIGRATE_H
#define OBPIPE_CLI_MIGRATE_H

#include "common/db.h"

/* Runs `fn` in a transaction; rolls back when it fails. */
int migrate_transaction(struct db *db, int (*fn)(struct db *db, void *arg, struct err *err),
        void *arg, struct err *err);
/* Loads the templates built in and those of a folder (NULL: none) in one transaction: a bad file
 * among them loads nothing. Subtask types must be there. */
int migrate_templates(struct db *db, const char *folder, struct err *err);

#endif

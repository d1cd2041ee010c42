/*
 * faults: every wrong field of one request, as OCP's subErrors. Pure.
 */
#ifndef OBPIPE_PRODUCER_FAULTS_H
#define OBPIPE_PRODUCER_FAULTS_H

#include <jansson.h>

#include "common/err.h"
#include "common/strbuf.h"

/*
 * Faults of several kinds may come together; the answer's status is that of the worst: 400 (the
 * request is wrong by itself) before 404 (it names what is not there) before 409 (not now). code
 * and first belong to the first fault of that status.
 */
struct faults {
	struct strbuf list;  /* JSON objects, comma separated */
	unsigned int adding; /* status of the faults added from here on; 0: 400 */
	unsigned int status; /* 0: no fault */
	char code[ERR_CODE_BYTES];
	char first[512];
	int count;
};
#define FAULTS_INIT                                                                                \
	{                                                                                          \
		0                                                                                  \
	}
#define _cleanup_faults_ __attribute__((cleanup(faults_release)))

void faults_release(struct faults *f);
/* rejected may be NULL (the field is missing). code is OCP's. */
void fault_add(struct faults *f, const char *code, const char *field, const json_t *rejected,
        const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The same with a text or a number that was rejected; text that is not UTF-8 is not repeated. */
void fault_add_text(struct faults *f, const char *code, const char *field, const char *rejected,
        const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void fault_add_number(struct faults *f, const char *code, const char *field, int64_t rejected,
        const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif

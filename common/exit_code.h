/* exit_code: the one table of process exit codes, by cause. `obpipe watch` has its own meaning for
 * 0, 1 and 2 (successful, failed, unknown), given in its help. */
#ifndef OBPIPE_COMMON_EXIT_CODE_H
#define OBPIPE_COMMON_EXIT_CODE_H

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,      /* the work asked for did not succeed; the reason was printed */
	EXIT_USAGE = 2,       /* wrong arguments or settings: nothing was started or changed */
	EXIT_UNAVAILABLE = 3, /* PostgreSQL, Kafka or the ingress cannot be reached */
	EXIT_INTERNAL = 70,   /* broken invariant */
};

#endif

/*
 * topics: what a test leaves in Kafka.
 */
#ifndef OBPIPE_TESTS_SUPPORT_TOPICS_H
#define OBPIPE_TESTS_SUPPORT_TOPICS_H

#include "tests/support/stack.h"

/* Deletes the topics whose names begin with the prefix of the stack: a broker that was killed goes
 * through all it has. Says on stderr when that fails; the test has ended. */
void topics_delete(const struct stack *s);

#endif

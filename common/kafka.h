/*
 * kafka: the only place that calls librdkafka (Debian's 2.0.2; its traps are heeded here).
 *
 * Producers and consumers are used by one thread each, but for producers of hints; librdkafka's own
 * threads stay behind its queues. Each has an fd for the loop: readable = call the poll function
 * until it returns 0.
 */
#ifndef OBPIPE_COMMON_KAFKA_H
#define OBPIPE_COMMON_KAFKA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/settings.h"

/* ---- topic names ---- */

/* Prefix + name, for example kafka_topic(s, "requests"); malloc'd. */
char *kafka_topic(const struct settings *settings, const char *name);
/* Prefix + "subtasks." + type name; malloc'd. */
char *kafka_subtask_topic(const struct settings *settings, const char *type_name);

/* ---- producer ---- */

enum kafka_producer_kind {
	KAFKA_REQUESTS, /* acks=all, idempotent, message.timeout.ms = publish_timeout_ms */
	KAFKA_EVENTS,   /* acks=all, idempotent, long timeout */
	KAFKA_BATCHES,  /* the same for whole batches: messages wait for kafka_producer_flush() */
	KAFKA_HINTS, /* acks=1, perishable: message.timeout.ms 2 s, dropped when the queue is full
	              */
};

enum kafka_outcome {
	KAFKA_PERSISTED,     /* acknowledged */
	KAFKA_NOT_PERSISTED, /* certainly not in the log */
	KAFKA_UNKNOWN,       /* may be in the log (timed out after sending, purged) */
};

struct kafka_header {
	const char *name;
	const void *value; /* NULL: the header is left out */
	size_t bytes;
};

/* Runs inside kafka_producer_poll(). opaque is what kafka_produce() got. error is "" when
 * persisted. offset and partition are -1 when not persisted. */
typedef void (*kafka_report_fn)(void *arg, void *opaque, enum kafka_outcome outcome,
        int32_t partition, int64_t offset, const char *error);

struct kafka_producer;

/*
 * on_report may be NULL (hints). Does not wait for a broker. One thread; of a KAFKA_HINTS producer
 * any thread may produce and poll: it is never rebuilt (a fatal error is idempotence's; what it
 * loses is found by stealing). kafka_producer_know() belongs to the start, before others use it.
 */
struct kafka_producer *kafka_producer_new(const struct settings *settings,
        enum kafka_producer_kind kind, kafka_report_fn on_report, void *arg, struct err *err);
/* Waits up to flush_ms for what is queued, then frees. Reports still run from here. */
void kafka_producer_free(struct kafka_producer *p, int flush_ms);
/* Looks a topic up now: the first message to an unknown one may wait 1 s for metadata otherwise. */
void kafka_producer_know(struct kafka_producer *p, const char *topic);
/* Readable when kafka_producer_poll() has something to do. */
int kafka_producer_fd(const struct kafka_producer *p);
/* Drains the fd, runs reports, rebuilds a fatal producer (messages still queued then are reported
 * UNKNOWN). Returns the number of events served. */
int kafka_producer_poll(struct kafka_producer *p);
/* Sends what waits and runs reports until all are in, at most wait_ms. */
void kafka_producer_flush(struct kafka_producer *p, int wait_ms);
/* Messages queued or in flight. */
int kafka_producer_queued(const struct kafka_producer *p);

#define KAFKA_ANY_PARTITION (-1)

/*
 * Queues a copy of the message. 0: queued, exactly one report will follow. -1: not queued and no
 * report (queue full: RETRYABLE; too large or unknown topic: PERMANENT).
 */
int kafka_produce(struct kafka_producer *p, const char *topic, int32_t partition, const void *key,
        size_t key_bytes, const void *value, size_t value_bytes, const struct kafka_header *headers,
        size_t header_count, void *opaque, struct err *err) __attribute__((warn_unused_result));

/* ---- consumer ---- */

struct kafka_message {
	const char *topic; /* all pointers valid until kafka_message_done() */
	int32_t partition;
	int64_t offset;
	int64_t timestamp_ms; /* -1: none */
	const void *key;
	size_t key_bytes;
	const void *value; /* NULL: no value */
	size_t value_bytes;
	void *opaque; /* internal */
};

struct kafka_partition {
	char *topic;
	int32_t partition;
	int64_t offset; /* next to read; KAFKA_OFFSET_* below */
};
#define KAFKA_OFFSET_COMMITTED (-1000) /* where the group stands, else the beginning */
#define KAFKA_OFFSET_BEGINNING (-2)
#define KAFKA_OFFSET_END (-1)

/*
 * Runs inside kafka_consumer_poll() when partitions come (assigned = true) or go. On assignment the
 * function may set each offset; reading starts there. Eager protocol: all come and go together.
 */
typedef void (*kafka_assign_fn)(
        void *arg, bool assigned, struct kafka_partition *parts, size_t count);

struct kafka_consumer;

/*
 * group NULL: no group; use kafka_consumer_assign(). Offsets are committed only by
 * kafka_consumer_commit(). ahead_kib (KiB, memory of this process): what is fetched before it is
 * asked for. When so much waits, librdkafka 2.0.2 looks again a second later, even if it is taken
 * at once; so this is also the most that comes in a second while the reader cannot keep up.
 */
#define KAFKA_AHEAD_KIB 8192          /* small messages, or few */
#define KAFKA_AHEAD_HISTORY_KIB 65536 /* a topic from its beginning */
struct kafka_consumer *kafka_consumer_new(const struct settings *settings, const char *group,
        int ahead_kib, kafka_assign_fn on_assign, void *arg, struct err *err);
/* Leaves the group and closes, with a watchdog: at most close_ms. */
void kafka_consumer_free(struct kafka_consumer *c, int close_ms);
/* Readable once something arrived, until drained: drain, then poll until 0. */
int kafka_consumer_fd(const struct kafka_consumer *c);
void kafka_consumer_drain(struct kafka_consumer *c);
/* Makes the fd readable: for who stops polling before 0. */
void kafka_consumer_again(struct kafka_consumer *c);
int kafka_consumer_subscribe(struct kafka_consumer *c, const char *const *topics, size_t count,
        struct err *err) __attribute__((warn_unused_result));
/* Reads these partitions from their offsets, without a group. */
int kafka_consumer_assign(struct kafka_consumer *c, const struct kafka_partition *parts,
        size_t count, struct err *err) __attribute__((warn_unused_result));
/*
 * Fetches the next message. 1: *ret_msg is filled (call kafka_message_done after use); 0: nothing
 * within wait_ms (0: at once); -1: an error to log (kind FATAL: rebuild the consumer). Call until
 * 0.
 */
int kafka_consumer_poll(struct kafka_consumer *c, int wait_ms, struct kafka_message *ret_msg,
        struct err *err) __attribute__((warn_unused_result));
void kafka_message_done(struct kafka_message *msg);
/* A header's value (last of that name), or NULL. */
const void *kafka_message_header(
        const struct kafka_message *msg, const char *name, size_t *ret_bytes);
/* Commits next-to-read offsets, without waiting. */
void kafka_consumer_commit(
        struct kafka_consumer *c, const struct kafka_partition *parts, size_t count);
/* Stops or restarts fetching one partition; prefetched messages are dropped and fetched again. */
void kafka_consumer_pause(
        struct kafka_consumer *c, const char *topic, int32_t partition, bool pause);
/* Moves one assigned partition. */
int kafka_consumer_seek(struct kafka_consumer *c, const char *topic, int32_t partition,
        int64_t offset, struct err *err) __attribute__((warn_unused_result));

/* ---- questions (blocking; helper threads and the CLI only) ---- */

/* First and next offset of one partition. */
int kafka_consumer_watermarks(struct kafka_consumer *c, const char *topic, int32_t partition,
        int timeout_ms, int64_t *ret_low, int64_t *ret_high, struct err *err)
        __attribute__((warn_unused_result));
/* Partition count of a topic; 0 when it does not exist. */
int kafka_partition_count(const struct settings *settings, const char *topic, int timeout_ms,
        int *ret_count, struct err *err) __attribute__((warn_unused_result));

struct kafka_topic_spec {
	char *name; /* with prefix */
	int partitions;
	int replicas;
	const char *config[16]; /* name, value, name, value, ..., NULL */
};
/*
 * Makes the topics that are missing and verifies partitions, replicas and configuration of those
 * that exist. Returns 0, or -1 naming the first that is wrong (its partitions are never changed).
 */
int kafka_topics_ensure(const struct settings *settings, const struct kafka_topic_spec *specs,
        size_t count, int timeout_ms, struct err *err) __attribute__((warn_unused_result));
/* Called for each topic that is looked at; problem NULL: it is as it should be, else what is not,
 * one line. */
typedef void (*kafka_topic_fn)(void *arg, const struct kafka_topic_spec *spec, const char *problem);
/*
 * Holds every topic against its spec and changes nothing. Returns 0 when all could be looked at
 * (whatever was found), -1 when Kafka could not be asked.
 */
int kafka_topics_check(const struct settings *settings, const struct kafka_topic_spec *specs,
        size_t count, int timeout_ms, kafka_topic_fn fn, void *arg, struct err *err)
        __attribute__((warn_unused_result));
/* Brokers in the cluster, for replica counts. */
int kafka_broker_count(const struct settings *settings, int timeout_ms, int *ret_count,
        struct err *err) __attribute__((warn_unused_result));

#endif

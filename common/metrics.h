/*
 * metrics: counters, gauges and histograms of one process, in the Prometheus text format 0.0.4.
 * metrics.def is the table. Adding and reading: any thread.
 */
#ifndef OBPIPE_COMMON_METRICS_H
#define OBPIPE_COMMON_METRICS_H

#include <stdint.h>

#include "common/strbuf.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

enum metric {
#define METRIC(id, name, kind, label, programs, help) METRIC_##id,
#include "common/metrics.def"
#undef METRIC
	METRIC_MAX,
};

/* Raises a counter (or moves a gauge) without label. */
void metric_add(enum metric m, int64_t by);
/* Sets a gauge without label; one named _seconds in whole seconds, or in us by metric_set_us(). */
void metric_set(enum metric m, int64_t value);
void metric_set_us(enum metric m, int64_t us);
/* One observation of a histogram; unit as its name says (seconds are given in us). */
void metric_observe_us(enum metric m, int64_t us);
void metric_observe(enum metric m, int64_t value);
/* The same for a metric with a label. The value text is copied; from the 64th different one of a
 * metric on, all are counted under "other". */
void metric_add_label(enum metric m, const char *label_value, int64_t by);
void metric_set_label(enum metric m, const char *label_value, int64_t value);
void metric_set_label_us(enum metric m, const char *label_value, int64_t us);
/* Reads a metric without label back (tests, readiness). */
int64_t metric_get(enum metric m);

/* Appends the text form of all metrics of one program (SETTING_PRODUCER or SETTING_WORKER). */
void metrics_render(struct strbuf *sb, int program);

#endif

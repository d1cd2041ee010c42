#include "common/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/settings.h"

#define US_PER_S 1000000

struct metric_row {
	const char *name, *label, *help;
	enum metric_kind kind;
	int programs;
	bool seconds; /* kept in us, printed in seconds */
};

#define P SETTING_PRODUCER
#define W SETTING_WORKER
#define COUNTER METRIC_COUNTER
#define GAUGE METRIC_GAUGE
#define HISTOGRAM METRIC_HISTOGRAM
#define ENDS_IN_SECONDS(name)                                                                      \
	(sizeof(name) > 9 && __builtin_strcmp((name) + sizeof(name) - 9, "_seconds") == 0)
static const struct metric_row metric_table[METRIC_MAX] = {
#define METRIC(id, name, kind, label, programs, help)                                              \
	[METRIC_##id] = {name, label, help, kind, programs, ENDS_IN_SECONDS(name)},
#include "common/metrics.def"
#undef METRIC
};
#undef P
#undef W
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM

static const int64_t buckets_us[] = {500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000,
        500000, 1000000, 2000000, 5000000, 10000000, 30000000, 60000000, 300000000};
static const int64_t buckets_count[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};
#define BUCKETS_MAX ARRAY_SIZE(buckets_us)

struct histogram {
	_Atomic int64_t buckets[BUCKETS_MAX + 1]; /* not cumulative; the last is +Inf */
	_Atomic int64_t sum;
};

#define LABELS_MAX 64
/* The last slot takes every value for which there is no room. */
#define LABEL_OTHER "other"

struct label_slot {
	char *text; /* written once, before `count` lets readers see the slot; never freed */
	_Atomic int64_t value;
};
struct labels {
	_Atomic int count;
	struct label_slot slots[LABELS_MAX];
};

/* One value a metric without label; in us where the row says seconds. */
static _Atomic int64_t values[METRIC_MAX];
static struct histogram histograms[METRIC_MAX];
static struct labels labels[METRIC_MAX];
static pthread_mutex_t labels_lock = PTHREAD_MUTEX_INITIALIZER; /* of adding slots */

static const struct metric_row *row_of(enum metric m, bool histogram, bool label)
{
	if ((unsigned)m >= METRIC_MAX)
		BUG("there is no metric %d", (int)m);
	const struct metric_row *row = &metric_table[m];
	if ((row->kind == METRIC_HISTOGRAM) != histogram || (row->label != NULL) != label)
		BUG("metric %s is not used as metrics.def defines it", row->name);
	return row;
}

static int64_t scaled(const struct metric_row *row, int64_t value)
{
	return row->seconds ? value * US_PER_S : value;
}

void metric_add(enum metric m, int64_t by)
{
	const struct metric_row *row = row_of(m, false, false);
	atomic_fetch_add_explicit(&values[m], scaled(row, by), memory_order_relaxed);
}

void metric_set(enum metric m, int64_t value)
{
	const struct metric_row *row = row_of(m, false, false);
	atomic_store_explicit(&values[m], scaled(row, value), memory_order_relaxed);
}

void metric_set_us(enum metric m, int64_t us)
{
	if (!row_of(m, false, false)->seconds)
		BUG("metric %s does not count seconds", metric_table[m].name);
	atomic_store_explicit(&values[m], us, memory_order_relaxed);
}

int64_t metric_get(enum metric m)
{
	const struct metric_row *row = row_of(m, false, false);
	int64_t value = atomic_load_explicit(&values[m], memory_order_relaxed);
	return row->seconds ? value / US_PER_S : value;
}

static const int64_t *bounds_of(const struct metric_row *row, size_t *ret_count)
{
	*ret_count = row->seconds ? ARRAY_SIZE(buckets_us) : ARRAY_SIZE(buckets_count);
	return row->seconds ? buckets_us : buckets_count;
}

static void observe(const struct metric_row *row, enum metric m, int64_t value)
{
	size_t count;
	const int64_t *bounds = bounds_of(row, &count);
	size_t i = 0;
	while (i < count && value > bounds[i])
		i++;
	atomic_fetch_add_explicit(&histograms[m].buckets[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&histograms[m].sum, value, memory_order_relaxed);
}

void metric_observe_us(enum metric m, int64_t us)
{
	const struct metric_row *row = row_of(m, true, false);
	if (!row->seconds)
		BUG("metric %s does not count seconds", row->name);
	observe(row, m, us);
}

void metric_observe(enum metric m, int64_t value)
{
	const struct metric_row *row = row_of(m, true, false);
	observe(row, m, scaled(row, value));
}

static struct label_slot *slot_search(struct labels *all, const char *text)
{
	int count = atomic_load_explicit(&all->count, memory_order_acquire);
	for (int i = 0; i < count; i++) {
		if (strcmp(all->slots[i].text, text) == 0)
			return &all->slots[i];
	}
	return NULL;
}

static struct label_slot *slot_of(enum metric m, const char *text)
{
	struct labels *all = &labels[m];
	struct label_slot *slot = slot_search(all, text);
	if (slot)
		return slot;
	pthread_mutex_lock(&labels_lock);
	slot = slot_search(all, text);
	int count = atomic_load_explicit(&all->count, memory_order_relaxed);
	if (!slot && count == LABELS_MAX) {
		slot = &all->slots[LABELS_MAX - 1];
	} else if (!slot) {
		slot = &all->slots[count];
		slot->text = xstrdup(count == LABELS_MAX - 1 ? LABEL_OTHER : text);
		atomic_store_explicit(&all->count, count + 1, memory_order_release);
	}
	pthread_mutex_unlock(&labels_lock);
	return slot;
}

void metric_add_label(enum metric m, const char *label_value, int64_t by)
{
	const struct metric_row *row = row_of(m, false, true);
	atomic_fetch_add_explicit(
	        &slot_of(m, label_value)->value, scaled(row, by), memory_order_relaxed);
}

void metric_set_label(enum metric m, const char *label_value, int64_t value)
{
	const struct metric_row *row = row_of(m, false, true);
	atomic_store_explicit(
	        &slot_of(m, label_value)->value, scaled(row, value), memory_order_relaxed);
}

void metric_set_label_us(enum metric m, const char *label_value, int64_t us)
{
	if (!row_of(m, false, true)->seconds)
		BUG("metric %s does not count seconds", metric_table[m].name);
	atomic_store_explicit(&slot_of(m, label_value)->value, us, memory_order_relaxed);
}

static void add_value(struct strbuf *sb, const struct metric_row *row, int64_t value)
{
	if (!row->seconds) {
		strbuf_add_i64(sb, value);
		return;
	}
	if (value < 0)
		strbuf_addc(sb, '-');
	uint64_t us = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	strbuf_add_i64(sb, (int64_t)(us / US_PER_S));
	unsigned rest = (unsigned)(us % US_PER_S);
	if (!rest)
		return;
	strbuf_addf(sb, ".%06u", rest);
	while (sb->buf[sb->len - 1] == '0')
		sb->buf[--sb->len] = '\0';
}

/* The text format escapes backslash, quote and newline in a label's value, nothing else. */
static void add_label_value(struct strbuf *sb, const char *text)
{
	for (const char *at = text; *at; at++) {
		if (*at == '\n') {
			strbuf_adds(sb, "\\n");
			continue;
		}
		if (*at == '\\' || *at == '"')
			strbuf_addc(sb, '\\');
		strbuf_addc(sb, *at);
	}
}

static void render_histogram(struct strbuf *sb, const struct metric_row *row, enum metric m)
{
	size_t count;
	const int64_t *bounds = bounds_of(row, &count);
	int64_t total = 0;
	for (size_t i = 0; i <= count; i++) {
		total += atomic_load_explicit(&histograms[m].buckets[i], memory_order_relaxed);
		strbuf_addf(sb, "%s_bucket{le=\"", row->name);
		if (i < count)
			add_value(sb, row, bounds[i]);
		else
			strbuf_adds(sb, "+Inf");
		strbuf_adds(sb, "\"} ");
		strbuf_add_i64(sb, total);
		strbuf_addc(sb, '\n');
	}
	strbuf_addf(sb, "%s_sum ", row->name);
	add_value(sb, row, atomic_load_explicit(&histograms[m].sum, memory_order_relaxed));
	strbuf_addf(sb, "\n%s_count ", row->name);
	strbuf_add_i64(sb, total);
	strbuf_addc(sb, '\n');
}

static void render_labels(struct strbuf *sb, const struct metric_row *row, enum metric m)
{
	int count = atomic_load_explicit(&labels[m].count, memory_order_acquire);
	for (int i = 0; i < count; i++) {
		const struct label_slot *slot = &labels[m].slots[i];
		strbuf_addf(sb, "%s{%s=\"", row->name, row->label);
		add_label_value(sb, slot->text);
		strbuf_adds(sb, "\"} ");
		add_value(sb, row, atomic_load_explicit(&slot->value, memory_order_relaxed));
		strbuf_addc(sb, '\n');
	}
}

void metrics_render(struct strbuf *sb, int program)
{
	static const char *const kinds[] = {
	        [METRIC_COUNTER] = "counter",
	        [METRIC_GAUGE] = "gauge",
	        [METRIC_HISTOGRAM] = "histogram",
	};
	for (int m = 0; m < METRIC_MAX; m++) {
		const struct metric_row *row = &metric_table[m];
		if (!(row->programs & program))
			continue;
		strbuf_addf(sb, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
		        kinds[row->kind]);
		if (row->kind == METRIC_HISTOGRAM) {
			render_histogram(sb, row, m);
		} else if (row->label) {
			render_labels(sb, row, m);
		} else {
			strbuf_adds(sb, row->name);
			strbuf_addc(sb, ' ');
			add_value(sb, row, atomic_load_explicit(&values[m], memory_order_relaxed));
			strbuf_addc(sb, '\n');
		}
	}
}

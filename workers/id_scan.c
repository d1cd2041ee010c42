#include "workers/id_scan.h"

#define WIDTH_FIRST 65536
#define WIDTH_MIN 1024
#define WIDTH_MAX (INT64_C(1) << 50)
/* A slice between these is wide enough; claims wait behind it. */
#define SHORT_US 2000
#define LONG_US 8000

void id_scan_init(struct id_scan *s)
{
	*s = (struct id_scan){.width = WIDTH_FIRST};
}

int64_t id_scan_end(const struct id_scan *s)
{
	return s->next + s->width;
}

bool id_scan_advance(struct id_scan *s, const struct id_slice *slice)
{
	int64_t end = slice->full ? slice->last + 1 : id_scan_end(s);

	if (!s->lowest)
		s->lowest = slice->lowest;
	s->next = end;
	if (slice->took_us > LONG_US && s->width > WIDTH_MIN)
		s->width /= 2;
	else if (slice->took_us < SHORT_US && !slice->full && s->width < WIDTH_MAX)
		s->width *= 2;
	if (end <= slice->max_id)
		return false;
	s->next = slice->max_id + 1;
	return true;
}

void id_scan_from_lowest(struct id_scan *s)
{
	id_scan_from(s, s->lowest ? s->lowest : s->next);
}

void id_scan_from(struct id_scan *s, int64_t id)
{
	s->first = s->next = id;
	s->lowest = 0;
}

/* db_params: statement parameters and result values in PostgreSQL's binary format. */
#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "common/db.h"
#include "common/mem.h"

/* Type numbers from PostgreSQL's catalog pg_type; fixed for good. */
enum {
	OID_BOOL = 16,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_TEXT = 25,
	OID_TIMESTAMPTZ = 1184,
	OID_VARCHAR = 1043,
	OID_NAME = 19,
	OID_XID8 = 5069
};

/* PostgreSQL counts from 2000-01-01, Unix from 1970-01-01. */
#define PG_EPOCH_US INT64_C(946684800000000)

void db_params_clear(struct db_params *p)
{
	p->count = 0;
	p->len = 0;
}

void db_params_release(struct db_params *p)
{
	free(p->data);
	*p = (struct db_params)DB_PARAMS_INIT;
}

static unsigned char *reserve(struct db_params *p, size_t bytes)
{
	if (p->len + bytes > p->alloc) {
		p->alloc = (p->len + bytes) * 2 + 256;
		p->data = xrealloc(p->data, p->alloc);
	}
	p->len += bytes;
	return p->data + p->len - bytes;
}

static unsigned char *begin(struct db_params *p, size_t bytes)
{
	if (p->count == DB_PARAMS_MAX)
		BUG("more than %d parameters", DB_PARAMS_MAX);
	p->offset[p->count] = p->len;
	p->length[p->count] = (int)bytes;
	p->count++;
	return reserve(p, bytes);
}

static void put_be16(unsigned char *at, uint16_t value)
{
	value = htobe16(value);
	memcpy(at, &value, sizeof(value));
}

static void put_be32(unsigned char *at, uint32_t value)
{
	value = htobe32(value);
	memcpy(at, &value, sizeof(value));
}

static void put_be64(unsigned char *at, uint64_t value)
{
	value = htobe64(value);
	memcpy(at, &value, sizeof(value));
}

void db_params_append(struct db_params *p, const struct db_params *from)
{
	for (int i = 0; from && i < from->count; i++) {
		if (from->length[i] < 0)
			db_add_null(p);
		else
			db_add_bytes(p, from->data + from->offset[i], (size_t)from->length[i]);
	}
}

void db_add_null(struct db_params *p)
{
	begin(p, 0);
	p->length[p->count - 1] = -1;
}

void db_add_bool(struct db_params *p, bool value)
{
	*begin(p, 1) = value;
}

void db_add_int2(struct db_params *p, int16_t value)
{
	put_be16(begin(p, 2), (uint16_t)value);
}

void db_add_int4(struct db_params *p, int32_t value)
{
	put_be32(begin(p, 4), (uint32_t)value);
}

void db_add_int8(struct db_params *p, int64_t value)
{
	put_be64(begin(p, 8), (uint64_t)value);
}

void db_add_time(struct db_params *p, int64_t unix_us)
{
	db_add_int8(p, unix_us - PG_EPOCH_US);
}

void db_add_bytes(struct db_params *p, const void *data, size_t bytes)
{
	unsigned char *at = begin(p, bytes);

	if (bytes)
		memcpy(at, data, bytes);
}

void db_add_text(struct db_params *p, const char *text)
{
	if (text)
		db_add_bytes(p, text, strlen(text));
	else
		db_add_null(p);
}

/*
 * The binary form of a one-dimensional array (PostgreSQL array_recv): dimensions, has-nulls flag,
 * element type, then length and lower bound of the dimension.
 */
static unsigned char *begin_array(struct db_params *p, uint32_t element, size_t count, size_t body)
{
	size_t header = count ? 20 : 12;
	unsigned char *at = begin(p, header + body);

	put_be32(at, count ? 1 : 0);
	put_be32(at + 4, 0);
	put_be32(at + 8, element);
	if (count) {
		put_be32(at + 12, (uint32_t)count);
		put_be32(at + 16, 1);
	}
	return at + header;
}

void db_add_int2_array(struct db_params *p, const int16_t *values, size_t count)
{
	unsigned char *at = begin_array(p, OID_INT2, count, count * 6);

	for (size_t i = 0; i < count; i++, at += 6) {
		put_be32(at, 2);
		put_be16(at + 4, (uint16_t)values[i]);
	}
}

void db_add_int4_array(struct db_params *p, const int32_t *values, size_t count)
{
	unsigned char *at = begin_array(p, OID_INT4, count, count * 8);

	for (size_t i = 0; i < count; i++, at += 8) {
		put_be32(at, 4);
		put_be32(at + 4, (uint32_t)values[i]);
	}
}

void db_add_int8_array(struct db_params *p, const int64_t *values, size_t count)
{
	unsigned char *at = begin_array(p, OID_INT8, count, count * 12);

	for (size_t i = 0; i < count; i++, at += 12) {
		put_be32(at, 8);
		put_be64(at + 4, (uint64_t)values[i]);
	}
}

void db_add_text_array(struct db_params *p, const char *const *values, size_t count)
{
	size_t body = 0;
	bool has_null = false;
	unsigned char *at;

	for (size_t i = 0; i < count; i++)
		body += 4 + (values[i] ? strlen(values[i]) : 0);
	at = begin_array(p, OID_TEXT, count, body);
	for (size_t i = 0; i < count; i++) {
		size_t bytes = values[i] ? strlen(values[i]) : 0;

		put_be32(at, values[i] ? (uint32_t)bytes : UINT32_MAX);
		if (values[i])
			memcpy(at + 4, values[i], bytes);
		else
			has_null = true;
		at += 4 + bytes;
	}
	if (has_null)
		put_be32(p->data + p->offset[p->count - 1] + 4, 1);
}

bool db_is_null(const PGresult *res, int row, int col)
{
	return PQgetisnull(res, row, col);
}

static const char *value(const PGresult *res, int row, int col, Oid type, int bytes)
{
	if (PQftype(res, col) != type)
		BUG("column %s has type %u, not %u", PQfname(res, col), PQftype(res, col), type);
	if (PQgetisnull(res, row, col))
		BUG("column %s is NULL", PQfname(res, col));
	if (PQgetlength(res, row, col) != bytes)
		BUG("column %s has %d bytes", PQfname(res, col), PQgetlength(res, row, col));
	return PQgetvalue(res, row, col);
}

bool db_get_bool(const PGresult *res, int row, int col)
{
	return *value(res, row, col, OID_BOOL, 1) != 0;
}

int16_t db_get_int2(const PGresult *res, int row, int col)
{
	uint16_t v;

	memcpy(&v, value(res, row, col, OID_INT2, 2), sizeof(v));
	return (int16_t)be16toh(v);
}

int32_t db_get_int4(const PGresult *res, int row, int col)
{
	uint32_t v;

	memcpy(&v, value(res, row, col, OID_INT4, 4), sizeof(v));
	return (int32_t)be32toh(v);
}

int64_t db_get_int8(const PGresult *res, int row, int col)
{
	uint64_t v;

	memcpy(&v, value(res, row, col, OID_INT8, 8), sizeof(v));
	return (int64_t)be64toh(v);
}

int64_t db_get_time(const PGresult *res, int row, int col)
{
	uint64_t v;

	if (PQgetisnull(res, row, col))
		return 0;
	memcpy(&v, value(res, row, col, OID_TIMESTAMPTZ, 8), sizeof(v));
	return (int64_t)be64toh(v) + PG_EPOCH_US;
}

const char *db_get_text(const PGresult *res, int row, int col)
{
	Oid type = PQftype(res, col);

	if (type != OID_TEXT && type != OID_VARCHAR && type != OID_NAME)
		BUG("column %s has type %u, not text", PQfname(res, col), type);
	return PQgetisnull(res, row, col) ? NULL : PQgetvalue(res, row, col);
}

#include "common/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/settings_check.h"

enum setting_type { TYPE_TEXT, TYPE_INT, TYPE_BOOL };

struct setting_row {
	const char *field, *env, *fallback, *help;
	enum setting_type type;
	int64_t min, max;
	int programs, flags;
	size_t offset; /* of the member in struct settings */
};

#define P SETTING_PRODUCER
#define W SETTING_WORKER
#define C SETTING_CLI
#define SECRET SETTING_SECRET
#define REQUIRED SETTING_REQUIRED
#define ENDPOINTS SETTING_ENDPOINTS
#define LISTEN SETTING_LISTEN
#define NAMES SETTING_NAMES
#define ROLES SETTING_ROLES
#define PREFIX SETTING_PREFIX
#define OPTIONS SETTING_OPTIONS
#define LEVEL SETTING_LEVEL
#define URL SETTING_URL
static const struct setting_row rows[] = {
#define SETTING(field, env, type, def, min, max, programs, flags, help)                            \
	{#field, env, def, help, TYPE_##type, min, max, programs, flags,                           \
	        offsetof(struct settings, field)},
#include "common/settings.def"
#undef SETTING
};
#undef P
#undef W
#undef C
#undef SECRET
#undef REQUIRED
#undef ENDPOINTS
#undef LISTEN
#undef NAMES
#undef ROLES
#undef PREFIX
#undef OPTIONS
#undef LEVEL
#undef URL

static void *member_of(struct settings *s, const struct setting_row *row)
{
	return (char *)s + row->offset;
}

static const void *member_of_const(const struct settings *s, const struct setting_row *row)
{
	return (const char *)s + row->offset;
}

/* ---- what is wrong ---- */

#define SHOWN_BYTES 200

/* One line: the name, the value unless secret, what is allowed. Returns -1. */
static int fault(struct strbuf *errors, const struct setting_row *row, const char *value,
        const char *allowed)
{
	strbuf_adds(errors, row->env);
	if (row->flags & SETTING_SECRET) {
		strbuf_adds(errors, " (value not shown)");
	} else {
		strbuf_addc(errors, '=');
		strbuf_add_json(errors, value, strnlen(value, SHOWN_BYTES));
		if (strlen(value) > SHOWN_BYTES)
			strbuf_adds(errors, "...");
	}
	strbuf_addf(errors, ": %s\n", allowed);
	return -1;
}

static int missing(struct strbuf *errors, const struct setting_row *row)
{
	strbuf_addf(
	        errors, "%s: is not set and has no default; set it to: %s\n", row->env, row->help);
	return -1;
}

/* ---- one value ---- */

/* Decimal with an optional minus, nothing before or behind it. */
static bool parse_int(const char *value, int64_t *ret_number)
{
	const char *digits = value[0] == '-' ? value + 1 : value;
	if (!digits[0] || digits[strspn(digits, "0123456789")])
		return false;
	errno = 0;
	*ret_number = strtoll(value, NULL, 10);
	return errno == 0;
}

static int set_int(
        struct settings *s, const struct setting_row *row, const char *value, struct strbuf *errors)
{
	int64_t number;
	if (!parse_int(value, &number) || number < row->min || number > row->max) {
		_cleanup_free_ char *allowed = xasprintf(
		        "must be a whole number from %" PRId64 " to %" PRId64, row->min, row->max);
		return fault(errors, row, value, allowed);
	}
	*(int64_t *)member_of(s, row) = number;
	return 0;
}

static int set_bool(
        struct settings *s, const struct setting_row *row, const char *value, struct strbuf *errors)
{
	bool yes = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
	if (!yes && strcmp(value, "false") != 0 && strcmp(value, "0") != 0)
		return fault(errors, row, value, "must be true or false");
	*(bool *)member_of(s, row) = yes;
	return 0;
}

static bool has_control_bytes(const char *value)
{
	for (; *value; value++) {
		if ((unsigned char)*value < 0x20 || *value == 0x7F)
			return true;
	}
	return false;
}

static int set_text(
        struct settings *s, const struct setting_row *row, const char *value, struct strbuf *errors)
{
	size_t len = strlen(value);
	if (len < (size_t)row->min || len > (size_t)row->max) {
		_cleanup_free_ char *allowed = xasprintf("must be %" PRId64 " to %" PRId64
		                                         " bytes long, not %zu",
		        row->min, row->max, len);
		return fault(errors, row, value, allowed);
	}
	if (!(row->flags & SETTING_SECRET) && has_control_bytes(value))
		return fault(errors, row, value, "must not hold line breaks or control characters");
	const char *wrong = setting_form_check(row->flags, value);
	if (wrong)
		return fault(errors, row, value, wrong);
	char **member = member_of(s, row);
	free(*member);
	*member = xstrdup(value);
	return 0;
}

static int set_value(
        struct settings *s, const struct setting_row *row, const char *value, struct strbuf *errors)
{
	switch (row->type) {
	case TYPE_INT:
		return set_int(s, row, value, errors);
	case TYPE_BOOL:
		return set_bool(s, row, value, errors);
	case TYPE_TEXT:
		break;
	}
	return set_text(s, row, value, errors);
}

/* ---- all of them ---- */

static void set_fallback(struct settings *s, const struct setting_row *row)
{
	/* A required setting has an empty default that its own limits would refuse. */
	if (row->type == TYPE_TEXT && !row->fallback[0]) {
		*(char **)member_of(s, row) = xstrdup("");
		return;
	}
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	if (set_value(s, row, row->fallback, &errors) != 0)
		BUG("the default in settings.def is wrong: %s", errors.buf);
}

static const char *from_environment(void *arg, const char *env_name)
{
	return getenv(env_name);
}

int settings_load(struct settings *s, enum setting_program program, settings_lookup_fn lookup,
        void *arg, struct strbuf *errors)
{
	int rc = 0;
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct setting_row *row = &rows[i];
		set_fallback(s, row);
		if (!(row->programs & (int)program))
			continue;
		const char *value = (lookup ? lookup : from_environment)(arg, row->env);
		bool required = row->flags & SETTING_REQUIRED;
		if (value && !(required && !value[0]))
			rc |= set_value(s, row, value, errors);
		else if (required && program != SETTING_CLI)
			rc |= missing(errors, row);
	}
	return rc;
}

void settings_release(struct settings *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].type == TYPE_TEXT)
			free(*(char **)member_of(s, &rows[i]));
	}
	memset(s, 0, sizeof(*s));
}

static const struct setting_row *row_by_field(const char *field)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].field, field) == 0)
			return &rows[i];
	}
	return NULL;
}

int settings_set(struct settings *s, const char *field, const char *value, struct strbuf *errors)
{
	const struct setting_row *row = row_by_field(field);
	if (row)
		return set_value(s, row, value, errors);
	strbuf_addf(errors, "there is no setting \"%s\"\n", field);
	return -1;
}

int settings_require(const struct settings *s, const char *field, struct strbuf *errors)
{
	const struct setting_row *row = row_by_field(field);
	if (!row || row->type != TYPE_TEXT)
		BUG("\"%s\" is no text setting", field);
	const char *value = *(char *const *)member_of_const(s, row);
	return value[0] ? 0 : missing(errors, row);
}

/* ---- showing them ---- */

/* "from 1 to 1000", "true or false", "up to 64 bytes" */
static void add_allowed(struct strbuf *sb, const struct setting_row *row)
{
	if (row->type == TYPE_INT)
		strbuf_addf(sb, "%" PRId64 " to %" PRId64, row->min, row->max);
	else if (row->type == TYPE_BOOL)
		strbuf_adds(sb, "true or false");
	else if (row->min > 0)
		strbuf_addf(sb, "%" PRId64 " to %" PRId64 " bytes", row->min, row->max);
	else
		strbuf_addf(sb, "at most %" PRId64 " bytes", row->max);
}

void settings_help(FILE *out, enum setting_program program)
{
	fputs("Settings (environment):\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct setting_row *row = &rows[i];
		if (!(row->programs & (int)program))
			continue;
		_cleanup_strbuf_ struct strbuf allowed = STRBUF_INIT;
		add_allowed(&allowed, row);
		fprintf(out, "  %s\n      %s\n      (%s; ", row->env, row->help, allowed.buf);
		if (row->flags & SETTING_REQUIRED)
			fputs("no default)\n", out);
		else
			fprintf(out, "default %s)\n", row->fallback[0] ? row->fallback : "empty");
	}
}

/* A cell of a Markdown table. */
static void put_cell(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|' || *text == '<')
			fputc('\\', out);
		fputc(*text, out);
	}
}

void settings_markdown(FILE *out)
{
	fputs("| setting | what it is | default | allowed | read by |\n|---|---|---|---|---|\n",
	        out);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct setting_row *row = &rows[i];
		_cleanup_strbuf_ struct strbuf allowed = STRBUF_INIT;
		add_allowed(&allowed, row);
		fprintf(out, "| `%s` | ", row->env);
		put_cell(out, row->help);
		if (row->flags & SETTING_REQUIRED)
			fputs(" | required", out);
		else if (row->fallback[0])
			fprintf(out, " | `%s`", row->fallback);
		else
			fputs(" | empty", out);
		fprintf(out, " | %s |%s%s%s |\n", allowed.buf,
		        row->programs & SETTING_PRODUCER ? " producer" : "",
		        row->programs & SETTING_WORKER ? " worker" : "",
		        row->programs & SETTING_CLI ? " obpipe" : "");
	}
}

void settings_each(const struct settings *s,
        void (*fn)(void *arg, const char *env_name, const char *value, const char *help), void *arg)
{
	_cleanup_strbuf_ struct strbuf number = STRBUF_INIT;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct setting_row *row = &rows[i];
		const void *member = member_of_const(s, row);
		const char *value;
		if (row->type == TYPE_INT) {
			strbuf_reset(&number);
			strbuf_add_i64(&number, *(const int64_t *)member);
			value = number.buf;
		} else if (row->type == TYPE_BOOL) {
			value = *(const bool *)member ? "true" : "false";
		} else {
			value = *(char *const *)member;
			if (row->flags & SETTING_SECRET && value[0])
				value = "(set)";
		}
		fn(arg, row->env, value, row->help);
	}
}

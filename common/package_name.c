#include "common/package_name.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Manual, "add an OBProxy": what a cluster's OceanBase version accepts. */
#define CLUSTER_FOUR "4"
#define PACKAGE_OLDEST "1.8.0"
#define PACKAGE_FOUR "4.0.0"

#define ALLOWED "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+~^-"
#define FORM "name-version-release.os.arch.rpm, for example obproxy-1.9.1.1-1919579.el7.x86_64.rpm"

static int bad(struct err *err)
{
	return err_set(err, ERR_PERMANENT, "PKG10016", "must be a package file name: " FORM);
}

/* Cuts `text` at its last `separator`; NULL when there is none or a part would be empty. */
static char *cut_last(char *text, char separator)
{
	char *at = strrchr(text, separator);

	if (!at || at == text || !at[1])
		return NULL;
	*at = '\0';
	return at + 1;
}

static int put(char *part, const char *text, struct err *err)
{
	if (snprintf(part, PACKAGE_PART_MAX, "%s", text) >= PACKAGE_PART_MAX)
		return bad(err);
	return 0;
}

int package_name_parse(const char *file, struct package_name *ret, struct err *err)
{
	char text[4 * PACKAGE_PART_MAX];
	size_t len = strlen(file);
	char *arch, *os, *release, *version;

	if (len < 5 || len >= sizeof(text) || strspn(file, ALLOWED) != len ||
	        strcmp(file + len - 4, ".rpm") != 0)
		return bad(err);
	memcpy(text, file, len - 4);
	text[len - 4] = '\0';
	arch = cut_last(text, '.');
	release = arch ? cut_last(text, '-') : NULL;
	version = release ? cut_last(text, '-') : NULL;
	os = version ? strchr(release, '.') : NULL;
	if (!os || !os[1] || os == release || strchr(arch, '-'))
		return bad(err);
	*os++ = '\0';
	if (put(ret->name, text, err) < 0 || put(ret->version, version, err) < 0 ||
	        put(ret->build, release, err) < 0 || put(ret->os, os, err) < 0 ||
	        put(ret->arch, arch, err) < 0)
		return -1;
	return 0;
}

static int compare_numbers(const char *a, size_t a_len, const char *b, size_t b_len)
{
	for (; a_len && *a == '0'; a++)
		a_len--;
	for (; b_len && *b == '0'; b++)
		b_len--;
	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	return strncmp(a, b, a_len);
}

static size_t run_of(const char *text, int digits)
{
	size_t n = 0;

	while (digits ? isdigit((unsigned char)text[n]) : isalpha((unsigned char)text[n]))
		n++;
	return n;
}

static const char *skip(const char *text)
{
	while (*text && !isalnum((unsigned char)*text) && *text != '~' && *text != '^')
		text++;
	return text;
}

/* "~" sorts below everything, the end included; "^" above the end and below everything else. True
 * when one of them stands here: *ret is the order, 0 when both do. */
static bool compare_marks(const char *a, const char *b, int *ret)
{
	if (*a == '~' || *b == '~')
		*ret = (*b == '~') - (*a == '~');
	else if (*a == '^' || *b == '^')
		*ret = !*a ? -1 : !*b ? 1 : (*b == '^') - (*a == '^');
	else
		return false;
	return true;
}

int version_compare(const char *a, const char *b)
{
	while (*a || *b) {
		size_t a_len, b_len;
		int digits, order;

		a = skip(a);
		b = skip(b);
		if (compare_marks(a, b, &order)) {
			if (order)
				return order;
			a++;
			b++;
			continue;
		}
		if (!*a || !*b)
			break;
		digits = isdigit((unsigned char)*a) != 0;
		a_len = run_of(a, digits);
		b_len = run_of(b, digits);
		if (!b_len)
			return digits ? 1 : -1; /* numbers are newer than letters */
		if (digits) {
			order = compare_numbers(a, a_len, b, b_len);
		} else {
			order = strncmp(a, b, a_len < b_len ? a_len : b_len);
			if (!order && a_len != b_len)
				order = a_len < b_len ? -1 : 1;
		}
		if (order)
			return order;
		a += a_len;
		b += b_len;
	}
	return *a ? 1 : *b ? -1 : 0;
}

const char *obproxy_version_rule(const char *cluster, const char *package)
{
	bool four = version_compare(package, PACKAGE_FOUR) >= 0;

	if (version_compare(cluster, CLUSTER_FOUR) >= 0)
		return four ? NULL : PACKAGE_FOUR " or newer";
	if (four || version_compare(package, PACKAGE_OLDEST) < 0)
		return PACKAGE_OLDEST " or newer, older than " PACKAGE_FOUR;
	return NULL;
}

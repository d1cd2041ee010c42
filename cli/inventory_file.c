#include "cli/inventory_file.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/inventory_rules.h"
#include "cli/rpm_file.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/package_name.h"

#define FIELDS_MAX 20

struct field {
	const char *name;
	bool required;
	const char *(*rule)(const char *text); /* a text; NULL: see max */
	int64_t min, max;                      /* an integer; max 0: a list, looked at elsewhere */
	const char *fallback;                  /* of a text that is absent */
};

struct shape {
	const char *list;
	const char *const *unique;       /* members that no two of the list share; NULL-ended */
	struct field fields[FIELDS_MAX]; /* the last one has no name */
};

#define UNIQUE(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ID                                                                                         \
	{                                                                                          \
		"id", true, NULL, 1, JSON_SAFE_INTEGER_MAX, NULL                                   \
	}

static const struct shape shapes[] = {
        {"credentials", UNIQUE("id", "name"),
                {ID, {"name", true, rule_text, 0, 0, NULL},
                        {"userName", true, rule_user_name, 0, 0, NULL},
                        {"keyFile", true, rule_key_file, 0, 0, NULL}}},
        {"clusters", UNIQUE("id", "name"),
                {ID, {"name", true, rule_cluster_name, 0, 0, NULL},
                        {"version", true, rule_version, 0, 0, NULL},
                        {"workMode", true, rule_work_mode, 0, 0, NULL},
                        {"rsList", false, rule_rs_list, 0, 0, NULL},
                        {"configUrl", false, rule_url, 0, 0, NULL},
                        {"address", false, rule_address, 0, 0, NULL},
                        {"port", false, NULL, 1, 65535, NULL},
                        {"sqlPort", false, NULL, 1025, 65535, NULL},
                        {"exporterPort", false, NULL, 1025, 65535, NULL},
                        {"parameters", false, NULL, 0, 0, NULL},
                        {"startupParameters", false, NULL, 0, 0, NULL}}},
        {"hosts", UNIQUE("id"),
                {ID, {"name", true, rule_text, 0, 0, NULL},
                        {"address", true, rule_address, 0, 0, NULL},
                        {"sshPort", false, NULL, 1, 65535, NULL},
                        {"hostKey", true, rule_host_key, 0, 0, NULL},
                        {"credential", true, rule_text, 0, 0, NULL},
                        {"architecture", true, rule_architecture, 0, 0, NULL},
                        {"operatingSystem", false, rule_text, 0, 0, "Linux"},
                        {"operatingSystemRelease", true, rule_text, 0, 0, NULL},
                        {"status", false, rule_status, 0, 0, NULL},
                        {"kind", false, rule_kind, 0, 0, "DEDICATED_PHYSICAL_MACHINE"},
                        {"idcName", false, rule_text, 0, 0, NULL},
                        {"regionName", false, rule_text, 0, 0, NULL},
                        {"typeName", false, rule_text, 0, 0, NULL}}},
        {"packages", UNIQUE("id", "path"),
                {{"id", false, NULL, 1, JSON_SAFE_INTEGER_MAX, NULL},
                        {"path", true, rule_text, 0, 0, NULL},
                        {"type", false, rule_package_type, 0, 0, "OBPROXY_INSTALL_PACKAGE"}}},
        {"users", UNIQUE("name"),
                {{"name", true, rule_login_name, 0, 0, NULL},
                        {"passwordHash", true, rule_password_hash, 0, 0, NULL}}},
};

static const struct shape parameter_shape = {"", UNIQUE("name"),
        {{"name", true, rule_parameter_name, 0, 0, NULL},
                {"value", true, rule_parameter_value, 0, 0, NULL}}};
static const struct shape startup_shape = {"", UNIQUE("name"),
        {{"name", true, rule_parameter_name, 0, 0, NULL},
                {"value", true, rule_startup_value, 0, 0, NULL}}};

void inventory_fault(struct inventory_faults *f, const char *place, const char *fmt, ...)
{
	va_list ap;

	strbuf_addf(&f->text, "  %s: ", place);
	va_start(ap, fmt);
	strbuf_vaddf(&f->text, fmt, ap);
	va_end(ap);
	strbuf_addc(&f->text, '\n');
	f->count++;
}

/* ---- one object ---- */

static void check_value(struct inventory_faults *f, const char *place, const struct field *field,
        const json_t *value)
{
	if (field->rule) {
		const char *allowed = json_is_string(value) ? field->rule(json_string_value(value))
		                                            : "a string";

		if (allowed)
			inventory_fault(f, place, "must be %s", allowed);
	} else if (field->max) {
		if (!json_is_integer(value) || json_integer_value(value) < field->min ||
		        json_integer_value(value) > field->max)
			inventory_fault(f, place, "must be an integer from %" PRId64 " to %" PRId64,
			        field->min, field->max);
	} else if (!json_is_array(value)) {
		inventory_fault(f, place, "must be a list");
	}
}

static void check_members(struct inventory_faults *f, const char *place, const json_t *object,
        const char *const *names)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)object, name, value) {
		_cleanup_free_ char *at = xasprintf("%s%s%s", place, *place ? "." : "", name);
		const char *nearest = cli_nearest(name, names);
		bool known = false;

		for (size_t i = 0; names[i]; i++)
			known |= !strcmp(names[i], name);
		if (!known && nearest)
			inventory_fault(f, at, "there is no such member; is it \"%s\"?", nearest);
		else if (!known)
			inventory_fault(f, at, "there is no such member");
	}
}

static void check_object(
        struct inventory_faults *f, const char *place, json_t *object, const struct shape *shape)
{
	const char *names[FIELDS_MAX + 1];
	size_t n = 0;

	for (const struct field *field = shape->fields; field->name; field++)
		names[n++] = field->name;
	names[n] = NULL;
	check_members(f, place, object, names);
	for (const struct field *field = shape->fields; field->name; field++) {
		_cleanup_free_ char *at = xasprintf("%s.%s", place, field->name);
		const json_t *value = json_object_get(object, field->name);

		if (value)
			check_value(f, at, field, value);
		else if (field->required)
			inventory_fault(f, at, "is missing");
		else if (field->fallback)
			json_object_set_new(object, field->name, json_string(field->fallback));
	}
}

/* ---- lists ---- */

static void check_unique(
        struct inventory_faults *f, const char *list, const json_t *array, const char *member)
{
	json_t *seen = json_object();
	size_t i;
	json_t *object;

	json_array_foreach (array, i, object) {
		json_t *value = json_object_get(object, member);
		char *text = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
		json_t *first = text ? json_object_get(seen, text) : NULL;
		_cleanup_free_ char *at = xasprintf("%s[%zu].%s", list, i, member);

		if (first)
			inventory_fault(f, at, "%s[%" JSON_INTEGER_FORMAT "] has the same", list,
			        json_integer_value(first));
		else if (text)
			json_object_set_new(seen, text, json_integer((json_int_t)i));
		free(text);
	}
	json_decref(seen);
}

static void check_list(
        struct inventory_faults *f, const char *list, json_t *array, const struct shape *shape)
{
	size_t i;
	json_t *object;

	json_array_foreach (array, i, object) {
		_cleanup_free_ char *place = xasprintf("%s[%zu]", list, i);

		if (!json_is_object(object)) {
			inventory_fault(f, place, "must be an object");
			continue;
		}
		check_object(f, place, object, shape);
		json_object_set_new(object, "place", json_string(place));
	}
	for (const char *const *member = shape->unique; *member; member++)
		check_unique(f, list, array, *member);
}

/* ---- clusters ---- */

static void add_parameters(
        struct inventory_faults *f, json_t *cluster, json_t *all, const char *member, bool startup)
{
	json_t *list = json_object_get(cluster, member), *one;
	_cleanup_free_ char *place = xasprintf("%s.%s", json_text(cluster, "place"), member);
	size_t i;

	if (!json_is_array(list))
		return;
	check_list(f, place, list, startup ? &startup_shape : &parameter_shape);
	json_array_foreach (list, i, one) {
		json_object_set_new(one, "startup", json_boolean(startup));
		json_array_append(all, one);
	}
}

static void check_cluster(struct inventory_faults *f, json_t *cluster)
{
	const char *place = json_text(cluster, "place"), *mode = json_text(cluster, "workMode");
	const char *need = !mode ? NULL : !strcmp(mode, "RS_LIST") ? "rsList" : "configUrl";
	_cleanup_free_ char *both = xasprintf("%s.startupParameters", place);
	_cleanup_free_ char *at = xasprintf("%s.%s", place, need ? need : "");
	struct inventory_faults twice = {0};
	json_t *all = json_array();

	if (need && !json_text(cluster, need))
		inventory_fault(f, at, "is missing: workMode %s needs it", mode);
	if (json_int(cluster, "sqlPort", 0) &&
	        json_int(cluster, "sqlPort", 0) == json_int(cluster, "exporterPort", 0))
		inventory_fault(f, place, "sqlPort and exporterPort must differ");
	add_parameters(f, cluster, all, "parameters", false);
	add_parameters(f, cluster, all, "startupParameters", true);
	check_unique(&twice, "", all, "name");
	/* Twice in one list was said there. */
	if (twice.count && !f->count)
		inventory_fault(f, both, "a parameter stands here and in parameters");
	strbuf_release(&twice.text);
	json_object_set_new(cluster, "allParameters", all);
}

/* ---- hosts and packages ---- */

static void check_hosts(struct inventory_faults *f, json_t *hosts)
{
	json_t *ends = json_array(), *host;
	size_t i;

	json_array_foreach (hosts, i, host) {
		if (!json_object_get(host, "sshPort"))
			json_object_set_new(host, "sshPort", json_integer(22));
		json_array_append_new(
		        ends, json_pack("{s:s*, s:I}", "address", json_text(host, "address"),
		                      "port", (json_int_t)json_int(host, "sshPort", 0)));
	}
	for (i = 0; i < json_array_size(ends); i++)
		for (size_t n = 0; n < i; n++)
			if (json_text(json_array_get(ends, i), "address") &&
			        json_equal(json_array_get(ends, i), json_array_get(ends, n))) {
				_cleanup_free_ char *at = xasprintf("hosts[%zu].address", i);

				inventory_fault(f, at, "hosts[%zu] has the same, and port", n);
			}
	json_decref(ends);
}

static void take_package(
        struct inventory_faults *f, json_t *package, const char *at, const char *path)
{
	const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
	_cleanup_free_ char *release = NULL;
	struct package_name parts;
	struct rpm_file rpm;
	struct err err = {0};

	if (package_name_parse(file, &parts, &err) < 0 || rpm_file_read(path, &rpm, &err) < 0) {
		inventory_fault(f, at, "%s", err.text);
		return;
	}
	release = xasprintf("%s.%s", parts.build, parts.os);
	if (strcmp(rpm.name, parts.name) != 0 || strcmp(rpm.version, parts.version) != 0 ||
	        strcmp(rpm.release, release) != 0 || strcmp(rpm.arch, parts.arch) != 0) {
		inventory_fault(f, at, "the package in it is %s-%s-%s.%s: name the file so",
		        rpm.name, rpm.version, rpm.release, rpm.arch);
		return;
	}
	json_object_set_new(package, "fileName", json_string(file));
	json_object_set_new(package, "name", json_string(parts.name));
	json_object_set_new(package, "version", json_string(parts.version));
	json_object_set_new(package, "buildNumber", json_string(parts.build));
	json_object_set_new(package, "operatingSystem", json_string(parts.os));
	json_object_set_new(package, "architecture", json_string(parts.arch));
	json_object_set_new(package, "size", json_integer(rpm.bytes));
	json_object_set_new(package, "sha256", json_string(rpm.sha256));
	json_object_set_new(package, "path", json_string(path));
}

static void check_package(struct inventory_faults *f, json_t *package, const char *folder)
{
	const char *path = json_text(package, "path");
	_cleanup_free_ char *at = xasprintf("%s.path", json_text(package, "place"));
	_cleanup_free_ char *full = NULL, *real = NULL;

	if (!path)
		return;
	full = *path == '/' ? xstrdup(path) : xasprintf("%s/%s", folder, path);
	real = realpath(full, NULL);
	if (!real)
		inventory_fault(f, at, "%s: %m", full);
	else
		take_package(f, package, at, real);
}

void inventory_file_check(json_t *root, const char *folder, struct inventory_faults *f)
{
	const char *names[ARRAY_SIZE(shapes) + 1];
	size_t i;
	json_t *one;

	if (!json_is_object(root)) {
		inventory_fault(f, "(the file)", "must be a JSON object");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(shapes); i++)
		names[i] = shapes[i].list;
	names[i] = NULL;
	check_members(f, "", root, names);
	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		json_t *list = json_object_get(root, names[i]);

		if (!list)
			json_object_set_new(root, names[i], json_array());
		else if (!json_is_array(list))
			inventory_fault(f, names[i], "must be a list");
		else
			check_list(f, names[i], list, &shapes[i]);
	}
	json_array_foreach (json_object_get(root, "clusters"), i, one)
		if (json_is_object(one))
			check_cluster(f, one);
	check_hosts(f, json_object_get(root, "hosts"));
	json_array_foreach (json_object_get(root, "packages"), i, one)
		if (json_is_object(one))
			check_package(f, one, folder);
	if (json_array_size(json_object_get(root, "packages")) && !f->count)
		check_unique(f, "packages", json_object_get(root, "packages"), "fileName");
}

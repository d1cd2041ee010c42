/* submit_template: POST /api/v2/obpipe/tasks {template, count, context}. */
#include <inttypes.h>

#include "common/json.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "producer/accept.h"
#include "producer/inventory_keeper.h"
#include "producer/routes.h"

/* A context value as "+name": strings, integers and booleans become strings, arrays of strings
 * lists. */
static void add_value(json_t *values, const char *name, json_t *value, struct faults *faults)
{
	_cleanup_free_ char *full = xasprintf("+%s", name);
	_cleanup_free_ char *field = xasprintf("context.%s", name);
	size_t i;
	json_t *item;

	if (json_is_string(value)) {
		json_object_set(values, full, value);
	} else if (json_is_integer(value)) {
		accept_set_number(values, full, json_integer_value(value));
	} else if (json_is_boolean(value)) {
		json_object_set_new(
		        values, full, json_string(json_is_true(value) ? "true" : "false"));
	} else if (json_is_array(value)) {
		json_array_foreach (value, i, item)
			if (!json_is_string(item)) {
				fault_add(faults, "COM10001", field, value,
				        "%s may list strings only", field);
				return;
			}
		json_object_set(values, full, value);
	} else {
		fault_add(faults, "COM10001", field, value,
		        "%s must be a string, an integer, true, false or an array of strings",
		        field);
	}
}

static json_t *read_context(const json_t *json, struct faults *faults)
{
	const json_t *context = json_object_get(json, "context");
	json_t *values = json_object();
	const char *name;
	json_t *value;

	if (context && !json_is_object(context))
		fault_add(faults, "COM10001", "context", context, "context must be an object");
	json_object_foreach ((json_t *)context, name, value)
		add_value(values, name, value, faults);
	return values;
}

static int64_t read_count(const json_t *json, struct faults *faults)
{
	const json_t *count = json_object_get(json, "count");

	if (!count)
		return 1;
	if (!json_is_integer(count) || json_integer_value(count) < 1 ||
	        json_integer_value(count) > REQUEST_TASKS_MAX)
		fault_add(faults, "COM10001", "count", count,
		        "count must be an integer from 1 to %d", REQUEST_TASKS_MAX);
	return json_integer_value(count);
}

static const struct task_form *read_form(struct call *c, const json_t *json, struct faults *faults)
{
	const struct task_forms *forms = keeper_forms(c->in->inventory);
	const json_t *name = json_object_get(json, "template");
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
	const struct task_form *form;

	if (!json_is_string(name)) {
		fault_add(faults, "COM10001", "template", name,
		        "template is missing: give the name of one as a string");
		return NULL;
	}
	form = task_forms_newest(forms, json_string_value(name));
	if (!form) {
		task_forms_names(forms, &names);
		faults->adding = MHD_HTTP_NOT_FOUND;
		fault_add(faults, "COM10002", "template", name,
		        "there is no template \"%s\"; there are: %s", json_string_value(name),
		        names.len ? names.buf : "none, run `obpipe migrate`");
		faults->adding = MHD_HTTP_BAD_REQUEST;
	} else if (form->template->per_host) {
		fault_add(faults, "COM10003", "template", name,
		        "template \"%s\" works on hosts: POST "
		        "/api/v2/obproxy/clusters/{id}/obproxies/batchAdd",
		        json_string_value(name));
	}
	return form;
}

static void add_body(
        struct strbuf *sb, const struct task_form *form, int64_t count, const json_t *context)
{
	strbuf_addf(sb,
	        "{\"template\":\"%s\",\"count\":%" PRId64 ",\"context\":", form->template->name,
	        count);
	if (context)
		json_append(sb, context);
	else
		strbuf_adds(sb, "{}");
	strbuf_addc(sb, '}');
}

void submit_template(struct call *c)
{
	_cleanup_faults_ struct faults faults = FAULTS_INIT;
	_cleanup_strbuf_ struct strbuf body = STRBUF_INIT;
	json_t *json = accept_object(c);
	struct acceptance a = {.body = &body};

	if (!json)
		return;
	a.form = read_form(c, json, &faults);
	a.count = (size_t)read_count(json, &faults);
	a.values = read_context(json, &faults);
	if (faults.count) {
		metric_add_label(METRIC_REFUSED, "invalid", 1);
		reply_faults(c, &faults);
		json_decref(a.values);
	} else {
		add_body(&body, a.form, (int64_t)a.count, json_object_get(json, "context"));
		accept_publish(c, &a);
	}
	json_decref(json);
}

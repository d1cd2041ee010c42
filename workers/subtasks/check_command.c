/*
 * check-command: the context's commands_to_check are on the host, for the user OBProxy runs as
 * (host-operations.md A4). A pure look; all that are missing are named at once.
 */
#include <string.h>

#include "common/mem.h"
#include "workers/host/host.h"
#include "workers/obproxy/site.h"

static const char look_script[] =
        "for name in \"$@\"; do\n"
        "	path=$(command -v -- \"$name\") && printf '%s %s\\n' \"$name\" \"$path\" ||\n"
        "		printf '%s -\\n' \"$name\"\n"
        "done\n";

static bool is_command_name(const char *name)
{
	return name && *name && *name != '-' && strlen(name) < 256 &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-") ==
	               strlen(name);
}

/* The names of the context; NULL-ended. */
static const char **names_of(struct subtask_ctx *ctx, struct err *err)
{
	const json_t *list = json_object_get(ctx->list_map, "commands_to_check");
	size_t count = json_array_size(list);
	const char **names = xcalloc(count + 1, sizeof(*names));

	for (size_t i = 0; i < count; i++) {
		names[i] = json_string_value(json_array_get(list, i));
		if (!is_command_name(names[i])) {
			err_set(err, ERR_PERMANENT, "",
			        "commands_to_check of the context, place %zu: not a command's name "
			        "(letters, digits, _ . + -)",
			        i);
			free(names);
			return NULL;
		}
	}
	return names;
}

static int check(
        struct subtask_ctx *ctx, struct host *h, const struct host_result *r, struct err *err)
{
	_cleanup_strbuf_ struct strbuf missing = STRBUF_INIT;
	_cleanup_free_ char *copy = xstrdup(r->out.buf ? r->out.buf : "");
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n"))) {
		char *path = strrchr(line, ' ');

		if (!path)
			continue;
		if (!strcmp(path, " -"))
			strbuf_addf(&missing, "%s%.*s", missing.len ? ", " : "", (int)(path - line),
			        line);
		else
			subtask_log(ctx, "%s: command %.*s is%s", host_label(h), (int)(path - line),
			        line, path);
	}
	if (missing.len)
		return err_set(err, ERR_PERMANENT, "CMP07036",
		        "%s: the user " OBPROXY_USER " has no command %s; install it, then retry",
		        host_label(h), missing.buf);
	return 0;
}

static enum subtask_outcome run(struct subtask_ctx *ctx, struct err *err)
{
	_cleanup_host_ struct host *h = NULL;
	_cleanup_host_result_ struct host_result r = HOST_RESULT_INIT;
	_cleanup_free_ const char **names = names_of(ctx, err);
	const struct host_command cmd = {
	        .what = "look for commands", .argv = names, .user = OBPROXY_USER};

	if (!names || host_open(ctx, &h, err) != 0 ||
	        host_script_ok(h, look_script, &cmd, &r, err) != 0 || check(ctx, h, &r, err) != 0)
		return SUBTASK_FAIL;
	return SUBTASK_DONE;
}

const struct subtask_type subtask_check_command = {
        .name = "check-command",
        .run = run,
};

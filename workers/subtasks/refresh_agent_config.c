/*
 * refresh-agent-config: the host's monitoring agent is told of the OBProxy: section [OBPROXY] of
 * its configuration file (host-operations.md A9). Other sections are left as they are. The file is
 * rendered the same way each time, compared, and replaced by rename.
 */
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "workers/host/host.h"
#include "workers/obproxy/site.h"

#define CONFIG_FOLDER "/home/admin/ocp_agent/conf"
#define CONFIG_FILE CONFIG_FOLDER "/config.conf"
#define CONFIG_MAX ((size_t)1 << 20)
#define SECTION "[OBPROXY]"

static void add_section(struct strbuf *sb, const struct site *s)
{
	strbuf_addf(sb,
	        SECTION "\n"
	                "id = %lld\n"
	                "name = %s\n"
	                "port = %d\n"
	                "exporter_port = %d\n",
	        (long long)s->obproxy_id, s->cluster_name, s->sql_port, s->exporter_port);
}

/* The old text with our section in place of the one that is there, or at the end. */
static void render(struct strbuf *sb, const char *old, const struct site *s)
{
	bool done = false, skipping = false;
	const char *line = old;

	while (*line) {
		size_t bytes = strcspn(line, "\n");

		if (*line == '[') {
			skipping = bytes >= strlen(SECTION) &&
			           !strncmp(line, SECTION, strlen(SECTION));
			if (skipping && !done) {
				add_section(sb, s);
				done = true;
			}
		}
		/* Blank lines and comments behind our section belong to what follows. */
		if (!skipping || bytes == 0 || *line == '#' || *line == ';') {
			strbuf_add(sb, line, bytes);
			strbuf_addc(sb, '\n');
		}
		line += bytes + (line[bytes] == '\n');
	}
	if (!done)
		add_section(sb, s);
}

static int write_config(struct subtask_ctx *ctx, struct host *h, const struct strbuf *text,
        bool was_there, struct err *err)
{
	const struct host_command prepare = {
	        .what = "make the agent's folder",
	        .argv = HOST_ARGV(CONFIG_FOLDER, CONFIG_FILE),
	        .user = OBPROXY_USER,
	};
	const struct host_file file = {
	        .what = "write the agent's configuration",
	        .path = CONFIG_FILE,
	        .mode = 0640,
	        .owner = OBPROXY_USER,
	};

	/* The backup is of what was there before the last change. */
	if (host_script_ok(h,
	            "set -eu\nmkdir -p -- \"$1\"\n"
	            "[ ! -f \"$2\" ] || cp -p -- \"$2\" \"$2.bak\"\n",
	            &prepare, NULL, err) != 0 ||
	        host_write_file(h, &file, text->buf, text->len, err) != 0)
		return -1;
	subtask_log(ctx, "%s: %s " CONFIG_FILE, host_label(h), was_there ? "changed" : "made");
	return 0;
}

static int refresh(struct subtask_ctx *ctx, struct host *h, const struct site *s, struct err *err)
{
	_cleanup_strbuf_ struct strbuf old = STRBUF_INIT, new = STRBUF_INIT, again = STRBUF_INIT;
	enum host_file_state state;
	json_t *found = NULL;

	strbuf_adds(&old, "");
	if (host_read_file(h, "read the agent's configuration", CONFIG_FILE, CONFIG_MAX, &state,
	            &old, err) != 0)
		return -1;
	render(&new, old.buf, s);
	if (undo_record(ctx,
	            json_pack("{sb sb}", "file", state == HOST_FILE_READ, "section",
	                    strstr(old.buf, SECTION) != NULL),
	            &found, err) != 0)
		return -1;
	json_decref(found);
	if (state == HOST_FILE_READ && !strcmp(old.buf, new.buf)) {
		subtask_log(ctx, "%s: " CONFIG_FILE " has the OBProxy already", host_label(h));
		return 0;
	}
	if (write_config(ctx, h, &new, state == HOST_FILE_READ, err) != 0 ||
	        host_read_file(h, "verify the agent's configuration", CONFIG_FILE, CONFIG_MAX,
	                &state, &again, err) != 0)
		return -1;
	if (state != HOST_FILE_READ || strcmp(again.buf, new.buf) != 0)
		return err_set(err, ERR_PERMANENT, "CMP07019",
		        "%s: " CONFIG_FILE
		        " is not what was written: something else writes it too; "
		        "stop that, then retry",
		        host_label(h));
	return 0;
}

static enum subtask_outcome run(struct subtask_ctx *ctx, struct err *err)
{
	_cleanup_site_ struct site s = SITE_INIT;
	_cleanup_host_ struct host *h = NULL;

	if (site_load(ctx, &s, err) != 0 || host_open(ctx, &h, err) != 0 ||
	        refresh(ctx, h, &s, err) != 0)
		return SUBTASK_FAIL;
	return SUBTASK_DONE;
}

const struct subtask_type subtask_refresh_agent_config = {
        .name = "refresh-agent-config",
        .run = run,
};

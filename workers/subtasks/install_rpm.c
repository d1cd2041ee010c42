/*
 * install-rpm: the package is on the host, whole (host-operations.md A5 and C). Looks first: what
 * is installed and intact stays. A package that an earlier attempt of this task was installing when
 * it ended is installed over itself: rpm registers a package before its last scriptlet has run.
 */
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "workers/host/host.h"
#include "workers/obproxy/scripts.h"
#include "workers/obproxy/site.h"

#define INSTALL_TIMEOUT_MS INT64_C(600000)
#define UPLOAD_TIMEOUT_MS INT64_C(1800000)
#define LOCK_TRIES 20
#define LOCK_PAUSE_MS 1000

struct install {
	struct subtask_ctx *ctx;
	struct host *h;
	const struct site *s;
	char *file;   /* uploaded, on the host */
	bool foreign; /* the host's own packages are not rpm's */
};

static bool contains(const struct strbuf *sb, const char *text)
{
	return sb->buf && memmem(sb->buf, sb->len, text, strlen(text));
}

/* ---- looking ---- */

/* What is installed under the package's name, a full name a line; "" when nothing is. Free it. */
static int installed(struct install *in, char **ret, struct err *err)
{
	_cleanup_host_result_ struct host_result r = HOST_RESULT_INIT;
	const struct host_command cmd = {
	        .what = "ask for the installed package",
	        .argv = HOST_ARGV("rpm", RPM_DATABASE, "-q", "--qf",
	                "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\\n", in->s->package_name),
	};

	*ret = xstrdup("");
	if (host_run(in->h, &cmd, &r, err) != 0)
		return -1;
	if (host_result_ok(&r)) {
		free(*ret);
		while (r.out.len > 0 && r.out.buf[r.out.len - 1] == '\n')
			r.out.len--;
		*ret = xstrndup(r.out.buf ? r.out.buf : "", r.out.len);
		return 0;
	}
	if (r.end != HOST_EXITED || !contains(&r.out, "is not installed"))
		return host_result_err(in->h, &cmd, &r, err);
	return 0;
}

/* 1: rpm finds its files as they were; 0: something differs. */
static int is_intact(struct install *in, struct err *err)
{
	_cleanup_host_result_ struct host_result r = HOST_RESULT_INIT;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	const struct host_command cmd = {
	        .what = "verify the installed files",
	        .argv = HOST_ARGV("rpm", RPM_DATABASE, "-V", "--nodeps", in->s->full_name),
	};

	if (host_run(in->h, &cmd, &r, err) != 0)
		return -1;
	if (host_result_ok(&r))
		return 1;
	host_add_printable(&text, r.out.buf, r.out.len, 300);
	subtask_log(in->ctx, "files of %s differ from the package: %s", in->s->full_name,
	        text.len ? text.buf : "no detail");
	return 0;
}

/* ---- the file ---- */

static int upload(struct install *in, struct err *err)
{
	const struct host_file file = {
	        .what = "upload the package",
	        .path = in->file,
	        .mode = 0600,
	        .timeout_ms = UPLOAD_TIMEOUT_MS,
	};

	if (host_put_file(in->h, &file, in->s->path, in->s->sha256, err) != 0)
		return -1;
	subtask_log(in->ctx, "uploaded %s (%lld bytes) to %s, checked by SHA-256", in->s->file_name,
	        (long long)in->s->size, in->file);
	return 0;
}

static int check_paths(const struct install *in, const char *paths, struct err *err)
{
	size_t length = strlen(in->s->root);

	for (const char *line = paths; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strncmp(line, in->s->root, length) != 0 ||
		        (line[length] != '/' && line[length] != '\n' && line[length]))
			return err_set(err, ERR_PERMANENT, "CMP07516",
			        "package %s puts %.*s on the host; an OBProxy of version %s "
			        "belongs "
			        "below %s",
			        in->s->file_name, (int)strcspn(line, "\n"), line,
			        in->s->package_version, in->s->root);
	return 0;
}

/* The name of a file is only a hint. */
static int check_file(struct install *in, struct err *err)
{
	_cleanup_host_result_ struct host_result r = HOST_RESULT_INIT;
	const struct host_command cmd = {.what = "check the package", .argv = HOST_ARGV(in->file)};
	size_t first;

	if (host_script(in->h, obproxy_package_text, &cmd, &r, err) != 0)
		return -1;
	if (r.end == HOST_EXITED && r.exit_code == 3)
		return err_set(err, ERR_PERMANENT, "CMP07516",
		        "%s is no rpm package; replace the file and load the inventory again",
		        in->s->path);
	if (r.end == HOST_EXITED && r.exit_code == 4)
		return err_set(err, ERR_PERMANENT, "CMP07516",
		        "package %s is damaged (rpm -K); replace the file and load the inventory "
		        "again",
		        in->s->path);
	if (!host_result_ok(&r))
		return host_result_err(in->h, &cmd, &r, err);
	first = strcspn(r.out.buf, "\n");
	if (strlen(in->s->full_name) != first || strncmp(r.out.buf, in->s->full_name, first) != 0)
		return err_set(err, ERR_PERMANENT, "CMP07516",
		        "the file %s is the package %.*s by its own header", in->s->path,
		        (int)first, r.out.buf);
	return check_paths(in, r.out.buf + first + (r.out.buf[first] == '\n'), err);
}

static void remove_file(struct install *in)
{
	struct err err;
	const struct host_command cmd = {.what = "remove the uploaded package",
	        .argv = HOST_ARGV("rm", "-f", "--", in->file)};

	if (host_run_ok(in->h, &cmd, NULL, &err) != 0)
		subtask_log(in->ctx, "%s stays on the host: %s", in->file, err.text);
}

/* ---- rpm ---- */

/* A host whose packages are dpkg's has an empty rpm database: not even /bin/sh is provided. */
static int look_for_foreign(struct install *in, struct err *err)
{
	_cleanup_host_result_ struct host_result r = HOST_RESULT_INIT;
	const struct host_command cmd = {
	        .what = "ask whether the host's packages are rpm's",
	        .argv = HOST_ARGV("rpm", RPM_DATABASE, "-q", "--whatprovides", "/bin/sh"),
	};

	if (host_run(in->h, &cmd, &r, err) != 0)
		return -1;
	in->foreign = !host_result_ok(&r);
	if (in->foreign)
		subtask_log(in->ctx,
		        "%s: the host's own packages are not rpm's, so dependencies are "
		        "not looked up (--nodeps)",
		        host_label(in->h));
	return 0;
}

/* rpm without a terminal does not wait for another one (rpm issues 355, 4046). */
static bool is_locked(const struct host_result *r)
{
	return contains(&r->err, "transaction lock") || contains(&r->err, "readonly database") ||
	       contains(&r->err, "database is locked");
}

static int rpm_failed(struct install *in, const struct host_command *cmd,
        const struct host_result *r, struct err *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	if (!host_result_ok(r)) {
		host_result_err(in->h, cmd, r, err);
		if (is_locked(r))
			err->kind = ERR_RETRYABLE;
		return -1;
	}
	host_add_printable(&text, r->err.buf, r->err.len, 600);
	return err_set(err, ERR_PERMANENT, "CMP07517",
	        "%s: %s is installed, but a scriptlet of it failed: %s; mend what it says, then "
	        "retry",
	        host_label(in->h), in->s->full_name, text.buf);
}

static int install_once(struct install *in, bool again, bool *ret_locked, struct err *err)
{
	_cleanup_host_result_ struct host_result r = HOST_RESULT_INIT;
	const char *argv[12] = {"rpm", RPM_DATABASE, "-Uvh", "--oldpackage"};
	size_t n = 5;
	struct host_command cmd = {.what = "install the package", .timeout_ms = INSTALL_TIMEOUT_MS};

	if (again)
		argv[n++] = "--replacepkgs";
	if (in->foreign)
		argv[n++] = "--nodeps";
	argv[n++] = in->file;
	cmd.argv = argv;
	*ret_locked = false;
	if (host_run(in->h, &cmd, &r, err) != 0)
		return -1;
	*ret_locked = !host_result_ok(&r) && is_locked(&r);
	/* A failed %post is only a warning to rpm, with exit code 0. */
	if (!host_result_ok(&r) || contains(&r.err, "scriptlet failed"))
		return rpm_failed(in, &cmd, &r, err);
	subtask_log(in->ctx, "%s: rpm installed %s%s in %lld ms", host_label(in->h),
	        in->s->full_name, again ? " over itself" : "", (long long)r.elapsed_ms);
	return 0;
}

static int install(struct install *in, bool again, struct err *err)
{
	for (int i = 1;; i++) {
		bool locked;

		if (install_once(in, again, &locked, err) == 0)
			return 0;
		if (!locked || i == LOCK_TRIES)
			return -1;
		subtask_log(
		        in->ctx, "another rpm is at work on %s; trying again", host_label(in->h));
		if (subtask_pause(in->ctx, LOCK_PAUSE_MS, err) != 0)
			return -1;
	}
}

static int verify(struct install *in, struct err *err)
{
	_cleanup_host_result_ struct host_result r = HOST_RESULT_INIT;
	_cleanup_free_ char *now = NULL;
	_cleanup_free_ char *program = xasprintf("%s/bin/obproxy", in->s->root);
	const struct host_command cmd = {
	        .what = "ask the program for its version",
	        .argv = HOST_ARGV(program, "-V"),
	        .user = OBPROXY_USER,
	};
	int intact;

	if (installed(in, &now, err) != 0 || (intact = is_intact(in, err)) < 0)
		return -1;
	if (strcmp(now, in->s->full_name) != 0 || !intact)
		return err_set(err, ERR_PERMANENT, "CMP07517",
		        "%s: after the installation rpm has \"%s\"%s instead of %s",
		        host_label(in->h), now, intact ? "" : ", with files that differ",
		        in->s->full_name);
	if (host_run_ok(in->h, &cmd, &r, err) != 0)
		return -1;
	if (!contains(&r.out, in->s->package_version) && !contains(&r.err, in->s->package_version))
		return err_set(err, ERR_PERMANENT, "CMP07517",
		        "%s: %s -V does not say version %s; the package holds another program",
		        host_label(in->h), program, in->s->package_version);
	subtask_log(in->ctx, "%s: %s is installed and intact; %s says %s", host_label(in->h), now,
	        program, in->s->package_version);
	return 0;
}

/* ---- the step ---- */

/* Is there anything to do? 1: install; 2: install over itself; 0: nothing; -1. */
static int decide(struct install *in, struct err *err)
{
	_cleanup_free_ char *now = NULL;
	json_t *found = NULL;
	const char *before;
	int intact, what;

	if (installed(in, &now, err) != 0)
		return -1;
	subtask_log(in->ctx, "%s: installed is %s", host_label(in->h), *now ? now : "nothing");
	if (strchr(now, '\n'))
		return err_set(err, ERR_PERMANENT, "CMP07517",
		        "%s has several packages %s installed; a host takes one: remove them with "
		        "rpm -e, then retry",
		        host_label(in->h), in->s->package_name);
	if (undo_record(in->ctx, json_pack("{ss}", "installed", now), &found, err) != 0)
		return -1;
	before = json_string_value(json_object_get(found, "installed"));
	what = 1;
	if (!strcmp(now, in->s->full_name)) {
		intact = is_intact(in, err);
		/* It came with this task, and the attempt did not live to say that all was done. */
		what = intact < 0 ? -1 : !intact || strcmp(before ? before : "", now) != 0 ? 2 : 0;
	}
	json_decref(found);
	return what;
}

static int put_and_install(struct install *in, bool again, struct err *err)
{
	int rc;

	if (upload(in, err) != 0)
		return -1;
	rc = check_file(in, err);
	if (rc == 0)
		rc = look_for_foreign(in, err);
	if (rc == 0)
		rc = install(in, again, err);
	remove_file(in);
	return rc;
}

static enum subtask_outcome run(struct subtask_ctx *ctx, struct err *err)
{
	_cleanup_site_ struct site s = SITE_INIT;
	_cleanup_host_ struct host *h = NULL;
	_cleanup_free_ char *file = NULL;
	struct install in = {.ctx = ctx, .s = &s};
	int what;

	if (site_load(ctx, &s, err) != 0 || host_open(ctx, &h, err) != 0)
		return SUBTASK_FAIL;
	file = xasprintf("/var/tmp/obpipe-%lld-%s", (long long)ctx->task_id, s.file_name);
	in.h = h;
	in.file = file;
	what = decide(&in, err);
	if (what < 0 || (what > 0 && put_and_install(&in, what == 2, err) != 0) ||
	        verify(&in, err) != 0)
		return SUBTASK_FAIL;
	return SUBTASK_DONE;
}

const struct subtask_type subtask_install_rpm = {
        .name = "install-rpm",
        .run = run,
};

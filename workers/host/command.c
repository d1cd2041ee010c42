#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "workers/host/host_internal.h"
#include "workers/host/host_scripts.h"
#include "workers/host/quote.h"

/* The host's own clock ends a command whose worker has gone; ours is the one that counts. */
#define SERVER_SIDE_EXTRA_S 10
#define LAST_WORDS_BYTES 600
/* Of one word of a command line, and of all of them (Linux: 128 KiB, and a quarter of the stack).
 */
#define WORD_BYTES_MAX ((size_t)128 * 1024 - 1)

void host_result_release(struct host_result *r)
{
	strbuf_release(&r->out);
	strbuf_release(&r->err);
}

static int64_t timeout_of(const struct host_command *cmd)
{
	return cmd->timeout_ms ? cmd->timeout_ms : HOST_TIMEOUT_MS;
}

/* ---- what is sent ---- */

static bool name_is_good(const char *pair)
{
	size_t n = strcspn(pair, "=");

	if (n == 0 || pair[n] != '=' || isdigit((unsigned char)pair[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)pair[i]) && pair[i] != '_')
			return false;
	/* The guard's; a command that took it off would escape. */
	return strncmp(pair, "OBPIPE_CLAIM=", 13) != 0;
}

static int add_environment(
        struct strbuf *sb, const struct host *h, const struct host_command *cmd, struct err *err)
{
	strbuf_adds(sb, "own_environment() {\n:\n");
	for (const char *const *pair = cmd->env; pair && *pair; pair++) {
		size_t n = strcspn(*pair, "=");

		if (!name_is_good(*pair))
			return err_set(err, ERR_PERMANENT, "",
			        "%s: %s: \"%.*s\" cannot be the name of an environment variable",
			        h->session->label, cmd->what, (int)n, *pair);
		strbuf_adds(sb, "export ");
		strbuf_add(sb, *pair, n + 1);
		quote_add(sb, *pair + n + 1);
		strbuf_addc(sb, '\n');
	}
	strbuf_adds(sb, "}\n");
	return 0;
}

static int check_words(const struct host *h, const struct host_command *cmd,
        const char *const *argv, struct err *err)
{
	size_t total = 0;

	for (size_t i = 0; argv && argv[i]; i++) {
		size_t bytes = strlen(argv[i]);

		total += bytes + 1 + sizeof(char *);
		if (bytes > WORD_BYTES_MAX || total > HOST_SCRIPT_MAX / 4)
			return err_set(err, ERR_PERMANENT, "",
			        "%s: %s: its command line is too long (%zu bytes at word %zu)",
			        h->session->label, cmd->what, total, i);
	}
	return 0;
}

/* What run.sh wants to have set before it. */
static int add_setting(struct strbuf *sb, const struct host *h, const struct host_command *cmd,
        const char *const *argv, const char *how, const char *log_file, struct err *err)
{
	if (!argv || !argv[0] || !argv[0][0])
		return err_set(err, ERR_PERMANENT, "", "%s: %s: there is no command",
		        h->session->label, cmd->what);
	if (check_words(h, cmd, argv, err) < 0)
		return -1;
	quote_assign(sb, "user", cmd->user ? cmd->user : "root");
	quote_assign(sb, "work_dir", cmd->dir ? cmd->dir : "/");
	quote_assign(sb, "how", how);
	quote_assign(sb, "log_file", log_file ? log_file : "/dev/null");
	strbuf_addf(sb, "limit_s=%" PRId64 "\n", timeout_of(cmd) / 1000 + SERVER_SIDE_EXTRA_S);
	quote_set(sb, argv);
	return add_environment(sb, h, cmd, err);
}

/* ---- what comes back ---- */

static const char *name_of_signal(const char *name)
{
	return strncmp(name, "SIG", 3) == 0 ? name + 3 : name;
}

static void not_started(struct host_result *r, const struct host_command *cmd, const char *command,
        const char *word)
{
	r->end = HOST_NOT_STARTED;
	if (strcmp(word, "nocommand") == 0)
		snprintf(r->reason, sizeof(r->reason), "there is no command \"%s\"", command);
	else if (strcmp(word, "nouser") == 0)
		snprintf(r->reason, sizeof(r->reason), "there is no user \"%s\"", cmd->user);
	else if (strcmp(word, "nodir") == 0)
		snprintf(r->reason, sizeof(r->reason), "there is no directory \"%s\" to run it in",
		        cmd->dir);
	else if (strcmp(word, "nolog") == 0)
		snprintf(r->reason, sizeof(r->reason), "user \"%s\" cannot write its log file",
		        cmd->user ? cmd->user : "root");
	else
		snprintf(r->reason, sizeof(r->reason), "%s", word);
}

static void tell_end(struct host_result *r, const struct exchange *x,
        const struct host_command *cmd, const char *command)
{
	r->out_total = x->out.total;
	r->err_total = x->err.total;
	r->left_open = x->left_open;
	r->elapsed_ms = x->elapsed_ms;
	r->exit_code = -1;
	if (x->err.begun && strcmp(x->err.status.buf, "start") != 0) {
		not_started(r, cmd, command, x->err.status.buf);
	} else if (x->signal[0]) {
		r->end = HOST_SIGNALED;
		snprintf(r->signal, sizeof(r->signal), "%.15s", name_of_signal(x->signal));
	} else {
		r->end = HOST_EXITED;
		r->exit_code = x->exit_code;
	}
}

/* ---- running ---- */

/* How one call runs: by run.sh, with these words and this input. */
struct launch {
	const char *const *argv;
	const void *input[3]; /* one behind the other */
	size_t input_bytes[3];
	const char *how, *log_file;
};

static int launch(struct host *h, const struct host_command *cmd, const struct launch *l,
        struct host_result *ret, struct err *err)
{
	_cleanup_strbuf_ struct strbuf set = STRBUF_INIT;
	struct exchange x;
	int rc = -1;

	*ret = (struct host_result)HOST_RESULT_INIT;
	ret->exit_code = -1;
	exchange_init(&x, cmd->what, &ret->out, &ret->err,
	        cmd->output_max ? cmd->output_max : HOST_OUTPUT_MAX);
	if (add_setting(&set, h, cmd, l->argv, l->how, l->log_file, err) == 0) {
		exchange_add_script(&x, set.buf, host_run_text);
		for (size_t i = 0; i < ARRAY_SIZE(l->input); i++)
			if (l->input[i])
				strbuf_add(&x.input, l->input[i], l->input_bytes[i]);
		rc = exchange_run(h, &x, timeout_of(cmd), err);
		tell_end(ret, &x, cmd, l->argv[0]);
	}
	exchange_release(&x);
	return rc;
}

int host_run(
        struct host *h, const struct host_command *cmd, struct host_result *ret, struct err *err)
{
	struct launch l = {.argv = cmd->argv,
	        .input = {cmd->input},
	        .input_bytes = {cmd->input_bytes},
	        .how = "run"};

	return launch(h, cmd, &l, ret, err);
}

/* The shell reads the script from stdin. It is one compound command, so that the shell has read all
 * of it before anything in it runs, and nothing in it can read the script as its input. */
int host_script(struct host *h, const char *script, const struct host_command *cmd,
        struct host_result *ret, struct err *err)
{
	_cleanup_strbuf_ struct strbuf set = STRBUF_INIT;
	static const char end[] = "\n} </dev/null\n";
	struct launch l = {.argv = HOST_ARGV("/bin/sh", "-s"), .how = "run"};

	*ret = (struct host_result)HOST_RESULT_INIT;
	if (cmd->input)
		return err_set(err, ERR_PERMANENT, "", "%s: %s: a script has no input",
		        h->session->label, cmd->what);
	if (check_words(h, cmd, cmd->argv, err) < 0)
		return -1;
	quote_set(&set, cmd->argv);
	strbuf_adds(&set, "{\n");
	l.input[0] = set.buf;
	l.input_bytes[0] = set.len;
	l.input[1] = script;
	l.input_bytes[1] = strlen(script);
	l.input[2] = end;
	l.input_bytes[2] = sizeof(end) - 1;
	return launch(h, cmd, &l, ret, err);
}

int host_start_daemon(struct host *h, const struct host_command *cmd, const char *log_file,
        pid_t *ret_pid, struct err *err)
{
	struct host_result r = HOST_RESULT_INIT;
	struct launch l = {.argv = cmd->argv, .how = "daemon", .log_file = log_file};
	int rc = launch(h, cmd, &l, &r, err);

	if (rc == 0) {
		long pid = r.out.len ? strtol(r.out.buf, NULL, 10) : 0;

		if (!host_result_ok(&r) || pid <= 0)
			rc = host_result_err(h, cmd, &r, err);
		else
			*ret_pid = (pid_t)pid;
	}
	host_result_release(&r);
	return rc;
}

/* ---- errors ---- */

static const char *code_of(const struct host_result *r)
{
	if (r->end != HOST_NOT_STARTED)
		return "";
	return strstr(r->reason, "no command") ? "CMP07036"
	       : strstr(r->reason, "no user")  ? "CMP07037"
	                                       : "";
}

int host_result_err(const struct host *h, const struct host_command *cmd,
        const struct host_result *r, struct err *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	const struct strbuf *last = r->err.len ? &r->err : &r->out;
	size_t skip = last->len > LAST_WORDS_BYTES ? last->len - LAST_WORDS_BYTES : 0;

	strbuf_addf(&text, "%s: %s failed: ", h->session->label, cmd->what);
	switch (r->end) {
	case HOST_NOT_STARTED:
		strbuf_addf(&text, "%s; it was not started", r->reason);
		break;
	case HOST_SIGNALED:
		strbuf_addf(
		        &text, "ended by signal %s after %" PRId64 " ms", r->signal, r->elapsed_ms);
		break;
	case HOST_EXITED:
		strbuf_addf(&text, "exit code %d", r->exit_code);
		break;
	}
	if (last->len) {
		strbuf_adds(&text, skip ? "; it said: ..." : "; it said: ");
		host_add_printable(
		        &text, last->buf + skip, last->len - skip, LAST_WORDS_BYTES + 64);
	}
	return err_set(err, ERR_PERMANENT, code_of(r), "%s", text.buf);
}

static int demand_ok(struct host *h, const struct host_command *cmd, int rc, struct host_result *r,
        struct host_result *ret, struct err *err)
{
	if (rc == 0 && !host_result_ok(r))
		rc = host_result_err(h, cmd, r, err);
	if (ret)
		*ret = *r;
	else
		host_result_release(r);
	return rc;
}

int host_run_ok(
        struct host *h, const struct host_command *cmd, struct host_result *ret, struct err *err)
{
	struct host_result r = HOST_RESULT_INIT;
	int rc = host_run(h, cmd, &r, err);

	return demand_ok(h, cmd, rc, &r, ret, err);
}

int host_script_ok(struct host *h, const char *script, const struct host_command *cmd,
        struct host_result *ret, struct err *err)
{
	struct host_result r = HOST_RESULT_INIT;
	int rc = host_script(h, script, cmd, &r, err);

	return demand_ok(h, cmd, rc, &r, ret, err);
}

/* The internal commands of root@proxysys. */
#include "deploy/hosts/obproxy/standin.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

static void skip_blanks(const char **at)
{
	while (isspace((unsigned char)**at))
		(*at)++;
}

/* Goes past `word` when it stands there. */
static bool take(const char **at, const char *word)
{
	size_t length = strlen(word);

	skip_blanks(at);
	if (strncasecmp(*at, word, length) != 0)
		return false;
	if (isalnum((unsigned char)word[length - 1]) &&
	        (isalnum((unsigned char)(*at)[length]) || (*at)[length] == '_'))
		return false;
	*at += length;
	return true;
}

static bool at_end(const char *at)
{
	skip_blanks(&at);
	if (*at == ';')
		at++;
	skip_blanks(&at);
	return !*at;
}

/* 'text' with \ escapes and doubled quotes, or a bare word. malloc'd, NULL when there is none. */
static char *take_value(const char **at)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	char quote;

	skip_blanks(at);
	quote = **at;
	if (quote != '\'' && quote != '"') {
		const char *begin = *at;

		while (**at && !isspace((unsigned char)**at) && **at != ';')
			(*at)++;
		return xstrndup(begin, (size_t)(*at - begin));
	}
	for ((*at)++; **at; (*at)++) {
		if (**at == quote && (*at)[1] != quote) {
			(*at)++;
			return strbuf_detach(&sb, NULL);
		}
		if ((**at == '\\' || **at == quote) && (*at)[1])
			(*at)++;
		strbuf_addc(&sb, **at);
	}
	return NULL;
}

static void syntax_error(struct client *c)
{
	client_error(c, 1064, "42000", "You have an error in your SQL syntax");
}

static void config_row(void *arg, const char *name, const char *value, const char *info,
        bool need_reboot, const char *level)
{
	const char *const values[] = {name, value, info, need_reboot ? "true" : "false", level};

	client_row(arg, values, ARRAY_SIZE(values));
}

static void show_config(struct client *c, const char *at)
{
	static const char *const names[] = {
	        "name", "value", "info", "need_reboot", "visible_level", NULL};
	_cleanup_free_ char *pattern = NULL;

	if (take(&at, "like"))
		pattern = take_value(&at);
	if (!at_end(at)) {
		syntax_error(c);
		return;
	}
	client_columns(c, names);
	config_each(pattern, config_row, c);
	client_end(c);
}

static void alter_config(struct client *c, const char *at)
{
	const char *begin;
	_cleanup_free_ char *name = NULL, *value = NULL;

	skip_blanks(&at);
	begin = at;
	while (isalnum((unsigned char)*at) || *at == '_')
		at++;
	name = xstrndup(begin, (size_t)(at - begin));
	if (!*name || !take(&at, "=") || !(value = take_value(&at)) || !at_end(at)) {
		syntax_error(c);
		return;
	}
	switch (config_alter(name, value)) {
	case CONFIG_OK:
		log_line("parameter %s was set", name);
		client_ok(c);
		break;
	case CONFIG_UNKNOWN:
		client_error(c, 5099, "42000", "System config unknown");
		break;
	case CONFIG_FIXED:
		client_error(c, 1235, "0A000", "Not supported feature or function");
		break;
	case CONFIG_INVALID:
		client_error(c, 4147, "HY000", "Invalid config");
		break;
	}
}

static void two_cells(struct client *c, const char *const *names, const char *a, const char *b)
{
	const char *const values[] = {a, b};

	client_columns(c, names);
	client_row(c, values, names[1] ? 2 : 1);
	client_end(c);
}

static void show(struct client *c, const char *at)
{
	static const char *const info[] = {"name", "info", NULL};
	static const char *const stat[] = {"stat_name", "value", NULL};
	static const char *const cluster[] = {"cluster_name", "rs_url", NULL};
	_cleanup_free_ char *name = NULL, *text = NULL;

	if (take(&at, "proxyconfig")) {
		show_config(c, at);
	} else if (take(&at, "proxyinfo") && take(&at, "binary") && at_end(at)) {
		text = xasprintf("obproxy-OBPROXY-%s\nversion: %s\nBUILD: stand-in", version_text(),
		        OBPROXY_VERSION);
		two_cells(c, info, "binary info", text);
	} else if (take(&at, "proxystat")) {
		two_cells(c, stat, "total_client_connections", "1");
	} else if (take(&at, "proxycluster")) {
		name = config_get("rootservice_cluster_name");
		text = config_get("rootservice_list");
		two_cells(c, cluster, name, text);
	} else {
		client_error(c, 5010, "21000", "Unknown operator, bad internal cmd");
	}
}

static void select_cell(struct client *c, const char *at)
{
	static const char *const version[] = {"proxy_version()", NULL};
	static const char *const one[] = {"1", NULL};

	bool select = take(&at, "select");

	if (select && take(&at, "proxy_version()") && at_end(at))
		two_cells(c, version, OBPROXY_VERSION, NULL);
	else if (select && take(&at, "1") && at_end(at))
		two_cells(c, one, "1", NULL);
	else
		client_error(c, 5010, "21000", "Unknown operator, bad internal cmd");
}

/* What drivers send at logon; and the one command that an inspector may give. */
static bool is_harmless(struct client *c, const char *at)
{
	if (take(&at, "ping") && take(&at, "proxy"))
		return true;
	return !c->inspector && (take(&at, "set") || take(&at, "begin") || take(&at, "commit"));
}

void statement_run(struct client *c, const char *text)
{
	const char *at = text;

	if (is_harmless(c, text))
		client_ok(c);
	else if (c->inspector)
		client_error(c, 1045, "42000", "Access denied for user 'inspector@proxysys'");
	else if (take(&at, "show"))
		show(c, at);
	else if (take(&at, "alter") && take(&at, "proxyconfig") && take(&at, "set"))
		alter_config(c, at);
	else
		select_cell(c, at);
}

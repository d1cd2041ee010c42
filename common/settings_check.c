#include "common/settings_check.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool consists_of(const char *text, size_t bytes, const char *allowed)
{
	for (size_t i = 0; i < bytes; i++) {
		if (!strchr(allowed, text[i]))
			return false;
	}
	return bytes > 0;
}

/* Splits "host:port" or "[host]:port"; the port is a decimal number of at least `port_min`. */
static bool split_endpoint(const char *text, size_t bytes, long port_min, const char **ret_host,
        size_t *ret_host_bytes, bool *ret_bracketed)
{
	const char *colon = memrchr(text, ':', bytes);
	if (!colon)
		return false;
	const char *port = colon + 1;
	size_t port_bytes = (size_t)(text + bytes - port);
	if (port_bytes > 5 || !consists_of(port, port_bytes, DIGITS))
		return false;
	long number = strtol(port, NULL, 10);
	if (number < port_min || number > 65535)
		return false;
	size_t host_bytes = (size_t)(colon - text);
	*ret_bracketed = host_bytes >= 2 && text[0] == '[' && text[host_bytes - 1] == ']';
	*ret_host = *ret_bracketed ? text + 1 : text;
	*ret_host_bytes = *ret_bracketed ? host_bytes - 2 : host_bytes;
	return *ret_host_bytes > 0;
}

static bool is_endpoint(const char *text, size_t bytes)
{
	const char *host;
	size_t host_bytes;
	bool bracketed;
	if (!split_endpoint(text, bytes, 1, &host, &host_bytes, &bracketed))
		return false;
	return consists_of(
	        host, host_bytes, bracketed ? UPPER LOWER DIGITS ":.%" : UPPER LOWER DIGITS "._-");
}

static bool is_listen(const char *text)
{
	const char *host;
	size_t host_bytes;
	bool bracketed;
	if (!split_endpoint(text, strlen(text), 0, &host, &host_bytes, &bracketed))
		return false;
	_cleanup_free_ char *address = xstrndup(host, host_bytes);
	unsigned char ignored[sizeof(struct in6_addr)];
	return inet_pton(bracketed ? AF_INET6 : AF_INET, address, ignored) == 1;
}

static bool is_name(const char *text, size_t bytes)
{
	return consists_of(text, bytes, LOWER DIGITS "-");
}

static bool is_role(const char *text, size_t bytes)
{
	static const char *const roles[] = {"intake", "executor", "maintainer"};
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		if (strlen(roles[i]) == bytes && memcmp(roles[i], text, bytes) == 0)
			return true;
	}
	return false;
}

/* name=value, the name as librdkafka writes them */
static bool is_option(const char *text, size_t bytes)
{
	const char *equals = memchr(text, '=', bytes);
	return equals && consists_of(text, (size_t)(equals - text), LOWER DIGITS "._");
}

/* Does `text` stand in the list before the item that starts at `text`? */
static bool stands_before(const char *list, const char *text, size_t bytes, char separator)
{
	for (const char *item = list; item < text;) {
		size_t len = (size_t)(strchr(item, separator) - item);
		if (len == bytes && memcmp(item, text, bytes) == 0)
			return true;
		item += len + 1;
	}
	return false;
}

/* Every item is right, none is empty, none stands twice. */
static bool is_list(const char *list, char separator, bool (*is_item)(const char *, size_t))
{
	for (const char *item = list;;) {
		const char *end = strchrnul(item, separator);
		size_t bytes = (size_t)(end - item);
		if (!is_item(item, bytes) || stands_before(list, item, bytes, separator))
			return false;
		if (!*end)
			return true;
		item = end + 1;
	}
}

static bool is_url(const char *text)
{
	static const char *const schemes[] = {"http://", "https://"};
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		size_t len = strlen(schemes[i]);
		if (strncmp(text, schemes[i], len) == 0)
			return text[len] != '\0' && text[len] != '/' && !strpbrk(text, " \t\r\n");
	}
	return false;
}

const char *setting_form_check(int flags, const char *value)
{
	if (flags & SETTING_ENDPOINTS && !is_list(value, ',', is_endpoint))
		return "must be host:port[,host:port...] with ports from 1 to 65535, none twice";
	if (flags & SETTING_LISTEN && value[0] && !is_listen(value))
		return "must be an IP address and a port from 0 to 65535, such as 127.0.0.1:8080 "
		       "or "
		       "[::1]:8080";
	if (flags & SETTING_NAMES && !is_list(value, ',', is_name))
		return "must be all, or subtask type names (a-z, 0-9, -) separated by commas, none "
		       "twice";
	if (flags & SETTING_ROLES && !is_list(value, ',', is_role))
		return "must be one or more of intake, executor, maintainer, separated by commas, "
		       "none twice";
	if (flags & SETTING_PREFIX && !consists_of(value, strlen(value), LOWER DIGITS "._-"))
		return "must consist of a-z, 0-9, dot, underscore and hyphen";
	if (flags & SETTING_OPTIONS && value[0] && !is_list(value, ';', is_option))
		return "must be name=value[;name=value...] with librdkafka's property names";
	if (flags & SETTING_LEVEL && log_level_parse(value) < 0)
		return "must be one of error, warn, notice, info, debug";
	if (flags & SETTING_URL && !is_url(value))
		return "must be a URL that starts with http:// or https:// and names a host";
	return NULL;
}

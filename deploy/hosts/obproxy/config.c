/* The parameters of the stand-in, and their file etc/obproxy_config.txt. */
#include "deploy/hosts/obproxy/standin.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

#define FILE_NAME "etc/obproxy_config.txt"
#define VALUE_MAX 4096 /* longer ones are silently cut */

enum kind { TEXT, FIXED_TEXT, SECRET, INT, BOOL, CAPACITY, TIME };

struct parameter {
	const char *name, *initial, *level, *info;
	char *value;
	enum kind kind;
	bool need_reboot;
};

static struct parameter parameters[] = {
        {"app_name", "undefined", "SYS", "current application name", NULL, FIXED_TEXT, true},
        {"client_max_connections", "8192", "USER", "client max connections", NULL, INT, false},
        {"enable_cluster_checkout", "True", "SYS", "check cluster at login", NULL, BOOL, false},
        {"enable_compression_protocol", "True", "USER", "compression", NULL, BOOL, false},
        {"enable_metadb_used", "True", "SYS", "use metadb when proxy run", NULL, BOOL, false},
        {"enable_proxy_scramble", "False", "SYS", "random scramble at login", NULL, BOOL, false},
        {"enable_strict_kernel_release", "True", "SYS", "check kernel release", NULL, BOOL, true},
        {"listen_port", "6688", "SYS", "obproxy listen port", NULL, INT, true},
        {"log_dir_size_threshold", "64GB", "SYS", "max usage of log/", NULL, CAPACITY, false},
        {"mysql_version", "5.6.25", "SYS", "version in the greeting", NULL, TEXT, false},
        {"obproxy_config_server_url", "", "SYS", "config server", NULL, TEXT, false},
        {"obproxy_sys_password", "", "SYS", "password of root@proxysys", NULL, SECRET, false},
#ifdef OBPROXY_HAS_PROXYRO
        {"observer_sys_password", "", "SYS", "password of proxyro", NULL, SECRET, false},
        {"observer_sys_password1", "", "SYS", "the other one", NULL, SECRET, false},
#endif
        {"prometheus_listen_port", "2884", "SYS", "exporter port", NULL, INT, true},
        {"prometheus_sync_interval", "1m", "SYS", "metric sync interval", NULL, TIME, false},
        {"proxy_idle_timeout", "60s", "USER", "idle session timeout", NULL, TIME, false},
        {"proxy_mem_limited", "2GB", "USER", "max memory", NULL, CAPACITY, false},
        {"rootservice_cluster_name", "undefined", "USER", "cluster of the list", NULL, TEXT, true},
        {"rootservice_list", "", "USER", "root servers", NULL, TEXT, true},
        {"skip_proxy_sys_private_check", "True", "SYS", "private address check", NULL, BOOL, false},
        {"syslog_level", "INFO", "USER", "log level", NULL, TEXT, false},
        {"work_thread_num", "4", "USER", "work threads", NULL, INT, true},
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void sha1_hex(const char *text, char ret[41])
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	EVP_Digest(text, strlen(text), digest, NULL, EVP_sha1(), NULL);
	for (int i = 0; i < 20; i++)
		snprintf(ret + i * 2, 3, "%02x", digest[i]);
}

static struct parameter *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++)
		if (strcasecmp(parameters[i].name, name) == 0)
			return &parameters[i];
	return NULL;
}

static bool is_number(const char *text)
{
	return *text && strlen(text) < 10 && text[strspn(text, "0123456789")] == '\0';
}

/* "10", "2g", "512MB": what the real one prints is 2GB. NULL when it is none. */
static char *capacity(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	char unit = (char)toupper((unsigned char)text[digits]);
	const char *rest = text + digits + (unit != '\0');

	if (digits == 0 || digits > 9 || (*rest && strcasecmp(rest, "b") != 0))
		return NULL;
	if (unit && !strchr("BKMGT", unit))
		return NULL;
	if (unit == 'B' && *rest)
		return NULL;
	return unit && unit != 'B' ? xasprintf("%.*s%cB", (int)digits, text, unit)
	                           : xasprintf("%.*sB", (int)digits, text);
}

static char *duration(const char *text)
{
	static const char *const units[] = {"", "us", "ms", "s", "m", "h", "d"};
	size_t digits = strspn(text, "0123456789");

	for (size_t i = 0; digits && digits < 10 && i < ARRAY_SIZE(units); i++)
		if (strcasecmp(text + digits, units[i]) == 0)
			return xasprintf("%.*s%s", (int)digits, text, *units[i] ? units[i] : "s");
	return NULL;
}

static char *boolean(const char *text)
{
	if (strcasecmp(text, "true") == 0 || strcasecmp(text, "t") == 0 || strcmp(text, "1") == 0)
		return xstrdup("True");
	if (strcasecmp(text, "false") == 0 || strcasecmp(text, "f") == 0 || strcmp(text, "0") == 0)
		return xstrdup("False");
	return NULL;
}

static bool port_is_allowed(const struct parameter *p, const char *text)
{
	return !strstr(p->name, "listen_port") || (atoi(text) >= 1025 && atoi(text) <= 65535);
}

/* The value in the proxy's own form; NULL when it is not allowed. */
static char *normal(const struct parameter *p, const char *text)
{
	switch (p->kind) {
	case INT:
		return is_number(text) && port_is_allowed(p, text) ? xstrdup(text) : NULL;
	case BOOL:
		return boolean(text);
	case CAPACITY:
		return capacity(text);
	case TIME:
		return duration(text);
	default:
		return xstrndup(text, VALUE_MAX);
	}
}

enum config_error config_set(const char *name, const char *value)
{
	enum config_error result = CONFIG_OK;
	struct parameter *p = find(name);
	char *text;

	if (!p)
		return CONFIG_UNKNOWN;
	text = normal(p, value);
	if (!text)
		return CONFIG_INVALID;
	pthread_mutex_lock(&lock);
	free(p->value);
	p->value = text;
	pthread_mutex_unlock(&lock);
	return result;
}

enum config_error config_alter(const char *name, const char *value)
{
	const struct parameter *p = find(name);
	char hash[41] = "";
	enum config_error result;

	if (!p || fault_names("unknown", name))
		return CONFIG_UNKNOWN;
	if (fault_names("invalid", name))
		return CONFIG_INVALID;
	if (p->kind == FIXED_TEXT)
		return CONFIG_FIXED;
	if (p->kind == SECRET && *value)
		sha1_hex(value, hash);
	result = config_set(name, p->kind == SECRET ? hash : value);
	if (result == CONFIG_OK && config_save() != 0)
		log_line("the configuration cannot be written to etc/: %s", strerror(errno));
	return result;
}

void config_set_options(const char *options)
{
	_cleanup_free_ char *copy = xstrdup(options);
	char *save = NULL;

	for (char *pair = strtok_r(copy, ",", &save); pair; pair = strtok_r(NULL, ",", &save)) {
		char *equals = strchr(pair, '=');

		if (!equals)
			continue;
		*equals = '\0';
		if (config_set(pair, equals + 1) != CONFIG_OK)
			fprintf(stderr, "obproxy: -o %s is ignored\n", pair);
	}
}

void config_load(void)
{
	char *line = NULL;
	size_t room = 0;
	FILE *file = fopen(FILE_NAME, "re");

	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++)
		parameters[i].value = xstrdup(parameters[i].initial);
	while (file && getline(&line, &room, file) >= 0) {
		char *equals = strchr(line, '=');

		line[strcspn(line, "\n")] = '\0';
		if (equals) {
			*equals = '\0';
			(void)config_set(line, equals + 1);
		}
	}
	free(line);
	if (file)
		fclose(file);
}

int config_save(void)
{
	FILE *file;
	bool whole;

	if (mkdir("etc", 0755) != 0 && errno != EEXIST)
		return -1;
	pthread_mutex_lock(&lock);
	file = fopen(FILE_NAME ".new", "we");
	for (size_t i = 0; file && i < ARRAY_SIZE(parameters); i++)
		fprintf(file, "%s=%s\n", parameters[i].name, parameters[i].value);
	whole = file && fflush(file) == 0 && fsync(fileno(file)) == 0;
	if (file)
		whole = fclose(file) == 0 && whole;
	whole = whole && rename(FILE_NAME ".new", FILE_NAME) == 0;
	pthread_mutex_unlock(&lock);
	return whole ? 0 : -1;
}

char *config_get(const char *name)
{
	struct parameter *p = find(name);
	char *copy;

	if (!p)
		return NULL;
	pthread_mutex_lock(&lock);
	copy = xstrdup(p->value);
	pthread_mutex_unlock(&lock);
	return copy;
}

bool config_is_true(const char *name)
{
	_cleanup_free_ char *value = config_get(name);

	return value && strcmp(value, "True") == 0;
}

/* SQL's LIKE: % any text, _ any byte. */
static bool like(const char *text, const char *pattern)
{
	for (; *pattern; text++, pattern++) {
		if (*pattern == '%') {
			for (; *text; text++)
				if (like(text, pattern + 1))
					return true;
			return like(text, pattern + 1);
		}
		if (!*text || (*pattern != '_' && tolower((unsigned char)*pattern) !=
		                                          tolower((unsigned char)*text)))
			return false;
	}
	return !*text;
}

void config_each(const char *pattern,
        void (*row)(void *arg, const char *name, const char *value, const char *info,
                bool need_reboot, const char *level),
        void *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		const struct parameter *p = &parameters[i];
		_cleanup_free_ char *value = config_get(p->name);

		if (!pattern || like(p->name, pattern))
			row(arg, p->name, value, p->info, p->need_reboot, p->level);
	}
}

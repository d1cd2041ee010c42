#include "cli/inventory_rules.h"

#include <arpa/inet.h>
#include <crypt.h>
#include <ctype.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* First of `first`, the rest of `rest`, at most `max` bytes. */
static bool is_word(const char *text, const char *first, const char *rest, size_t max)
{
	size_t len = strlen(text);

	return len && len <= max && strchr(first, *text) && strspn(text + 1, rest) == len - 1;
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(text, *words))
			return true;
	return false;
}

const char *rule_text(const char *text)
{
	size_t len = strlen(text);

	for (const char *at = text; *at; at++)
		if (iscntrl((unsigned char)*at))
			len = 0;
	return len && len <= 256 ? NULL : "1 to 256 bytes without control characters";
}

const char *rule_cluster_name(const char *text)
{
	return is_word(text, LETTERS, LETTERS DIGITS "_", 128)
	               ? NULL
	               : "a letter, then letters, digits or _, at most 128";
}

const char *rule_version(const char *text)
{
	const char *at = text;
	int parts = 0;

	do {
		size_t digits = strspn(at, DIGITS);

		if (digits < 1 || digits > 9)
			return "numbers with dots between them, such as \"3.1.1\"";
		parts++;
		at += digits;
	} while (*at++ == '.');
	return !at[-1] && parts >= 2 && parts <= 6
	               ? NULL
	               : "numbers with dots between them, such as \"3.1.1\"";
}

const char *rule_address(const char *text)
{
	struct in6_addr address;

	if (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1)
		return NULL;
	/* A name whose last part is a number is a mistyped address. */
	if (is_word(text, LETTERS DIGITS, LETTERS DIGITS ".-", 253) && strpbrk(text, LETTERS))
		return NULL;
	return "an IP address or a host name";
}

const char *rule_user_name(const char *text)
{
	return is_word(text, LETTERS "_", LETTERS DIGITS "_.-", 32)
	               ? NULL
	               : "a user name of the host, at most 32 bytes";
}

const char *rule_login_name(const char *text)
{
	return is_word(text, LETTERS, LETTERS DIGITS "_.-", 64)
	               ? NULL
	               : "a letter, then letters, digits, _ . or -, at most 64";
}

const char *rule_key_file(const char *text)
{
	return *text == '/' && !rule_text(text) && !strstr(text, "-----BEGIN")
	               ? NULL
	               : "the absolute path of a private key file on the workers (never the key)";
}

/* The blob begins with the length and the name of its type (RFC 4253 section 6.6). */
static bool blob_is(const char *base64, const char *type)
{
	size_t len = strlen(base64), want = strlen(type);
	unsigned char *blob = xmalloc(len + 1);
	bool ok = len >= 24 && len % 4 == 0 && len < 16384 &&
	          EVP_DecodeBlock(blob, (const unsigned char *)base64, (int)len) >
	                  (int)(want + 4) &&
	          !blob[0] && !blob[1] && blob[2] == want >> 8 && blob[3] == (want & 255) &&
	          !memcmp(blob + 4, type, want);

	free(blob);
	return ok;
}

const char *rule_host_key(const char *text)
{
	static const char *const types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256",
	        "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa", NULL};
	const char *blank = strchr(text, ' ');
	_cleanup_free_ char *type = blank ? xstrndup(text, (size_t)(blank - text)) : NULL;

	return blank && is_one_of(type, types) && blob_is(blank + 1, type)
	               ? NULL
	               : "type and base64 of the host's public key without a comment, such as "
	                 "\"ssh-ed25519 AAAA...\"";
}

const char *rule_url(const char *text)
{
	return (!strncmp(text, "http://", 7) || !strncmp(text, "https://", 8)) &&
	                       strlen(text) <= 1024 && !strpbrk(text, " ,'\"\\")
	               ? NULL
	               : "an http:// or https:// URL without blanks, commas or quotes";
}

static bool is_endpoint(const char *text)
{
	const char *colon = strrchr(text, ':');
	_cleanup_free_ char *host = colon ? xstrndup(text, (size_t)(colon - text)) : NULL;
	char *end;
	long port = colon ? strtol(colon + 1, &end, 10) : 0;

	return colon && isdigit((unsigned char)colon[1]) && !*end && port >= 1 && port <= 65535 &&
	       !rule_address(host);
}

const char *rule_rs_list(const char *text)
{
	do {
		size_t len = strcspn(text, ";");
		_cleanup_free_ char *one = xstrndup(text, len);

		if (!is_endpoint(one))
			return "address:port, several with ; between them";
		text += len;
	} while (*text++ == ';');
	return NULL;
}

const char *rule_work_mode(const char *text)
{
	return is_one_of(text, (const char *const[]){"CONFIG_URL", "RS_LIST", NULL})
	               ? NULL
	               : "CONFIG_URL or RS_LIST";
}

const char *rule_status(const char *text)
{
	return is_one_of(text, (const char *const[]){"AVAILABLE", "ONLINE", "OFFLINE", "NEW",
	                               "DELETING", NULL})
	               ? NULL
	               : "AVAILABLE, ONLINE, OFFLINE, NEW or DELETING";
}

const char *rule_kind(const char *text)
{
	return is_one_of(text, (const char *const[]){"DEDICATED_PHYSICAL_MACHINE",
	                               "DEDICATED_CONTAINER", NULL})
	               ? NULL
	               : "DEDICATED_PHYSICAL_MACHINE or DEDICATED_CONTAINER";
}

const char *rule_architecture(const char *text)
{
	return is_word(text, LETTERS, LETTERS DIGITS "_", 32) ? NULL : "such as x86_64 or aarch64";
}

const char *rule_package_type(const char *text)
{
	return is_one_of(text, (const char *const[]){"OBPROXY_INSTALL_PACKAGE",
	                               "OB_SERVER_INSTALL_PACKAGE", "OCP_AGENT_INSTALL_PACKAGE",
	                               "OB_BACKUP_AGENT_INSTALL_PACKAGE", NULL})
	               ? NULL
	               : "OBPROXY_INSTALL_PACKAGE, OB_SERVER_INSTALL_PACKAGE, "
	                 "OCP_AGENT_INSTALL_PACKAGE or OB_BACKUP_AGENT_INSTALL_PACKAGE";
}

const char *rule_parameter_name(const char *text)
{
	size_t len = strlen(text);

	if (!is_word(text, LETTERS "_", LETTERS DIGITS "_", 127))
		return "a letter or _, then letters, digits or _, at most 127";
	/* The inventory is read by many; passwords are drawn and kept elsewhere. */
	return len >= 9 && !strcmp(text + len - 9, "_password")
	               ? "no password: the subtask set-obproxy-password draws those"
	               : NULL;
}

/* OBProxy cuts longer values without a word; no quote or backslash ever needs quoting then. */
const char *rule_parameter_value(const char *text)
{
	if (strlen(text) > 4096 || strpbrk(text, "'\"\\"))
		return "at most 4096 bytes without quotes and backslashes";
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			return "free of control characters";
	return NULL;
}

/* Startup parameters go into one -o a=b,c=d. */
const char *rule_startup_value(const char *text)
{
	return strpbrk(text, ", ") ? "free of commas and blanks: it stands on a command line"
	                           : rule_parameter_value(text);
}

const char *rule_password_hash(const char *text)
{
	return !strncmp(text, "$y$", 3) && crypt_checksalt(text) == CRYPT_SALT_OK
	               ? NULL
	               : "a yescrypt hash ($y$...), as `mkpasswd -m yescrypt` prints; or use "
	                 "`obpipe user add`";
}

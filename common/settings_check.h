/*
 * settings_check: the forms a setting's text can be held to. Private to settings.c and its test.
 */
#ifndef OBPIPE_COMMON_SETTINGS_CHECK_H
#define OBPIPE_COMMON_SETTINGS_CHECK_H

/* The flags column of settings.def. */
enum setting_flag {
	SETTING_SECRET = 1 << 0,
	SETTING_REQUIRED = 1 << 1,
	/* forms */
	SETTING_ENDPOINTS = 1 << 2, /* host:port[,host:port...] */
	SETTING_LISTEN = 1 << 3,    /* IP address:port, port 0 allowed; empty where min is 0 */
	SETTING_NAMES = 1 << 4,     /* "all", or names [a-z0-9-] separated by commas, none twice */
	SETTING_ROLES = 1 << 5,  /* intake, executor, maintainer, separated by commas, none twice */
	SETTING_PREFIX = 1 << 6, /* [a-z0-9._-] */
	SETTING_OPTIONS = 1 << 7, /* name=value[;name=value...] */
	SETTING_LEVEL = 1 << 8,   /* a log level */
	SETTING_URL = 1 << 9,     /* http:// or https:// and a host */
};

/* NULL when the value has the form its flags ask for, else what would be right ("must be ..."). */
const char *setting_form_check(int flags, const char *value);

#endif

/*
 * settings: everything that can be set from outside, read once at start from the environment.
 * settings.def is the table; --help, the README table and validation come from it.
 */
#ifndef OBPIPE_COMMON_SETTINGS_H
#define OBPIPE_COMMON_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/strbuf.h"

enum setting_program { SETTING_PRODUCER = 1, SETTING_WORKER = 2, SETTING_CLI = 4 };

/* One member a setting, named by the table's first column. TEXT members are owned by the struct. */
struct settings {
#define SETTING_MEMBER_TEXT(name) char *name;
#define SETTING_MEMBER_INT(name) int64_t name;
#define SETTING_MEMBER_BOOL(name) bool name;
#define SETTING(field, env, type, def, min, max, programs, flags, help) SETTING_MEMBER_##type(field)
#include "common/settings.def"
#undef SETTING
};

/* Looks a variable up; returns NULL when unset. Lets tests and --options stand in for getenv. */
typedef const char *(*settings_lookup_fn)(void *arg, const char *env_name);

/*
 * Fills *s for one program. Settings of other programs get their defaults unchecked. Returns 0, or
 * -1 with one line for every wrong setting (name, value, what is allowed) in *errors; a secret's
 * value is not printed. lookup NULL means the environment. REQUIRED settings missing are faults,
 * except for SETTING_CLI: what a command needs, it asks for by settings_require(). An empty value
 * is a value. After -1 the struct holds defaults where a setting was wrong; release it all the
 * same.
 */
int settings_load(struct settings *s, enum setting_program program, settings_lookup_fn lookup,
        void *arg, struct strbuf *errors) __attribute__((warn_unused_result));
void settings_release(struct settings *s);

/* Sets one member from text by its field name ("slots"), as an --option does. -1: see *errors. */
int settings_set(struct settings *s, const char *field, const char *value, struct strbuf *errors)
        __attribute__((warn_unused_result));

/* Is this TEXT setting set? -1 with a line in *errors when it is empty. */
int settings_require(const struct settings *s, const char *field, struct strbuf *errors)
        __attribute__((warn_unused_result));

/* Prints the table for --help of one program. */
void settings_help(FILE *out, enum setting_program program);
/* Prints the table as Markdown, for the README. */
void settings_markdown(FILE *out);

/* Calls fn for each setting with its effective value as text; a set secret reads "(set)". */
void settings_each(const struct settings *s,
        void (*fn)(void *arg, const char *env_name, const char *value, const char *help),
        void *arg);

#endif

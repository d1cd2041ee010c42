/* user: who may log on to the ingress. */
#include <crypt.h>
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "common/clock.h"
#include "common/db.h"
#include "common/mem.h"

#define NAME_BYTES_MAX 64
#define PASSWORD_BYTES_MIN 8
#define PASSWORD_BYTES_MAX 256

static bool name_ok(const char *name)
{
	if (!isalpha((unsigned char)*name) || strlen(name) > NAME_BYTES_MAX)
		return false;
	for (const char *at = name; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("_.-", *at))
			return false;
	return true;
}

/* ---- the password ---- */

static struct termios terminal_before;

/* A Ctrl-C at the prompt must not leave the terminal without echo. */
static void on_interrupt(int number)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
	_exit(128 + number);
}

static void hide_typing(void)
{
	struct termios quiet = terminal_before;

	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
}

/* Reads one line of at most `size` - 1 bytes without its newline; -1 when it is longer or holds a
 * NUL. */
static int read_line(char *line, size_t size)
{
	size_t len = 0;
	int c;

	while ((c = getchar()) != EOF && c != '\n') {
		if (c == '\0' || len + 1 == size)
			return -1;
		line[len++] = (char)c;
	}
	line[len] = '\0';
	return 0;
}

/* From stdin, not echoed when that is a terminal. */
static int read_password(struct cli *cli, char *password, size_t size)
{
	bool terminal = tcgetattr(STDIN_FILENO, &terminal_before) == 0;
	int rc;

	setvbuf(stdin, NULL, _IONBF, 0); /* leaves no copy behind */
	if (terminal) {
		fprintf(stderr, "Password: ");
		hide_typing();
	}
	rc = read_line(password, size);
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal_before);
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		fputc('\n', stderr);
	}
	if (rc == 0 && strlen(password) >= PASSWORD_BYTES_MIN)
		return EXIT_OK;
	return cli_usage(cli, "the password, the first line of stdin, must have %d to %d bytes",
	        PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX);
}

/* crypt(5) text, the caller's. */
static char *hash_password(const char *password)
{
	char salt[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	const char *hash;
	char *mine;

	if (!crypt_gensalt_rn("$y$", 0, NULL, 0, salt, sizeof(salt)) ||
	        !(hash = crypt_r(password, salt, data)) || *hash == '*')
		BUG("yescrypt is not available");
	mine = xstrdup(hash);
	explicit_bzero(data, sizeof(*data));
	free(data);
	return mine;
}

/* ---- the table ---- */

/* Runs the statement in a transaction that first locks the inventory and raises its version. */
static int change(struct cli *cli, enum query query, const struct db_params *p, PGresult **ret_res,
        struct err *err)
{
	struct db db;
	int rc = -1;

	*ret_res = NULL;
	db_init(&db, &cli->settings, "obpipe-user");
	if (db_exec(&db, "BEGIN", err) == 0 &&
	        db_query(&db, QUERY_INV_BUMP, NULL, NULL, err) == 0 &&
	        db_query(&db, query, p, ret_res, err) == 0)
		/* Nothing changed: nobody need read the inventory again. */
		rc = db_exec(&db, PQntuples(*ret_res) ? "COMMIT" : "ROLLBACK", err);
	db_release(&db);
	return rc;
}

static int add(struct cli *cli, const char *name)
{
	char password[PASSWORD_BYTES_MAX + 1];
	struct db_params p = DB_PARAMS_INIT;
	struct err err = {0};
	PGresult *res;
	int rc, code;

	if (!name_ok(name))
		return cli_usage(cli,
		        "\"%s\" is no user name: a letter, then letters, digits, \"_\", \".\" or "
		        "\"-\", at most %d",
		        name, NAME_BYTES_MAX);
	code = read_password(cli, password, sizeof(password));
	if (code == EXIT_OK) {
		_cleanup_free_ char *hash = hash_password(password);

		db_add_text(&p, name);
		db_add_text(&p, hash);
	}
	explicit_bzero(password, sizeof(password));
	if (code)
		return code;
	rc = change(cli, QUERY_INV_USER_ADD, &p, &res, &err);
	db_params_release(&p);
	if (rc == 0)
		printf(db_get_bool(res, 0, 0) ? "user %s may log on\n"
		                              : "user %s has a new password\n",
		        name);
	PQclear(res);
	return rc < 0 ? cli_fail(cli, &err) : EXIT_OK;
}

static int delete_user(struct cli *cli, const char *name)
{
	struct db_params p = DB_PARAMS_INIT;
	struct err err = {0};
	PGresult *res;
	int rc;

	db_add_text(&p, name);
	rc = change(cli, QUERY_INV_USER_DELETE, &p, &res, &err);
	db_params_release(&p);
	if (rc == 0 && PQntuples(res) == 0)
		rc = err_set(&err, ERR_PERMANENT, "",
		        "there is no user \"%s\"; `obpipe user list` shows them", name);
	PQclear(res);
	if (rc < 0)
		return cli_fail(cli, &err);
	printf("user %s deleted\n", name);
	return EXIT_OK;
}

static void print_users(const struct cli *cli, const PGresult *res)
{
	struct table *t = table_new((const char *const[]){"NAME", "SINCE", NULL});
	json_t *all = json_array();

	for (int row = 0; row < PQntuples(res); row++) {
		_cleanup_strbuf_ struct strbuf since = STRBUF_INIT;
		const char *name = db_get_text(res, row, 0);

		clock_add_iso(&since, db_get_time(res, row, 1));
		table_add(t, name);
		table_add(t, since.buf);
		json_array_append_new(
		        all, json_pack("{s:s, s:s}", "name", name, "createTime", since.buf));
	}
	if (cli->json)
		cli_print_json(all);
	else
		table_print(t, stdout);
	json_decref(all);
	table_free(t);
}

static int list(struct cli *cli)
{
	struct err err = {0};
	PGresult *res;
	struct db db;
	int rc;

	db_init(&db, &cli->settings, "obpipe-user");
	rc = db_query(&db, QUERY_INV_USER_LIST, NULL, &res, &err);
	if (rc == 0) {
		print_users(cli, res);
		PQclear(res);
	}
	db_release(&db);
	return rc < 0 ? cli_fail(cli, &err) : EXIT_OK;
}

int cmd_user(struct cli *cli, int argc, char **argv)
{
	int at, given, code = cli_only_json(cli, argc, argv, &at);
	const char *verb;

	if (code)
		return code;
	given = argc - at;
	verb = given ? argv[at] : "";
	if (!strcmp(verb, "list") && given == 1)
		return list(cli);
	if (cli->json)
		return cli_usage(cli, "--json is for `obpipe user list`");
	if (!strcmp(verb, "add") && given == 2)
		return add(cli, argv[at + 1]);
	if (!strcmp(verb, "delete") && given == 2)
		return delete_user(cli, argv[at + 1]);
	return cli_usage(cli, "say add NAME, delete NAME or list");
}

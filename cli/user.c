/* user: who may log on. */
#include <crypt.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
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

/* One line from stdin, not echoed on a terminal. */
static char *read_password(void)
{
	char line[PASSWORD_BYTES_MAX + 3] = "";
	struct termios old, quiet;
	bool terminal = tcgetattr(STDIN_FILENO, &old) == 0;

	if (terminal) {
		fprintf(stderr, "Password: ");
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	if (!fgets(line, sizeof(line), stdin))
		line[0] = '\0';
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputc('\n', stderr);
	}
	line[strcspn(line, "\n")] = '\0';
	return xstrdup(line);
}

static int change(struct cli *cli, enum query query, const struct db_params *p, int *ret_rows,
        struct err *err)
{
	PGresult *res = NULL;
	struct db db;
	int rc = -1;

	db_init(&db, &cli->settings, "obpipe-user");
	if (db_exec(&db, "BEGIN", err) == 0 &&
	        db_query(&db, QUERY_INV_BUMP, NULL, NULL, err) == 0 &&
	        db_query(&db, query, p, &res, err) == 0) {
		*ret_rows = PQntuples(res);
		rc = db_exec(&db, "COMMIT", err);
	}
	PQclear(res);
	db_release(&db);
	return rc;
}

static int add(struct cli *cli, const char *name)
{
	_cleanup_free_ char *password = NULL;
	char salt[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data;
	struct db_params p = DB_PARAMS_INIT;
	struct err err = {0};
	const char *hash;
	int rows, rc;

	if (!name_ok(name))
		return cli_usage(cli,
		        "\"%s\" is no user name: a letter, then letters, digits, _ . "
		        "or -, at most %d",
		        name, NAME_BYTES_MAX);
	password = read_password();
	if (strlen(password) < PASSWORD_BYTES_MIN || strlen(password) > PASSWORD_BYTES_MAX)
		return cli_usage(cli, "the password on stdin must have %d to %d bytes",
		        PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX);
	data = xcalloc(1, sizeof(*data));
	if (!crypt_gensalt_rn("$y$", 0, NULL, 0, salt, sizeof(salt)) ||
	        !(hash = crypt_r(password, salt, data)) || *hash == '*')
		BUG("yescrypt is not available");
	db_add_text(&p, name);
	db_add_text(&p, hash);
	rc = change(cli, QUERY_INV_USER_ADD, &p, &rows, &err);
	db_params_release(&p);
	explicit_bzero(password, strlen(password));
	free(data);
	if (rc < 0)
		return cli_fail(cli, &err);
	printf("user %s may log on\n", name);
	return EXIT_OK;
}

static int delete (struct cli *cli, const char *name)
{
	struct db_params p = DB_PARAMS_INIT;
	struct err err = {0};
	int rows = 0, rc;

	db_add_text(&p, name);
	rc = change(cli, QUERY_INV_USER_DELETE, &p, &rows, &err);
	db_params_release(&p);
	if (rc == 0 && rows == 0)
		rc = err_set(&err, ERR_PERMANENT, "", "there is no user \"%s\"", name);
	if (rc < 0)
		return cli_fail(cli, &err);
	printf("user %s deleted\n", name);
	return EXIT_OK;
}

static int list(struct cli *cli)
{
	struct err err = {0};
	struct strbuf line = STRBUF_INIT;
	PGresult *res;
	struct db db;

	db_init(&db, &cli->settings, "obpipe-user");
	if (db_query(&db, QUERY_INV_USER_LIST, NULL, &res, &err) < 0) {
		db_release(&db);
		return cli_fail(cli, &err);
	}
	for (int row = 0; row < PQntuples(res); row++) {
		strbuf_reset(&line);
		clock_add_iso(&line, db_get_time(res, row, 2));
		if (cli->json)
			printf("{\"name\":\"%s\",\"createTime\":\"%s\"}\n",
			        db_get_text(res, row, 0), line.buf);
		else
			printf("%-32s since %s\n", db_get_text(res, row, 0), line.buf);
	}
	PQclear(res);
	strbuf_release(&line);
	db_release(&db);
	return EXIT_OK;
}

int cmd_user(struct cli *cli, int argc, char **argv)
{
	cli->json = argc > 2 && !strcmp(argv[argc - 1], "--json");
	if (argc == 3 && !strcmp(argv[1], "add"))
		return add(cli, argv[2]);
	if (argc == 3 && !strcmp(argv[1], "delete"))
		return delete (cli, argv[2]);
	if ((argc == 2 || cli->json) && !strcmp(argv[1], "list"))
		return list(cli);
	return cli_usage(cli, "say add NAME, delete NAME or list");
}

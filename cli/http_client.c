#include "cli/http_client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"
#include "common/json.h"
#include "common/mem.h"

#define CONNECT_S 5L
#define TOTAL_S 30L

struct http_client {
	CURL *curl;
	struct curl_slist *headers;
};

static size_t on_data(char *data, size_t size, size_t count, void *arg)
{
	strbuf_add(arg, data, size * count);
	return size * count;
}

static struct http_client *client_new(const struct settings *settings)
{
	struct http_client *c = xcalloc(1, sizeof(*c));

	c->curl = curl_easy_init();
	if (!c->curl)
		BUG("libcurl cannot be used");
	c->headers = curl_slist_append(NULL, "Content-Type: application/json");
	curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, TOTAL_S);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c->curl, CURLOPT_USERNAME, settings->user);
	curl_easy_setopt(c->curl, CURLOPT_PASSWORD, settings->password);
	return c;
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	curl_easy_cleanup(client->curl);
	curl_slist_free_all(client->headers);
	free(client);
}

char *http_encode(const char *text)
{
	char *encoded = curl_easy_escape(NULL, text, 0);
	char *mine = xstrdup(encoded ? encoded : "");

	curl_free(encoded);
	return mine;
}

/* ---- what the ingress said ---- */

static void print_faults(const json_t *error, const char *told)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	size_t i;
	json_t *sub;

	json_array_foreach (json_object_get(error, "subErrors"), i, sub) {
		const char *message = json_text(sub, "message");

		if (!message || !strcmp(message, told))
			continue;
		text_add_lines(&line, json_text(sub, "field"));
		strbuf_adds(&line, ": ");
		text_add_lines(&line, message);
		fprintf(stderr, "  %s\n", line.buf);
		strbuf_reset(&line);
	}
}

static enum err_kind kind_of(long status)
{
	return status == 503 ? ERR_RETRYABLE : status == 504 ? ERR_UNKNOWN : ERR_PERMANENT;
}

static int refused(const struct cli *cli, long status, const json_t *json, struct err *err)
{
	const json_t *error = json_object_get(json, "error");
	const char *message = json_text(error, "message"), *code = json_text(error, "code");
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	if (!message)
		return err_set(err, kind_of(status), "", "%s answered %ld%s", cli->settings.url,
		        status, json ? "" : " and no JSON: is it an obpipe ingress?");
	text_add_lines(&text, message);
	err_set(err, kind_of(status), code ? code : "", "%s", text.len ? text.buf : "no reason");
	print_faults(error, message);
	if (status == 401)
		fprintf(stderr, "OBPIPE_USER (now \"%s\") and OBPIPE_PASSWORD say who you are.\n",
		        cli->settings.user);
	return -1;
}

/* ---- calling ---- */

/* Did the request not even leave? Then nothing can have been changed. */
static bool never_left(CURLcode code)
{
	return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
	       code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_SSL_CONNECT_ERROR ||
	       code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_URL_MALFORMAT ||
	       code == CURLE_UNSUPPORTED_PROTOCOL;
}

static int no_answer(const struct cli *cli, const char *method, CURLcode code, struct err *err)
{
	const char *why = curl_easy_strerror(code);

	if (!strcmp(method, "GET") || never_left(code))
		return err_set(err, ERR_RETRYABLE, "",
		        "%s cannot be reached: %s; is the stack up (`make up`)? OBPIPE_URL says "
		        "where it is",
		        cli->settings.url, why);
	return err_set(err, ERR_UNKNOWN, "",
	        "%s gave no answer: %s; the request may have been accepted, see `obpipe tasks`",
	        cli->settings.url, why);
}

int http_call(struct cli *cli, const char *method, const char *path, const char *body,
        json_t **ret_json, struct err *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *url = xasprintf("%s%s", cli->settings.url, path);
	long status = 0;
	CURLcode code;
	json_t *json;
	CURL *curl;

	if (!cli->http)
		cli->http = client_new(&cli->settings);
	curl = cli->http->curl;
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &text);
	if (strcmp(method, "GET") != 0) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body ? body : "");
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)(body ? strlen(body) : 0));
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	} else {
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL);
		curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	}
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK)
		return no_answer(cli, method, code, err);
	json = json_loadb(text.buf ? text.buf : "", text.len, 0, NULL);
	if (status < 400 && json_is_object(json)) {
		*ret_json = json;
		return 0;
	}
	refused(cli, status, json, err);
	json_decref(json);
	return -1;
}

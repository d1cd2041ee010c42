#include "cli/http_client.h"

#include <curl/curl.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"

#define CONNECT_S 5L
#define TOTAL_S 30L

static size_t on_data(char *data, size_t size, size_t count, void *arg)
{
	strbuf_add(arg, data, size * count);
	return size * count;
}

char *http_encode(const char *text)
{
	char *encoded = curl_easy_escape(NULL, text, 0);
	char *mine = xstrdup(encoded ? encoded : "");

	curl_free(encoded);
	return mine;
}

static int judge(const struct cli *cli, long status, json_t *json, const struct strbuf *text,
        struct err *err)
{
	const json_t *error = json_object_get(json, "error");
	const char *message = json_text(error, "message"), *code = json_text(error, "code");
	enum err_kind kind = status == 503 ? ERR_RETRYABLE : ERR_PERMANENT;
	size_t i;
	json_t *sub;

	if (status < 400 && json)
		return 0;
	if (!message)
		return err_set(err, kind, "", "%s answered %ld%s", cli->settings.url, status,
		        text->len ? " and no JSON: is it an obpipe ingress?" : "");
	err_set(err, kind, code ? code : "", "%s", message);
	/* The first is the message itself. */
	json_array_foreach (json_object_get(error, "subErrors"), i, sub)
		if (i > 0)
			fprintf(stderr, "  %s: %s\n", json_text(sub, "field"),
			        json_text(sub, "message"));
	return -1;
}

int http_call(const struct cli *cli, const char *method, const char *path, const char *body,
        json_t **ret_json, struct err *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *url = xasprintf("%s%s", cli->settings.url, path);
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	long status = 0;
	CURLcode code;
	json_t *json;
	int rc;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, TOTAL_S);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &text);
	curl_easy_setopt(curl, CURLOPT_USERNAME, cli->settings.user);
	curl_easy_setopt(curl, CURLOPT_PASSWORD, cli->settings.password);
	if (body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	if (code != CURLE_OK)
		return err_set(err, ERR_RETRYABLE, "",
		        "%s: %s (is the stack up? `make up`; OBPIPE_URL says where it is)",
		        cli->settings.url, curl_easy_strerror(code));
	json = json_loadb(text.buf ? text.buf : "", text.len, 0, NULL);
	rc = judge(cli, status, json, &text, err);
	if (rc < 0)
		json_decref(json);
	else
		*ret_json = json;
	return rc;
}

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"
#include "workers/host/host_internal.h"
#include "workers/host/host_scripts.h"
#include "workers/host/quote.h"

#define BLOCK_BYTES ((size_t)64 * 1024)
#define SHA256_HEX_BYTES 65

/* ---- SHA-256 ---- */

static void to_hex(const unsigned char *hash, char ret[SHA256_HEX_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 32; i++) {
		ret[2 * i] = digits[hash[i] >> 4];
		ret[2 * i + 1] = digits[hash[i] & 15];
	}
	ret[64] = '\0';
}

static void sha256_of(const void *data, size_t bytes, char ret[SHA256_HEX_BYTES])
{
	unsigned char hash[EVP_MAX_MD_SIZE];

	if (EVP_Digest(data, bytes, hash, NULL, EVP_sha256(), NULL) != 1)
		BUG("no SHA-256 in this OpenSSL");
	to_hex(hash, ret);
}

/* Reads the file from its start to its end; -1: errno. */
static int sha256_of_file(int fd, char ret[SHA256_HEX_BYTES], int64_t *ret_bytes)
{
	_cleanup_free_ unsigned char *block = xmalloc(BLOCK_BYTES);
	unsigned char hash[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	ssize_t n;
	int error;

	*ret_bytes = 0;
	if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		BUG("no SHA-256 in this OpenSSL");
	while ((n = pread(fd, block, BLOCK_BYTES, *ret_bytes)) > 0) {
		EVP_DigestUpdate(md, block, (size_t)n);
		*ret_bytes += n;
	}
	error = errno;
	EVP_DigestFinal_ex(md, hash, NULL);
	EVP_MD_CTX_free(md);
	to_hex(hash, ret);
	errno = error;
	return n < 0 ? -1 : 0;
}

/* ---- writing ---- */

static int put_failed(
        struct host *h, const struct host_file *file, const struct exchange *x, struct err *err)
{
	const char *label = h->session->label, *word = x->err.status.buf;
	const char *owner = file->owner ? file->owner : "root";
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	if (strcmp(word, "nodir") == 0)
		return err_set(err, ERR_PERMANENT, "",
		        "%s: %s failed: the directory of %s is not there", label, file->what,
		        file->path);
	if (strcmp(word, "isdir") == 0)
		return err_set(err, ERR_PERMANENT, "",
		        "%s: %s failed: %s is a directory; move it away", label, file->what,
		        file->path);
	if (strcmp(word, "nouser") == 0)
		return err_set(err, ERR_PERMANENT, "CMP07037",
		        "%s: %s failed: there is no user \"%s\" to own %s", label, file->what,
		        owner, file->path);
	if (strncmp(word, "short", 5) == 0 || strcmp(word, "differs") == 0)
		return err_set(err, ERR_RETRYABLE, "",
		        "%s: %s failed: what arrived is not what was sent (%s); %s is as it was",
		        label, file->what, word, file->path);
	host_add_printable(&text, word, strlen(word), 400);
	return err_set(err, ERR_PERMANENT, "", "%s: %s failed: %s; %s is as it was", label,
	        file->what, text.buf ? text.buf : "?", file->path);
}

/* Sends what `more` gives, or what is in `data`. */
static int put(struct host *h, const struct host_file *file, const char *sha256, int64_t bytes,
        const void *data, int (*more)(void *, struct strbuf *, struct err *), void *arg,
        struct err *err)
{
	_cleanup_strbuf_ struct strbuf set = STRBUF_INIT, out = STRBUF_INIT, errs = STRBUF_INIT;
	struct exchange x;
	int rc;

	if (file->path[0] != '/' || file->path[strlen(file->path) - 1] == '/')
		return err_set(err, ERR_PERMANENT, "",
		        "%s: %s: \"%s\" is no absolute path of a file", h->session->label,
		        file->what, file->path);
	exchange_init(&x, file->what, &out, &errs, 4096);
	quote_assign(&set, "path", file->path);
	quote_assign(&set, "owner", file->owner ? file->owner : "root");
	quote_assign(&set, "sha256", sha256);
	strbuf_addf(&set, "bytes=%" PRId64 "\nmode=%04o\n", bytes,
	        (unsigned)(file->mode ? file->mode : 0644) & 07777);
	exchange_add_script(&x, set.buf, host_put_text);
	if (data)
		strbuf_add(&x.input, data, (size_t)bytes);
	x.more = more;
	x.more_arg = arg;
	rc = exchange_run(h, &x, file->timeout_ms ? file->timeout_ms : HOST_TIMEOUT_MS, err);
	if (rc == 0 && strcmp(x.err.status.buf, "start") != 0)
		rc = put_failed(h, file, &x, err);
	exchange_release(&x);
	return rc;
}

int host_write_file(struct host *h, const struct host_file *file, const void *data, size_t bytes,
        struct err *err)
{
	char sha256[SHA256_HEX_BYTES];

	if (bytes > HOST_SCRIPT_MAX)
		return err_set(err, ERR_PERMANENT, "", "%s: %s: %zu bytes are too much for memory",
		        h->session->label, file->what, bytes);
	sha256_of(data, bytes, sha256);
	return put(h, file, sha256, (int64_t)bytes, data, NULL, NULL, err);
}

struct source {
	int fd;
	int64_t at, bytes;
	const char *path;
};

static int read_more(void *arg, struct strbuf *input, struct err *err)
{
	struct source *s = arg;
	int64_t left = s->bytes - s->at;
	size_t want = left < (int64_t)BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
	ssize_t n;

	if (want == 0)
		return 0;
	strbuf_grow(input, want);
	n = pread(s->fd, input->buf, want, s->at);
	if (n < 0)
		return err_errno(err, ERR_RETRYABLE, errno, "reading %s", s->path);
	/* Shorter than it was: the host sees that and throws it away. */
	if (n == 0)
		return 0;
	input->len = (size_t)n;
	input->buf[n] = '\0';
	s->at += n;
	return 1;
}

int host_put_file(struct host *h, const struct host_file *file, const char *local_path,
        const char *sha256, struct err *err)
{
	struct source s = {.path = local_path};
	char has[SHA256_HEX_BYTES];
	struct stat st;
	int rc;

	s.fd = open(local_path, O_RDONLY | O_CLOEXEC);
	if (s.fd < 0)
		return err_errno(err, ERR_PERMANENT, errno,
		        "%s: %s: %s cannot be read on this worker", h->session->label, file->what,
		        local_path);
	if (fstat(s.fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		rc = err_set(err, ERR_PERMANENT, "", "%s: %s: %s is no file on this worker",
		        h->session->label, file->what, local_path);
	} else if (sha256_of_file(s.fd, has, &s.bytes) < 0) {
		rc = err_errno(err, ERR_RETRYABLE, errno, "%s: %s: reading %s", h->session->label,
		        file->what, local_path);
	} else if (sha256 && strcasecmp(sha256, has) != 0) {
		rc = err_set(err, ERR_PERMANENT, "",
		        "%s: %s: %s on this worker has SHA-256 %s, but %s is what is known of it; "
		        "bring the right file or register this one",
		        h->session->label, file->what, local_path, has, sha256);
	} else {
		rc = put(h, file, has, s.bytes, NULL, read_more, &s, err);
	}
	close(s.fd);
	return rc;
}

/* ---- reading ---- */

enum { READ_ABSENT = 61, READ_NO_FILE = 62, READ_TOO_LARGE = 63 };

static const char read_script[] = "if [ ! -e \"$1\" ]; then\n"
                                  "	if [ -L \"$1\" ]; then exit 62; fi\n"
                                  "	exit 61\n"
                                  "fi\n"
                                  "[ -f \"$1\" ] || exit 62\n"
                                  "bytes=$(wc -c <\"$1\") || exit 1\n"
                                  "[ \"$bytes\" -le \"$2\" ] || exit 63\n"
                                  "cat -- \"$1\"\n";

int host_read_file(struct host *h, const char *what, const char *path, size_t max,
        enum host_file_state *ret_state, struct strbuf *ret, struct err *err)
{
	_cleanup_free_ char *limit = xasprintf("%zu", max);
	_cleanup_host_result_ struct host_result r = HOST_RESULT_INIT;
	struct host_command cmd = {
	        .what = what, .argv = HOST_ARGV(path, limit), .output_max = max + 1};
	int code;

	if (host_script(h, read_script, &cmd, &r, err) < 0)
		return -1;
	code = r.end == HOST_EXITED ? r.exit_code : -1;
	if (code == READ_ABSENT) {
		*ret_state = HOST_FILE_ABSENT;
		return 0;
	}
	if (code == READ_NO_FILE)
		return err_set(err, ERR_PERMANENT, "", "%s: %s failed: %s is no regular file",
		        h->session->label, what, path);
	if (code == READ_TOO_LARGE || r.out_total > max)
		return err_set(err, ERR_PERMANENT, "",
		        "%s: %s failed: %s is larger than the %zu bytes that were expected",
		        h->session->label, what, path, max);
	if (code != 0)
		return host_result_err(h, &cmd, &r, err);
	strbuf_add(ret, r.out.buf ? r.out.buf : "", r.out.len);
	*ret_state = HOST_FILE_READ;
	return 0;
}

#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/strbuf.h"

#define BLOCK 65536

int file_read(const char *path, char **ret_text, size_t *ret_bytes, struct err *err)
{
	struct strbuf text = STRBUF_INIT;
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	ssize_t n = -1;

	if (fd < 0)
		return err_errno(err, ERR_PERMANENT, errno, "%s", path);
	do {
		strbuf_grow(&text, BLOCK);
		n = read(fd, text.buf + text.len, BLOCK);
		if (n > 0)
			text.len += (size_t)n;
	} while (n > 0 && text.len <= FILE_BYTES_MAX);
	if (n < 0)
		err_errno(err, ERR_PERMANENT, errno, "%s", path);
	else if (n > 0)
		err_set(err, ERR_PERMANENT, "", "%s: larger than %d bytes", path, FILE_BYTES_MAX);
	if (fd != STDIN_FILENO)
		close(fd);
	if (n != 0) {
		strbuf_release(&text);
		return -1;
	}
	text.buf[text.len] = '\0';
	*ret_text = strbuf_detach(&text, ret_bytes);
	return 0;
}

/* ---- SHA-256 ---- */

static void digest_finish(EVP_MD_CTX *ctx, char *hex)
{
	unsigned char digest[32];
	unsigned int len = sizeof(digest);

	if (EVP_DigestFinal_ex(ctx, digest, &len) != 1)
		BUG("SHA-256 is not available");
	for (unsigned int i = 0; i < len; i++)
		snprintf(hex + i * 2, 3, "%02x", digest[i]);
}

static EVP_MD_CTX *digest_begin(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		BUG("SHA-256 is not available");
	return ctx;
}

void sha256_hex(const void *data, size_t bytes, char *hex)
{
	EVP_MD_CTX *ctx = digest_begin();

	EVP_DigestUpdate(ctx, data, bytes);
	digest_finish(ctx, hex);
	EVP_MD_CTX_free(ctx);
}

int file_digest(int fd, const char *path, int64_t *ret_bytes, char *hex, struct err *err)
{
	EVP_MD_CTX *ctx = digest_begin();
	char block[BLOCK];
	ssize_t n;

	*ret_bytes = 0;
	while ((n = pread(fd, block, sizeof(block), *ret_bytes)) > 0) {
		EVP_DigestUpdate(ctx, block, (size_t)n);
		*ret_bytes += n;
	}
	if (n == 0)
		digest_finish(ctx, hex);
	EVP_MD_CTX_free(ctx);
	return n < 0 ? err_errno(err, ERR_PERMANENT, errno, "%s", path) : 0;
}

#include "cli/file.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/strbuf.h"

int file_read(const char *path, char **ret_text, size_t *ret_bytes, struct err *err)
{
	struct strbuf text = STRBUF_INIT;
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	ssize_t n = -1;

	if (fd < 0)
		return err_errno(err, ERR_PERMANENT, errno, "%s", path);
	do {
		strbuf_grow(&text, 65536);
		n = read(fd, text.buf + text.len, 65536);
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

#include "cli/rpm_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

/* The file is a lead, a signature header padded to 8 bytes, a header, and the payload. */
#define LEAD_BYTES 96
#define ENTRY_BYTES 16
#define HEADER_BYTES 16
#define ENTRIES_MAX 65536U
#define STORE_MAX (64U * 1024 * 1024)

enum { TAG_NAME = 1000, TAG_VERSION = 1001, TAG_RELEASE = 1002, TAG_ARCH = 1022 };
enum { TYPE_STRING = 6 };

struct header {
	unsigned char *data; /* entries, then the store */
	uint32_t entries, store;
};

static uint32_t u32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool read_at(int fd, void *buf, size_t bytes, int64_t offset)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t n = pread(fd, (char *)buf + done, bytes - done, offset + (int64_t)done);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* Reads the header at *offset and moves *offset behind it. */
static bool read_header(int fd, int64_t *offset, struct header *ret)
{
	static const unsigned char magic[] = {0x8e, 0xad, 0xe8, 0x01};
	unsigned char start[HEADER_BYTES];
	size_t bytes;

	if (!read_at(fd, start, sizeof(start), *offset) || memcmp(start, magic, sizeof(magic)) != 0)
		return false;
	ret->entries = u32(start + 8);
	ret->store = u32(start + 12);
	if (ret->entries > ENTRIES_MAX || ret->store > STORE_MAX)
		return false;
	bytes = (size_t)ret->entries * ENTRY_BYTES + ret->store;
	ret->data = xmalloc(bytes + 1);
	if (!read_at(fd, ret->data, bytes, *offset + HEADER_BYTES)) {
		free(ret->data);
		ret->data = NULL;
		return false;
	}
	*offset += HEADER_BYTES + (int64_t)bytes;
	return true;
}

static bool read_text(const struct header *h, uint32_t tag, char *ret)
{
	const unsigned char *store = h->data + (size_t)h->entries * ENTRY_BYTES;

	for (uint32_t i = 0; i < h->entries; i++) {
		const unsigned char *e = h->data + (size_t)i * ENTRY_BYTES;
		uint32_t offset = u32(e + 8);
		size_t room, len;

		if (u32(e) != tag || u32(e + 4) != TYPE_STRING || offset >= h->store)
			continue;
		room = h->store - offset;
		len = strnlen((const char *)store + offset, room);
		if (len == room || len == 0 || len >= RPM_TEXT_MAX)
			return false;
		memcpy(ret, store + offset, len + 1);
		return true;
	}
	return false;
}

static bool read_names(int fd, struct rpm_file *ret)
{
	static const unsigned char magic[] = {0xed, 0xab, 0xee, 0xdb};
	unsigned char lead[LEAD_BYTES];
	struct header h = {0};
	int64_t offset = LEAD_BYTES;
	bool ok;

	/* Bytes 6 and 7 tell a binary package (0) from a source package (1). */
	if (!read_at(fd, lead, sizeof(lead), 0) || memcmp(lead, magic, sizeof(magic)) != 0 ||
	        lead[6] || lead[7] || !read_header(fd, &offset, &h))
		return false;
	free(h.data);
	offset = (offset + 7) / 8 * 8;
	if (!read_header(fd, &offset, &h))
		return false;
	ok = read_text(&h, TAG_NAME, ret->name) && read_text(&h, TAG_VERSION, ret->version) &&
	     read_text(&h, TAG_RELEASE, ret->release) && read_text(&h, TAG_ARCH, ret->arch);
	free(h.data);
	return ok;
}

int rpm_file_read(const char *path, struct rpm_file *ret, struct err *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int rc;

	if (fd < 0)
		return err_errno(err, ERR_PERMANENT, errno, "%s", path);
	*ret = (struct rpm_file){0};
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		rc = err_set(err, ERR_PERMANENT, "", "%s is no regular file", path);
	else if (!read_names(fd, ret))
		rc = err_set(err, ERR_PERMANENT, "", "%s is no binary rpm, or is cut off", path);
	else
		rc = file_digest(fd, path, &ret->bytes, ret->sha256, err);
	close(fd);
	return rc;
}

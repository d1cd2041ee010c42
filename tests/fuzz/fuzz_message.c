/* Any bytes of a topic: what decodes must encode again to what decodes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/message.h"
#include "common/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void request(const uint8_t *data, size_t bytes)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct request r = {0}, again = {0};
	struct err err = {0};

	if (request_decode(data, bytes, &r, &err) != 0)
		return;
	request_encode(&r, &text);
	if (request_decode(text.buf, text.len, &again, &err) != 0 ||
	        r.task_count != again.task_count || strcmp(r.request_id, again.request_id) != 0)
		abort();
	request_release(&r);
	request_release(&again);
}

static void hint(const uint8_t *data, size_t bytes)
{
	struct hint h, again;
	struct err err = {0};
	char text[HINT_BYTES_MAX];

	if (hint_decode(data, bytes, &h, &err) != 0)
		return;
	if (hint_decode(text, hint_encode(&h, text), &again, &err) != 0 ||
	        h.task_id != again.task_id || h.subtask_id != again.subtask_id)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	request(data, bytes);
	hint(data, bytes);
	return 0;
}

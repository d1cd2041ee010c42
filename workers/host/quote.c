#include "workers/host/quote.h"

void quote_add(struct strbuf *sb, const char *text)
{
	strbuf_addc(sb, '\'');
	for (const char *at = text; *at; at++) {
		if (*at == '\'')
			strbuf_adds(sb, "'\\''");
		else
			strbuf_addc(sb, *at);
	}
	strbuf_addc(sb, '\'');
}

void quote_assign(struct strbuf *sb, const char *name, const char *value)
{
	strbuf_adds(sb, name);
	strbuf_addc(sb, '=');
	quote_add(sb, value);
	strbuf_addc(sb, '\n');
}

void quote_set(struct strbuf *sb, const char *const *argv)
{
	strbuf_adds(sb, "set --");
	for (; argv && *argv; argv++) {
		strbuf_addc(sb, ' ');
		quote_add(sb, *argv);
	}
	strbuf_addc(sb, '\n');
}

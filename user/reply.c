/* Own responses. See reply.h. */
#include "reply.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *text;
	unsigned status;
} reasons[KEDGE_REASON_COUNT] = {
	[KEDGE_REASON_NONE] = {"none", "none", 0},
#define X(name_, status_, text_) [KEDGE_REASON_##name_] = {#name_, text_, status_},
#include "kedge/reasons.def"
#undef X
};

static const struct {
	unsigned status;
	const char *phrase;
} phrases[] = {
	{400, "Bad Request"},           {408, "Request Timeout"},
	{414, "URI Too Long"},          {431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"}, {501, "Not Implemented"},
	{502, "Bad Gateway"},           {503, "Service Unavailable"},
	{504, "Gateway Timeout"},       {505, "HTTP Version Not Supported"},
};

static size_t known(enum kedge_reason reason)
{
	return (unsigned)reason < KEDGE_REASON_COUNT ? (size_t)reason
						     : (size_t)KEDGE_REASON_internal_error;
}

unsigned reply_status(enum kedge_reason reason)
{
	return reasons[known(reason)].status;
}

const char *reason_name(enum kedge_reason reason)
{
	return reasons[known(reason)].name;
}

const char *reason_text(enum kedge_reason reason)
{
	return reasons[known(reason)].text;
}

static const char *phrase_of(unsigned status)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Error";
}

size_t reply_format(char buf[REPLY_BYTES_MAX], enum kedge_reason reason)
{
	unsigned status = reply_status(reason);
	const char *phrase = phrase_of(status);
	char body[256];
	int body_len, len;

	body_len = snprintf(body, sizeof(body), "%u %s: %s\n", status, phrase, reason_text(reason));
	len = snprintf(buf, REPLY_BYTES_MAX,
		       "HTTP/1.1 %u %s\r\n"
		       "Content-Type: text/plain\r\n"
		       "Content-Length: %d\r\n"
		       "Connection: close\r\n\r\n%s",
		       status, phrase, body_len, body);
	return (size_t)len;
}

size_t reply_body(const char *text, size_t len)
{
	const char *blank = memmem(text, len, "\r\n\r\n", 4);

	return blank ? len - (size_t)(blank + 4 - text) : 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge's own responses. See reply.h. */
#include "http/reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "http/reason.h"

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

static const char *phrase_of(unsigned status)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Error";
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", in English whatever the locale: RFC 9110, 5.6.7. */
static void format_date(char *buf, size_t size, time_t now)
{
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct tm tm = {0};

	gmtime_r(&now, &tm);
	snprintf(buf, size, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
		 months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

size_t reply_format(char buf[REPLY_BYTES_MAX], enum kedge_reason reason, enum reply_body body,
		    time_t now)
{
	unsigned status = reason_status(reason);
	const char *phrase = phrase_of(status);
	char text[192], date[64];
	int text_len = 0, len;

	if (body != REPLY_NONE)
		text_len = snprintf(text, sizeof(text), "%u %s: %s\n", status, phrase,
				    reason_text(reason));
	format_date(date, sizeof(date), now);
	len = snprintf(buf, REPLY_BYTES_MAX,
		       "HTTP/1.1 %u %s\r\n"
		       "Date: %s\r\n"
		       "Content-Type: text/plain\r\n"
		       "Content-Length: %d\r\n"
		       "Connection: close\r\n\r\n%s",
		       status, phrase, date, text_len, body == REPLY_TEXT ? text : "");
	assert(text_len < (int)sizeof(text) && len < REPLY_BYTES_MAX);
	return (size_t)len;
}

size_t reply_body(const char *text, size_t len)
{
	const char *blank = memmem(text, len, "\r\n\r\n", 4);

	return blank ? len - (size_t)(blank + 4 - text) : 0;
}

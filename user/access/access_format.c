/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of the access log. See access_format.h. */
#include "access/access_format.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "kedge/abi.h"
#include "tls/ktls.h"
#include "http/reason.h"

/* A text that grows. Not printf(3): it would take most of the writer's time. */
struct text {
	char *p;
	size_t len;
};

static void put_bytes(struct text *t, const char *p, size_t n)
{
	assert(n <= ACCESS_LINE_MAX - t->len);
	memcpy(t->p + t->len, p, n);
	t->len += n;
}

static void put(struct text *t, const char *word)
{
	put_bytes(t, word, strlen(word));
}

/* In decimal, with leading zeros up to this number of digits. */
static void put_number(struct text *t, uint64_t n, unsigned digits)
{
	char buf[20];
	unsigned at = sizeof(buf);

	do {
		buf[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n || sizeof(buf) - at < digits);
	put_bytes(t, buf + at, sizeof(buf) - at);
}

/* --- text from a client ----------------------------------------------------------------------- */

/* WORD: a part of the last field of the old forms, which has no quotes. */
enum escape { ESCAPE_LOG, ESCAPE_WORD, ESCAPE_JSON };

/* A byte that needs an escape. */
static void put_odd(struct text *t, enum escape how, unsigned char c)
{
	const char *digits = how == ESCAPE_JSON ? "0123456789abcdef" : "0123456789ABCDEF";
	char hex[] = {digits[c >> 4], digits[c & 15]};

	if (how != ESCAPE_JSON) {
		put(t, "\\x");
		put_bytes(t, hex, 2);
	} else if (c == '"' || c == '\\') {
		put(t, c == '"' ? "\\\"" : "\\\\");
	} else {
		put(t, "\\u00");
		put_bytes(t, hex, 2);
	}
}

static bool is_plain(enum escape how, unsigned char c)
{
	if (how == ESCAPE_WORD && (c == ' ' || c == ','))
		return false;
	return c >= 0x20 && c <= 0x7e && c != '"' && c != '\\';
}

static void put_escaped(struct text *t, enum escape how, const char *p, size_t n)
{
	for (size_t i = 0, from = 0; from < n; from = ++i) {
		while (i < n && is_plain(how, (unsigned char)p[i]))
			i++;
		put_bytes(t, p + from, i - from);
		if (i < n)
			put_odd(t, how, (unsigned char)p[i]);
	}
}

/* --- facts as words --------------------------------------------------------------------------- */

static const char *tls_name(const struct access_entry *e)
{
	if (e->record == ACCESS_RECORD_PLAIN)
		return "-";
	return e->tls_version == VERSION_TLS13 ? "TLSv1.3" : "TLSv1.2";
}

static const char *cipher_name(const struct access_entry *e)
{
	static const char *const names[SUITE_COUNT] = {
		[SUITE_AES_128_GCM] = "AES-128-GCM",
		[SUITE_AES_256_GCM] = "AES-256-GCM",
		[SUITE_CHACHA20_POLY1305] = "CHACHA20-POLY1305",
	};

	return e->record == ACCESS_RECORD_PLAIN || e->tls_suite >= SUITE_COUNT
		       ? "-"
		       : names[e->tls_suite];
}

static const char *record_name(const struct access_entry *e)
{
	static const char *const names[] = {"plain", "user", "kernel"};

	return names[e->record];
}

static const char *edit_name(const struct access_entry *e)
{
	return e->edit_kernel ? "kernel" : "user";
}

static const char *on_or_off(uint8_t is_on)
{
	return is_on ? "on" : "off";
}

/* The time in UTC, with the microseconds in *us. */
static void wall(struct tm *tm, unsigned *us, const struct access_entry *e, int64_t wall_us)
{
	int64_t at = wall_us + (int64_t)e->begun_us;
	time_t seconds = (time_t)(at / 1000000);

	*us = (unsigned)(at % 1000000);
	gmtime_r(&seconds, tm);
}

/* --- Common and Combined ---------------------------------------------------------------------- */

/* Not strftime(3): it uses the language of the locale. */
static void put_clf_time(struct text *t, const struct access_entry *e, int64_t wall_us)
{
	static const char month[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct tm tm;
	unsigned us;

	wall(&tm, &us, e, wall_us);
	put(t, "[");
	put_number(t, (unsigned)tm.tm_mday, 2);
	put(t, "/");
	put(t, month[tm.tm_mon]);
	put(t, "/");
	put_number(t, (unsigned)tm.tm_year + 1900, 4);
	put(t, ":");
	put_number(t, (unsigned)tm.tm_hour, 2);
	put(t, ":");
	put_number(t, (unsigned)tm.tm_min, 2);
	put(t, ":");
	put_number(t, (unsigned)tm.tm_sec, 2);
	put(t, " +0000]");
}

/* "-" if it is empty. */
static void put_quoted(struct text *t, const char *p, size_t n)
{
	put(t, " \"");
	put_escaped(t, ESCAPE_LOG, n ? p : "-", n ? n : 1);
	put(t, "\"");
}

static void put_more(struct text *t, const char *name, const char *p, size_t n)
{
	if (!n)
		return;
	put(t, name);
	put_escaped(t, ESCAPE_WORD, p, n);
}

/* Our fields, after those of the standard formats. */
static void put_clf_more(struct text *t, const struct access_entry *e,
			 const struct access_texts *texts)
{
	put(t, " ");
	put_number(t, e->duration_us / 1000000, 1);
	put(t, ".");
	put_number(t, e->duration_us % 1000000, 6);
	put(t, " ");
	put(t, tls_name(e));
	put(t, " ");
	put(t, cipher_name(e));
	put(t, " record=");
	put(t, record_name(e));
	put(t, ",edit=");
	put(t, edit_name(e));
	put(t, ",bypass=");
	put(t, on_or_off(e->bypass));
	put(t, ",splice=");
	put(t, on_or_off(e->splice));
	put_more(t, ",host=", texts->host, e->host_len);
	put_more(t, ",sni=", texts->sni, e->sni_len);
	put_more(t, ",request=", texts->request_id, e->request_id_len);
	put_more(t, ",id=", texts->id, e->id_len);
	put(t, "\n");
}

static void put_clf(struct text *t, const struct access_entry *e, const struct access_texts *texts,
		    int64_t wall_us, bool combined)
{
	put(t, e->client[0] ? e->client : "-");
	put(t, " - - ");
	put_clf_time(t, e, wall_us);
	put_quoted(t, texts->request, e->request_len);
	put(t, " ");
	if (e->status)
		put_number(t, e->status, 3);
	else
		put(t, "-");
	put(t, " ");
	put_number(t, e->bytes, 1);
	if (combined) {
		put_quoted(t, texts->referer, e->referer_len);
		put_quoted(t, texts->agent, e->agent_len);
	}
	put_clf_more(t, e, texts);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void put_name(struct text *t, const char *name)
{
	put(t, ",\"");
	put(t, name);
	put(t, "\":");
}

/* null if it is empty. */
static void put_member(struct text *t, const char *name, const char *p, size_t n)
{
	put_name(t, name);
	if (!n) {
		put(t, "null");
		return;
	}
	put(t, "\"");
	put_escaped(t, ESCAPE_JSON, p, n);
	put(t, "\"");
}

/* One of our words; "-" becomes null. */
static void put_word(struct text *t, const char *name, const char *word)
{
	put_member(t, name, word, strcmp(word, "-") != 0 ? strlen(word) : 0);
}

static void put_count(struct text *t, const char *name, uint64_t n)
{
	put_name(t, name);
	put_number(t, n, 1);
}

static void put_json_time(struct text *t, const struct access_entry *e, int64_t wall_us)
{
	struct tm tm;
	unsigned us;

	wall(&tm, &us, e, wall_us);
	put(t, "{\"time\":\"");
	put_number(t, (unsigned)tm.tm_year + 1900, 4);
	put(t, "-");
	put_number(t, (unsigned)tm.tm_mon + 1, 2);
	put(t, "-");
	put_number(t, (unsigned)tm.tm_mday, 2);
	put(t, "T");
	put_number(t, (unsigned)tm.tm_hour, 2);
	put(t, ":");
	put_number(t, (unsigned)tm.tm_min, 2);
	put(t, ":");
	put_number(t, (unsigned)tm.tm_sec, 2);
	put(t, ".");
	put_number(t, us, 6);
	put(t, "Z\"");
}

/* "GET /a HTTP/1.1" in three parts. A refused request line may have fewer, or odd ones. */
static void put_request(struct text *t, const char *p, size_t n)
{
	const char *end = p + n, *space = memchr(p, ' ', n);
	const char *method_end = space ? space : end;
	const char *target = space ? space + 1 : end;
	const char *last = memrchr(target, ' ', (size_t)(end - target));
	bool has_version = last && end - last > 5 && !memcmp(last + 1, "HTTP/", 5);
	const char *target_end = has_version ? last : end;

	put_member(t, "method", p, (size_t)(method_end - p));
	put_member(t, "target", target, (size_t)(target_end - target));
	put_member(t, "protocol", has_version ? last + 1 : end,
		   has_version ? (size_t)(end - last - 1) : 0);
}

static void put_json(struct text *t, const struct access_entry *e, const struct access_texts *texts,
		     int64_t wall_us)
{
	put_json_time(t, e, wall_us);
	put_word(t, "client", e->client);
	put_count(t, "client_port", e->client_port);
	put_member(t, "listener", texts->listener, e->listener_len);
	put_request(t, texts->request, e->request_len);
	if (e->status)
		put_count(t, "status", e->status);
	else
		put_member(t, "status", NULL, 0);
	put_count(t, "bytes", e->bytes);
	put_count(t, "duration_us", e->duration_us);
	put_word(t, "tls", tls_name(e));
	put_word(t, "cipher", cipher_name(e));
	put_word(t, "record", record_name(e));
	put_word(t, "edit", edit_name(e));
	put_word(t, "bypass", on_or_off(e->bypass));
	put_word(t, "splice", on_or_off(e->splice));
	put_word(t, "reason", e->reason ? reason_name((enum kedge_reason)e->reason) : "-");
	put_member(t, "referer", texts->referer, e->referer_len);
	put_member(t, "user_agent", texts->agent, e->agent_len);
	put_member(t, "host", texts->host, e->host_len);
	put_member(t, "sni", texts->sni, e->sni_len);
	put_member(t, "request_id", texts->request_id, e->request_id_len);
	if (e->id_len)
		put_member(t, "unique_id", texts->id, e->id_len);
	put(t, "}\n");
}

size_t access_format_line(char *out, enum access_format format, const struct access_entry *e,
			  const struct access_texts *texts, int64_t wall_us)
{
	struct text t = {.p = out};

	if (format == ACCESS_FORMAT_JSON)
		put_json(&t, e, texts, wall_us);
	else
		put_clf(&t, e, texts, wall_us, format == ACCESS_FORMAT_COMBINED);
	return t.len;
}

/* Lines of the access log. See access_format.h. */
#include "access_format.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kedge/abi.h"
#include "ktls.h"
#include "reply.h"

/* A text that grows; what is beyond its room is lost, which ACCESS_LINE_MAX sees to never happens. */
struct text {
	char *p;
	size_t len;
};

static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *fmt, ...)
{
	size_t room = ACCESS_LINE_MAX - t->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->p + t->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n < room ? (size_t)n : room - 1;
}

/* How one format writes a byte that must not stand for itself; printf with the byte. */
struct escape {
	const char *odd;  /* control and non-ASCII bytes */
	const char *mark; /* '"' and '\' */
};

static const struct escape log_escape = {"\\x%02X", "\\x%02X"};
static const struct escape json_escape = {"\\u%04x", "\\%c"};

static void put_escaped(struct text *t, const struct escape *how, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (t->len + 8 > ACCESS_LINE_MAX)
			return;
		if (c == '"' || c == '\\')
			put(t, how->mark, c);
		else if (c < 0x20 || c > 0x7e)
			put(t, how->odd, c);
		else
			t->p[t->len++] = (char)c;
	}
}

/* --- facts as words --------------------------------------------------------------------------- */

static const char *tls_name(const struct access_entry *e)
{
	if (e->record == ACCESS_PLAIN)
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

	return e->record == ACCESS_PLAIN || e->tls_suite >= SUITE_COUNT ? "-" : names[e->tls_suite];
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

static const char *bypass_name(const struct access_entry *e)
{
	return e->bypass ? "on" : "off";
}

/* The UTC second and, in *us, the rest of it. */
static void wall(struct tm *tm, unsigned *us, const struct access_entry *e, int64_t wall_us)
{
	int64_t at = wall_us + (int64_t)e->begun_us;
	time_t seconds = (time_t)(at / 1000000);

	*us = (unsigned)(at % 1000000);
	gmtime_r(&seconds, tm);
}

/* --- Common and Combined ---------------------------------------------------------------------- */

/* By hand: strftime(3) would speak the locale's language. */
static void put_clf_time(struct text *t, const struct access_entry *e, int64_t wall_us)
{
	static const char month[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct tm tm;
	unsigned us;

	wall(&tm, &us, e, wall_us);
	put(t, "[%02d/%s/%d:%02d:%02d:%02d +0000]", tm.tm_mday, month[tm.tm_mon], tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* "-" where there is nothing. */
static void put_quoted(struct text *t, const char *p, size_t n)
{
	put(t, " \"");
	put_escaped(t, &log_escape, n ? p : "-", n ? n : 1);
	put(t, "\"");
}

static void put_clf(struct text *t, const struct access_entry *e, const struct access_texts *texts,
		    int64_t wall_us, bool combined)
{
	put(t, "%s - - ", e->client[0] ? e->client : "-");
	put_clf_time(t, e, wall_us);
	put_quoted(t, texts->request, e->request_len);
	if (e->status)
		put(t, " %u", e->status);
	else
		put(t, " -");
	put(t, " %" PRIu64, e->bytes);
	if (combined) {
		put_quoted(t, texts->referer, e->referer_len);
		put_quoted(t, texts->agent, e->agent_len);
	}
	put(t, " %" PRIu64 ".%06u %s %s record=%s,edit=%s,bypass=%s\n", e->duration_us / 1000000,
	    (unsigned)(e->duration_us % 1000000), tls_name(e), cipher_name(e), record_name(e),
	    edit_name(e), bypass_name(e));
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* `name` with its value, null where there is none; a comma first, but for the first one. */
static void put_member(struct text *t, const char *name, const char *p, size_t n)
{
	put(t, ",\"%s\":", name);
	if (!n) {
		put(t, "null");
		return;
	}
	put(t, "\"");
	put_escaped(t, &json_escape, p, n);
	put(t, "\"");
}

static void put_word(struct text *t, const char *name, const char *word)
{
	put_member(t, name, word, strcmp(word, "-") != 0 ? strlen(word) : 0);
}

/* "GET /a HTTP/1.1" in three; what was refused may have fewer words, or odd ones. */
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
	struct tm tm;
	unsigned us;

	wall(&tm, &us, e, wall_us);
	put(t, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%06uZ\"", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, us);
	put_member(t, "client", e->client, strlen(e->client));
	put(t, ",\"client_port\":%u", e->client_port);
	put_member(t, "listener", texts->listener, e->listener_len);
	put_request(t, texts->request, e->request_len);
	if (e->status)
		put(t, ",\"status\":%u", e->status);
	else
		put(t, ",\"status\":null");
	put(t, ",\"bytes\":%" PRIu64 ",\"duration_us\":%" PRIu64, e->bytes, e->duration_us);
	put_word(t, "tls", tls_name(e));
	put_word(t, "cipher", cipher_name(e));
	put_word(t, "record", record_name(e));
	put_word(t, "edit", edit_name(e));
	put_word(t, "bypass", bypass_name(e));
	put_word(t, "reason", e->reason ? reason_name((enum kedge_reason)e->reason) : "-");
	put_member(t, "referer", texts->referer, e->referer_len);
	put_member(t, "user_agent", texts->agent, e->agent_len);
	put(t, "}\n");
}

size_t access_format(char *out, enum access_format format, const struct access_entry *e,
		     const struct access_texts *texts, int64_t wall_us)
{
	struct text t = {.p = out};

	if (format == ACCESS_JSON)
		put_json(&t, e, texts, wall_us);
	else
		put_clf(&t, e, texts, wall_us, format == ACCESS_COMBINED);
	return t.len;
}

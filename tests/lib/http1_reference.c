/* SPDX-License-Identifier: BSD-2-Clause */
#include "http1_reference.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OURS "198.51.100.22" /* http1_case_conf() */

/* A piece of the input. */
struct span {
	const uint8_t *p;
	size_t n;
};

/* What the lines of one head have said so far. */
struct head {
	bool old;      /* HTTP/1.0 */
	bool options;  /* the method is OPTIONS */
	bool absolute; /* the target has an authority */
	struct span authority;
	bool proto, port, real_ip; /* a trusted source's */
	bool collected;            /* options come back at the end */
	bool h2;                   /* an upgrade to HTTP/2 was taken out */
	bool host, upgrade, upgrade_option, chunked;
	bool has_length;
	uint64_t length;
	struct http1_bytes kept; /* request line and fields that go on */
	struct http1_bytes list; /* incoming X-Forwarded-For */
	struct http1_bytes connection;
};

struct reader {
	struct reference *r;
	const uint8_t *in;
	size_t n, at;
	struct head h;
	jmp_buf over; /* the input has ended, or is refused */
};

/* --- how reading ends ------------------------------------------------------------------------- */

static void bad(struct reader *x, const char *why)
{
	x->r->refused = true;
	x->r->why = why;
	x->r->fault = x->at;
	x->r->standing = KEDGE_REFUSED;
	longjmp(x->over, 1);
}

static void must(struct reader *x, bool ok, const char *why)
{
	if (!ok)
		bad(x, why);
}

/* The input ends here. The part of a body that came goes on; the part of a head may not. */
static void more(struct reader *x, enum kedge_standing standing)
{
	x->r->standing = standing;
	x->r->inside_head = standing == KEDGE_HEAD;
	if (standing == KEDGE_BODY)
		http1_bytes_add(&x->r->out, x->in + x->at, x->n - x->at);
	longjmp(x->over, 1);
}

/*
 * --- characters and words ----------------------------------------------------------------------
 */

static bool is_one_of(uint8_t b, const char *set)
{
	return b && strchr(set, b);
}

static bool is_alnum(uint8_t b)
{
	return b < 0x80 && isalnum(b);
}

static bool is_tchar(uint8_t b)
{
	return is_alnum(b) || is_one_of(b, "!#$%&'*+-.^_`|~");
}

/* field-vchar, SP and HTAB */
static bool is_field_byte(uint8_t b)
{
	return b == '\t' || (b >= 0x20 && b != 0x7f);
}

/* reg-name, without the comma that would join two values */
static bool is_name_byte(uint8_t b)
{
	return is_alnum(b) || is_one_of(b, "-._~%!$&'()*+;=");
}

static bool is_literal_byte(uint8_t b)
{
	return b < 0x80 && (isxdigit(b) || b == ':' || b == '.');
}

static bool is_target_byte(uint8_t b)
{
	return b > 0x20 && b < 0x7f && b != '#';
}

static bool is_extension_byte(uint8_t b)
{
	return b < 0x7f && is_field_byte(b);
}

static bool is_digit(uint8_t b)
{
	return b >= '0' && b <= '9';
}

static bool is_space(uint8_t b)
{
	return b == ' ' || b == '\t';
}

static bool all(struct span s, bool (*is)(uint8_t))
{
	for (size_t i = 0; i < s.n; i++)
		if (!is(s.p[i]))
			return false;
	return true;
}

static bool equal(struct span s, const char *text)
{
	return s.n == strlen(text) && !memcmp(s.p, text, s.n);
}

static bool equal_case(struct span s, const char *text)
{
	return s.n == strlen(text) && !strncasecmp((const char *)s.p, text, s.n);
}

/* Up to the first byte b; *rest is behind it. All of s, and false, if there is none. */
static bool split(struct span s, uint8_t b, struct span *first, struct span *rest)
{
	const uint8_t *p = s.n ? memchr(s.p, b, s.n) : NULL;

	*first = p ? (struct span){s.p, (size_t)(p - s.p)} : s;
	if (p)
		*rest = (struct span){p + 1, s.n - first->n - 1};
	return p;
}

static struct span trim_left(struct span s)
{
	while (s.n && is_space(*s.p))
		s = (struct span){s.p + 1, s.n - 1};
	return s;
}

static struct span trim(struct span s)
{
	s = trim_left(s);
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* Equal except for characters that are not letters or digits. */
static bool is_like(struct span s, const char *name)
{
	if (s.n != strlen(name))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (is_alnum((uint8_t)name[i]) ? tolower(s.p[i]) != tolower(name[i])
					       : is_alnum(s.p[i]))
			return false;
	return true;
}

static bool is_alias(struct span s, const char *name)
{
	return is_like(s, name) && !equal_case(s, name);
}

/* All names that begin with it are forwarding fields. */
#define FAMILY "X-Forwarded-"

static struct span begin_of(struct span s)
{
	return (struct span){s.p, s.n < strlen(FAMILY) ? s.n : strlen(FAMILY)};
}

/* Proxies use these for the client's address and protocol. */
static const char *const forwarding[] = {
	"X-Forwarded",      "Forwarded",           "Forwarded-For",  "X-Real-IP",
	"X-Client-IP",      "X-Cluster-Client-IP", "True-Client-IP", "CF-Connecting-IP",
	"Fastly-Client-IP", "Client-IP",           "Front-End-Https"};
#define FORWARDING (sizeof(forwarding) / sizeof(forwarding[0]))

static bool is_forwarding(struct span s)
{
	bool is = is_like(begin_of(s), FAMILY);

	for (size_t i = 0; i < FORWARDING; i++)
		is = is || is_like(s, forwarding[i]);
	return is;
}

static bool is_forwarding_alias(struct span s)
{
	bool is = is_alias(begin_of(s), FAMILY);

	for (size_t i = 0; i < FORWARDING; i++)
		is = is || is_alias(s, forwarding[i]);
	return is;
}

/* A server that reads X.Forwarded-For as X-Forwarded-For also reads these as framing fields. */
static bool is_framing_alias(struct span s)
{
	return is_alias(s, "Content-Length") || is_alias(s, "Transfer-Encoding") ||
	       is_alias(s, "HTTP2-Settings");
}

/*
 * --- lines -------------------------------------------------------------------------------------
 */

/*
 * The next line without its CRLF. Neither CR nor LF stands alone. `used` counts the bytes of this
 * head, or of these trailers, against the limit.
 */
static struct span line(struct reader *x, enum kedge_standing standing, size_t *used, size_t max)
{
	const uint8_t *begin = x->in + x->at;
	const uint8_t *lf = x->at < x->n ? memchr(begin, '\n', x->n - x->at) : NULL;
	struct span s;

	if (!lf)
		more(x, standing);
	s = (struct span){begin, (size_t)(lf - begin)};
	x->at += s.n + 1;
	*used += s.n + 1;
	must(x, *used <= max, "too long");
	must(x, s.n && s.p[s.n - 1] == '\r', "LF alone");
	s.n--;
	must(x, !s.n || !memchr(s.p, '\r', s.n), "CR alone");
	return s;
}

static size_t or_default(size_t limit, size_t otherwise)
{
	return limit ? limit : otherwise;
}

/*
 * --- request line ------------------------------------------------------------------------------
 */

/* uri-host [ ":" port ] */
static void check_host(struct reader *x, struct span s)
{
	struct span host, port = {s.p, 0};

	if (s.n && *s.p == '[') {
		must(x, split(s, ']', &host, &port), "address without end");
		host = (struct span){host.p + 1, host.n - 1};
		must(x, host.n && all(host, is_literal_byte), "address");
		if (!port.n)
			return;
		must(x, *port.p == ':', "something behind an address");
		port = (struct span){port.p + 1, port.n - 1};
	} else {
		split(s, ':', &host, &port);
		must(x, host.n && all(host, is_name_byte), "host");
	}
	must(x, port.n <= 5 && all(port, is_digit), "port");
}

static bool begins_with(struct span s, const char *text)
{
	return s.n >= strlen(text) && !strncasecmp((const char *)s.p, text, strlen(text));
}

static void read_target(struct reader *x, struct span target)
{
	struct head *h = &x->h;
	size_t scheme, end;

	must(x, target.n && all(target, is_target_byte), "byte in the target");
	if (*target.p == '/')
		return;
	if (equal(target, "*")) {
		must(x, h->options, "* is for OPTIONS");
		return;
	}
	must(x, begins_with(target, "http://") || begins_with(target, "https://"),
	     "form of the target");
	scheme = begins_with(target, "http://") ? 7 : 8;
	for (end = scheme; end < target.n && target.p[end] != '/' && target.p[end] != '?'; end++)
		;
	h->absolute = true;
	h->authority = (struct span){target.p + scheme, end - scheme};
	must(x, h->authority.n && h->authority.n <= HTTP1_AUTHORITY_MAX, "authority");
	check_host(x, h->authority);
}

static void read_method(struct reader *x, struct span method)
{
	must(x, method.n && all(method, is_tchar), "byte in the method");
	must(x, method.n <= KEDGE_METHOD_BYTES_MAX, "long method");
	must(x, !equal_case(method, "CONNECT"), "tunnel");
	must(x, !equal(method, "PRI"), "HTTP/2");
	/* In another case, servers disagree on whether the response has a body. */
	must(x, !equal_case(method, "HEAD") || equal(method, "HEAD"), "head");
	x->h.options = equal(method, "OPTIONS");
}

static void read_request_line(struct reader *x, struct span s)
{
	struct span method, target, version, rest;

	must(x, split(s, ' ', &method, &rest), "one word");
	must(x, split(rest, ' ', &target, &version), "two words");
	read_method(x, method);
	read_target(x, target);
	must(x, equal(version, "HTTP/1.1") || equal(version, "HTTP/1.0"), "version");
	x->h.old = equal(version, "HTTP/1.0");
}

/*
 * --- fields ------------------------------------------------------------------------------------
 */

static void read_length(struct reader *x, struct span value)
{
	struct head *h = &x->h;

	must(x, !h->has_length && !h->chunked, "second framing field");
	h->has_length = true;
	while (value.n && *value.p == ' ')
		value = (struct span){value.p + 1, value.n - 1};
	while (value.n && value.p[value.n - 1] == ' ')
		value.n--;
	must(x, value.n && all(value, is_digit), "length");
	for (size_t i = 0; i < value.n; i++) {
		unsigned __int128 next = (unsigned __int128)h->length * 10 + (value.p[i] - '0');

		must(x, next < (unsigned __int128)1 << 63, "length too large");
		h->length = (uint64_t)next;
	}
}

static void read_coding(struct reader *x, struct span value)
{
	struct head *h = &x->h;

	must(x, !h->has_length && !h->chunked, "second framing field");
	must(x, !h->old, "coding in HTTP/1.0");
	while (value.n && *value.p == ' ')
		value = (struct span){value.p + 1, value.n - 1};
	must(x, equal_case(value, "chunked"), "coding");
	h->chunked = true;
}

static void read_host(struct reader *x, struct span value)
{
	struct head *h = &x->h;

	must(x, !h->host, "second Host");
	h->host = true;
	value = trim(value);
	if (value.n)
		check_host(x, value);
	if (h->absolute)
		must(x,
		     value.n == h->authority.n &&
			     !strncasecmp((const char *)value.p, (const char *)h->authority.p,
					  value.n),
		     "Host is not that of the target");
}

#define CONNECTION "Connection: "

/* Does a line stay as it came? Not if it is long or asks for an upgrade. */
static bool line_stays(const struct reader *x, struct span whole, bool speaks)
{
	return !(x->r->flags & HTTP1_CUT_H2C) || (whole.n <= HTTP1_TOKEN_MAX && !speaks);
}

/* The next proxy removes all fields that Connection lists. */
static void read_connection(struct reader *x, struct span whole, struct span value)
{
	struct http1_bytes *list = &x->h.connection;
	size_t before = list->len;
	bool another = true, speaks = false;

	if (!list->len)
		http1_bytes_add(list, CONNECTION, strlen(CONNECTION));
	while (another) {
		size_t comma = list->len > strlen(CONNECTION) ? 2 : 0;
		struct span option;

		another = split(value, ',', &option, &value);
		option = trim(option);
		must(x, all(option, is_tchar), "connection option");
		must(x, !option.n || list->len + comma + option.n <= HTTP1_OPTIONS_MAX,
		     "connection options too long");
		must(x,
		     !equal_case(option, "Host") && !is_like(option, "Content-Length") &&
			     !is_like(option, "Transfer-Encoding") && !is_forwarding(option),
		     "connection option names a field that is ours");
		x->h.upgrade_option = x->h.upgrade_option || equal_case(option, "Upgrade");
		if (equal_case(option, "Upgrade") || equal_case(option, "HTTP2-Settings")) {
			speaks = true;
		} else if (option.n) {
			http1_bytes_add(list, ", ", comma);
			http1_bytes_add(list, option.p, option.n);
		}
	}
	if (line_stays(x, whole, speaks)) {
		list->len = before;
		http1_bytes_add(&x->h.kept, whole.p, whole.n + 2);
	} else {
		x->h.collected = true;
	}
}

static bool is_h2(struct span s)
{
	return equal_case(s, "h2c") || equal_case(s, "h2");
}

/* Nothing but HTTP/2, perhaps more than once: no other protocol, and no version. */
static bool is_all_h2(struct span value)
{
	struct span word;
	bool another = split(value, ',', &word, &value), only = is_h2(trim(word));

	while (only && another) {
		another = split(value, ',', &word, &value);
		word = trim(word);
		only = !word.n || is_h2(word);
	}
	return only;
}

/*
 * If h2c is cut, this many bytes of Upgrade are held until another protocol is found. A longer
 * value is refused.
 */
#define UPGRADE_BYTES_HELD (HTTP1_TOKEN_MAX - 8)

static void check_held(struct reader *x, struct span value)
{
	struct span word = trim_left(value);
	size_t same = 0;

	while (same < 3 && same < word.n && tolower(word.p[same]) == "h2c"[same])
		same++;
	must(x, value.n - word.n + same < UPGRADE_BYTES_HELD, "long way to an upgrade");
}

/* Its tokens, whatever is between them. */
static void read_upgrade(struct reader *x, struct span value)
{
	x->h.upgrade = true;
	if (x->r->flags & HTTP1_CUT_H2C)
		check_held(x, value);
	while (value.n) {
		size_t n = 0;

		while (n < value.n && is_tchar(value.p[n]))
			n++;
		must(x, !is_h2((struct span){value.p, n}), "h2c");
		n += n < value.n;
		value = (struct span){value.p + n, value.n - n};
	}
}

static bool drops(const struct reference *r)
{
	return r->flags & HTTP1_DROP_INCOMING;
}

/* kedge adds a line of this name. */
static bool is_set(const struct reference *r, struct span name)
{
	return (is_like(name, "x-forwarded-proto") && r->flags & HTTP1_SET_PROTO) ||
	       (is_like(name, "x-forwarded-port") && r->flags & HTTP1_SET_PORT) ||
	       (is_like(name, "x-real-ip") && r->flags & HTTP1_SET_REAL) ||
	       (is_like(name, "forwarded") && r->flags & HTTP1_SET_FORWARDED);
}

/* Lines of this name do not go on as they are. */
static bool is_ours(const struct reference *r, struct span name)
{
	if (is_like(name, "x-forwarded-for"))
		return r->mode != HTTP1_XFF_NEVER || drops(r);
	return r->flags & HTTP1_STRIP || (is_set(r, name) && !(r->flags & HTTP1_TRUSTED));
}

/* White space at the end of a value counts until it is known to be at the end. */
static void keep_values(struct reader *x, struct span value)
{
	struct http1_bytes *list = &x->h.list;
	size_t before = list->len ? list->len + 2 : 0;

	value = trim_left(value);
	if (!value.n)
		return;
	must(x, before + value.n <= KEDGE_XFF_BYTES_MAX - 2, "forwarding values too long");
	value = trim(value);
	if (list->len)
		http1_bytes_add(list, ", ", 2);
	http1_bytes_add(list, value.p, value.n);
}

/* For the check of the output: the last element of X-Forwarded-For. */
static void note_forwarded(struct reader *x, struct span value)
{
	struct reference_request *q = &x->r->request[x->r->requests];
	struct span element = value, rest = value;

	while (split(rest, ',', &element, &rest))
		;
	element = trim(element);
	q->forwarded++;
	q->last = (size_t)(element.p - x->in);
	q->last_len = element.n;
}

static void read_forwarding(struct reader *x, struct span whole, struct span name,
			    struct span value)
{
	if (equal_case(name, "x-forwarded-for"))
		note_forwarded(x, value);
	if (is_forwarding_alias(name) && (is_ours(x->r, name) || is_set(x->r, name))) {
		must(x, x->r->flags & HTTP1_CUT_ALIASES, "alias");
		return;
	}
	if (!is_ours(x->r, name)) {
		x->h.proto = x->h.proto || equal_case(name, "x-forwarded-proto");
		x->h.port = x->h.port || equal_case(name, "x-forwarded-port");
		x->h.real_ip = x->h.real_ip || equal_case(name, "x-real-ip");
		http1_bytes_add(&x->h.kept, whole.p, whole.n + 2);
		return;
	}
	if (is_like(name, "x-forwarded-for") && !drops(x->r) &&
	    (x->r->mode == HTTP1_XFF_APPEND || x->r->mode == HTTP1_XFF_IF_NONE))
		keep_values(x, value);
}

/* field-name ":" OWS field-value OWS */
static void split_field(struct reader *x, struct span s, struct span *name, struct span *value)
{
	must(x, split(s, ':', name, value), "field without colon");
	must(x, name->n && all(*name, is_tchar), "field name");
	must(x, all(*value, is_field_byte), "byte in a value");
}

static void read_field(struct reader *x, struct span s)
{
	struct span name, value;

	split_field(x, s, &name, &value);
	if (is_forwarding(name)) {
		read_forwarding(x, s, name, value);
		return;
	}
	must(x, !is_framing_alias(name), "alias of a framing field");
	if (equal_case(name, "HTTP2-Settings") ||
	    (equal_case(name, "Upgrade") && is_all_h2(value))) {
		must(x, x->r->flags & HTTP1_CUT_H2C, "h2c");
		must(x, value.n <= UPGRADE_BYTES_HELD || !equal_case(name, "Upgrade"), "h2c");
		x->h.h2 = x->h.h2 || equal_case(name, "Upgrade");
		return;
	}
	if (equal_case(name, "Host"))
		read_host(x, value);
	else if (equal_case(name, "Content-Length"))
		read_length(x, value);
	else if (equal_case(name, "Transfer-Encoding"))
		read_coding(x, value);
	else if (equal_case(name, "Upgrade"))
		read_upgrade(x, value);
	if (equal_case(name, "Connection")) {
		read_connection(x, s, value);
		return;
	}
	http1_bytes_add(&x->h.kept, s.p, s.n + 2);
}

static void read_trailer(struct reader *x, struct span s)
{
	struct span name, value;

	split_field(x, s, &name, &value);
	must(x,
	     !equal_case(name, "Host") && !equal_case(name, "Content-Length") &&
		     !equal_case(name, "Transfer-Encoding") && !equal_case(name, "Connection") &&
		     !equal_case(name, "Upgrade") && !equal_case(name, "HTTP2-Settings") &&
		     !is_forwarding(name) && !is_framing_alias(name),
	     "field that no trailer may be");
}

/*
 * --- requests ----------------------------------------------------------------------------------
 */

static void add_text(struct http1_bytes *b, const char *text)
{
	http1_bytes_add(b, text, strlen(text));
}

/* The lines that kedge puts before the blank line. */
static void add_ours(struct reference *r, const struct head *h)
{
	const struct http1_bytes *list = &h->list;
	bool ours = r->mode == HTTP1_XFF_APPEND || r->mode == HTTP1_XFF_REPLACE ||
		    (r->mode == HTTP1_XFF_IF_NONE && !list->len);

	if (r->mode != HTTP1_XFF_NEVER) {
		add_text(&r->out, "X-Forwarded-For: ");
		if (list->len)
			http1_bytes_add(&r->out, list->data, list->len);
		if (list->len && ours)
			add_text(&r->out, ", ");
		if (ours)
			add_text(&r->out, OURS);
		add_text(&r->out, "\r\n");
	}
	if (r->flags & HTTP1_SET_FORWARDED)
		add_text(&r->out, "Forwarded: for=" OURS ";proto=https\r\n");
	if (r->flags & HTTP1_SET_PROTO && !h->proto)
		add_text(&r->out, "X-Forwarded-Proto: https\r\n");
	if (r->flags & HTTP1_SET_PORT && !h->port)
		add_text(&r->out, "X-Forwarded-Port: 443\r\n");
	if (r->flags & HTTP1_SET_REAL && !h->real_ip)
		add_text(&r->out, "X-Real-IP: " OURS "\r\n");
}

/* The options of Connection that are not about HTTP/2. */
static void add_options(struct reference *r, const struct head *h)
{
	bool upgrade = h->upgrade_option && (h->upgrade || !h->h2);
	bool others = h->connection.len > strlen(CONNECTION);

	if (!h->collected || !(others || upgrade))
		return;
	http1_bytes_add(&r->out, h->connection.data, h->connection.len);
	add_text(&r->out, upgrade ? others ? ", Upgrade\r\n" : "Upgrade\r\n" : "\r\n");
}

static void read_head(struct reader *x)
{
	struct reference *r = x->r;
	struct head *h = &x->h;
	size_t head_max = or_default(r->limits.head_bytes, KEDGE_HEAD_BYTES_DEFAULT);
	size_t line_max = or_default(r->limits.line_bytes, KEDGE_LINE_BYTES_MAX);
	size_t fields = or_default(r->limits.fields, KEDGE_FIELDS_MAX), used = 0;
	struct span s = line(x, KEDGE_HEAD, &used, line_max);

	read_request_line(x, s);
	http1_bytes_add(&h->kept, s.p, s.n + 2);
	for (;;) {
		s = line(x, KEDGE_HEAD, &used, head_max);
		if (!s.n)
			break;
		must(x, fields-- > 0, "too many fields");
		read_field(x, s);
	}
	must(x, h->host || h->old, "no Host");
	http1_bytes_add(&r->out, h->kept.data, h->kept.len);
	add_ours(r, h);
	add_options(r, h);
	add_text(&r->out, "\r\n");
}

/* n bytes of a body */
static void take(struct reader *x, uint64_t n)
{
	if (n > x->n - x->at)
		more(x, KEDGE_BODY);
	http1_bytes_add(&x->r->out, x->in + x->at, (size_t)n);
	x->at += (size_t)n;
}

/* A line of a body goes on once it is read. */
static struct span body_line(struct reader *x, size_t *used, size_t max)
{
	struct span s = line(x, KEDGE_BODY, used, max);

	http1_bytes_add(&x->r->out, s.p, s.n + 2);
	return s;
}

/* chunk-size [ ";" ... ] */
static uint64_t read_chunk_size(struct reader *x)
{
	size_t used = 0;
	struct span s = body_line(x, &used, SIZE_MAX), digits, extension = {0};
	uint64_t size = 0;

	split(s, ';', &digits, &extension);
	must(x, digits.n >= 1 && digits.n <= 16, "chunk size");
	must(x, extension.n <= KEDGE_CHUNK_EXT_BYTES_MAX && all(extension, is_extension_byte),
	     "chunk extension");
	for (size_t i = 0; i < digits.n; i++) {
		must(x, digits.p[i] < 0x80 && isxdigit(digits.p[i]), "chunk size");
		must(x, !(size >> 59), "chunk size too large");
		size = size * 16 + strtoul((char[]){(char)digits.p[i], 0}, NULL, 16);
	}
	return size;
}

static void read_chunks(struct reader *x)
{
	size_t used = 0;
	size_t fields = or_default(x->r->limits.fields, KEDGE_FIELDS_MAX);
	uint64_t size;
	struct span s;

	while ((size = read_chunk_size(x)) > 0) {
		take(x, size);
		take(x, 1);
		must(x, x->in[x->at - 1] == '\r', "no CRLF behind a chunk");
		take(x, 1);
		must(x, x->in[x->at - 1] == '\n', "no CRLF behind a chunk");
	}
	while ((s = body_line(x, &used,
			      or_default(x->r->limits.head_bytes, KEDGE_HEAD_BYTES_DEFAULT)))
		       .n) {
		must(x, fields-- > 0, "too many trailers");
		read_trailer(x, s);
	}
}

static void complete(struct reader *x)
{
	x->r->request[x->r->requests - 1].end = x->at;
	x->r->complete = x->r->out.len;
	x->r->complete_requests = x->r->requests;
}

/* The answer comes before the next byte. After it, there is another request or a tunnel. */
static void upgrade(struct reader *x)
{
	if (x->at == x->n)
		more(x, KEDGE_WAITING);
	if (!x->r->tunnel)
		return;
	http1_bytes_add(&x->r->out, x->in + x->at, x->n - x->at);
	more(x, KEDGE_TUNNEL);
}

static void forget_head(struct reader *x)
{
	free(x->h.kept.data);
	free(x->h.list.data);
	free(x->h.connection.data);
	memset(&x->h, 0, sizeof(x->h));
}

/* A new entry for the request that begins. */
static struct reference_request *next_request(struct reference *r)
{
	size_t n = r->requests;

	if (!(n & (n - 1))) /* twice the room each time it is full: 1, 2, 4, ... */
		r->request = realloc(r->request, (n ? 2 * n : 1) * sizeof(*r->request));
	if (!r->request)
		abort();
	r->request[n] = (struct reference_request){0};
	return &r->request[n];
}

static void read_request(struct reader *x)
{
	struct reference_request *q = next_request(x->r);
	struct head *h = &x->h;
	bool upgrades;

	/* RFC 9112, 2.2: one empty line before a request. */
	if (x->at < x->n && x->in[x->at] == '\r') {
		if (x->at + 1 == x->n)
			more(x, KEDGE_BETWEEN);
		x->at += 2;
		must(x, x->in[x->at - 1] == '\n', "CR alone");
	}
	if (x->at == x->n)
		more(x, KEDGE_BETWEEN);
	q->begin = x->at;
	read_head(x);
	upgrades = h->upgrade && h->upgrade_option && !h->old;
	must(x, !upgrades || (!h->chunked && !h->length), "upgrade with a body");
	q->head_end = x->at;
	x->r->requests++;
	if (h->chunked)
		read_chunks(x);
	else
		take(x, h->length);
	complete(x);
	if (upgrades)
		upgrade(x);
}

void reference_read(struct reference *r, const uint8_t *in, size_t n)
{
	struct reader x = {.r = r, .in = in, .n = n};

	if (!setjmp(x.over)) {
		for (;;) {
			read_request(&x);
			forget_head(&x);
		}
	}
	forget_head(&x);
}

void reference_free(struct reference *r)
{
	free(r->out.data);
	free(r->request);
}

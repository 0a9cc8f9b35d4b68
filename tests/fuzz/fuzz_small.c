/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer on the small readers and writers, each pure: addresses and prefixes of the
 * configuration, lines of the access log, ticket keys, PEM files, TLS records that carry no data,
 * extensions of a ClientHello, answers to checks. The first byte chooses one; the rest is for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "access/access_format.h"
#include "app/check_answer.h"
#include "base/addr.h"
#include "base/log.h"
#include "config/pem_check.h"
#include "invariant.h"
#include "tls/alpn.h"
#include "tls/cert_name.h"
#include "tls/client_hello.h"
#include "tls/control_record.h"
#include "tls/ktls.h"
#include "tls/tls_ticket.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* --- addresses -------------------------------------------------------------------------------- */

/* What is accepted is printed so that it is accepted again, as the same. */
static void try_addr(const char *text)
{
	char printed[ADDR_TEXT_MAX];
	const char *why = NULL;
	union addr a = {0}, b = {0};
	int r = addr_parse(&a, text, &why);

	INVARIANT(r == 0 || (r == -EINVAL && why && a.family == AF_UNSPEC));
	if (r)
		return;
	INVARIANT(a.family == AF_INET || a.family == AF_INET6 || a.family == AF_UNIX);
	addr_format(printed, &a);
	INVARIANT(addr_parse(&b, printed, &why) == 0);
	if (a.family == AF_UNIX)
		INVARIANT(!memcmp(&a, &b, sizeof(a)));
	else
		INVARIANT(addr_equal(&a, &b));
}

static void try_cidr(const char *text)
{
	char printed[CIDR_TEXT_MAX];
	const char *why = NULL;
	struct cidr a = {0}, b = {0};
	int r = cidr_parse(&a, text, &why);

	INVARIANT(r == 0 || (r == -EINVAL && why && !a.bits));
	if (r)
		return;
	INVARIANT(a.bits <= 128);
	cidr_format(printed, &a);
	INVARIANT(cidr_parse(&b, printed, &why) == 0);
	INVARIANT(a.bits == b.bits && !memcmp(a.ip, b.ip, sizeof(a.ip)));
}

static void addresses(const uint8_t *bytes, size_t n)
{
	char *text = strndup((const char *)bytes, n);

	INVARIANT(text);
	try_addr(text);
	try_cidr(text);
	free(text);
}

/* --- lines of the access log ------------------------------------------------------------------ */

/* A byte of a client is one character of JSON, as in Latin-1. */
static void check_text(const json_t *object, const char *name, const char *p, size_t n)
{
	const char *got = json_string_value(json_object_get(object, name));

	if (!n)
		return;
	INVARIANT(got);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c < 0x80) {
			INVARIANT((unsigned char)*got++ == c);
			continue;
		}
		INVARIANT((unsigned char)got[0] == (0xc0 | c >> 6));
		INVARIANT((unsigned char)got[1] == (0x80 | (c & 0x3f)));
		got += 2;
	}
	INVARIANT(!*got);
}

static void check_json(const char *line, size_t len, const struct access_entry *e,
		       const struct access_texts *t)
{
	json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

	INVARIANT(json_is_object(object));
	if (!memchr(t->referer, 0, e->referer_len))
		check_text(object, "referer", t->referer, e->referer_len);
	if (!memchr(t->agent, 0, e->agent_len))
		check_text(object, "user_agent", t->agent, e->agent_len);
	if (!memchr(t->host, 0, e->host_len))
		check_text(object, "host", t->host, e->host_len);
	json_decref(object);
}

/* One line, with as many quoted texts as the form has. */
static void check_plain(const char *line, size_t len, unsigned texts)
{
	unsigned quotes = 0;

	for (size_t i = 0; i < len; i++)
		quotes += line[i] == '"';
	INVARIANT(quotes == 2 * texts);
}

static void write_line(enum access_format format, const struct access_entry *e,
		       const struct access_texts *t)
{
	char *out = malloc(ACCESS_LINE_MAX);
	size_t len;

	INVARIANT(out);
	len = access_format_line(out, format, e, t, 1700000000000000);
	INVARIANT(len && len <= ACCESS_LINE_MAX && out[len - 1] == '\n');
	for (size_t i = 0; i + 1 < len; i++)
		INVARIANT(out[i] >= ' ' && out[i] <= '~');
	if (format == ACCESS_FORMAT_JSON)
		check_json(out, len, e, t);
	else
		check_plain(out, len, format == ACCESS_FORMAT_COMBINED ? 3 : 1);
	free(out);
}

/* The three texts of a client are cut from the input by its first bytes. */
static void log_lines(const uint8_t *bytes, size_t n)
{
	struct access_entry e = {.client = "192.0.2.1", .listener_len = 1};
	struct access_texts t = {.listener = "a", .id = "00ff"};
	size_t max;

	if (n < 4)
		return;
	e.status = bytes[0];
	e.reason = bytes[1] % KEDGE_REASON_COUNT;
	e.record = bytes[2] % 3;
	e.tls_suite = (uint8_t)(bytes[2] / 3 % SUITE_COUNT);
	e.referer_len = bytes[3];
	e.id_len = bytes[3] & 4;
	bytes += 4;
	n -= 4;
	e.referer_len = (uint16_t)(e.referer_len < n ? e.referer_len : n);
	t.referer = (const char *)bytes;
	t.agent = t.referer + e.referer_len;
	n -= e.referer_len;
	e.agent_len = (uint16_t)(n / 2 < ACCESS_FIELD_MAX ? n / 2 : ACCESS_FIELD_MAX);
	t.request = t.agent + e.agent_len;
	n -= e.agent_len;
	e.request_len = (uint16_t)(n < ACCESS_REQUEST_MAX ? n : ACCESS_REQUEST_MAX);
	/* The same bytes again. */
	max = e.request_len;
	t.host = t.sni = t.request_id = t.request;
	e.host_len = (uint16_t)(max < ACCESS_HOST_MAX ? max : ACCESS_HOST_MAX);
	e.sni_len = (uint16_t)(max < ACCESS_SNI_MAX ? max : ACCESS_SNI_MAX);
	e.request_id_len = (uint16_t)(max < ACCESS_REQUEST_ID_MAX ? max : ACCESS_REQUEST_ID_MAX);
	write_line(ACCESS_FORMAT_COMMON, &e, &t);
	write_line(ACCESS_FORMAT_COMBINED, &e, &t);
	write_line(ACCESS_FORMAT_JSON, &e, &t);
}

/* --- files ------------------------------------------------------------------------------------ */

static void ticket_file(const uint8_t *bytes, size_t n)
{
	struct ticket_keys *keys = calloc(1, sizeof(*keys));
	int fd = memfd_create("tickets", MFD_CLOEXEC), r;
	char path[64];

	INVARIANT(keys && fd >= 0 && fchmod(fd, 0600) == 0);
	INVARIANT(write(fd, bytes, n) == (ssize_t)n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = ticket_keys_load(keys, path);
	INVARIANT(r == 0 || (r == -EINVAL && !keys->count));
	INVARIANT(r || (keys->count >= 1 && keys->count <= TICKET_KEYS_MAX));
	for (size_t i = 0; i < keys->count; i++)
		for (size_t k = 0; k < i; k++)
			INVARIANT(memcmp(keys->keys[i].name, keys->keys[k].name, 16) != 0);
	close(fd);
	free(keys);
}

/* Lines that begin a block: "-----BEGIN X-----", perhaps with white space behind it. */
static size_t begins(const uint8_t *bytes, size_t n)
{
	static const char begin[] = "-----BEGIN ", dashes[] = "-----";
	size_t found = 0;

	while (n) {
		const uint8_t *lf = memchr(bytes, '\n', n);
		size_t line = lf ? (size_t)(lf - bytes) : n, len = line;

		while (len && bytes[len - 1] <= ' ')
			len--;
		found += len > strlen(begin) + strlen(dashes) &&
			 !memcmp(bytes, begin, strlen(begin)) &&
			 !memcmp(bytes + len - strlen(dashes), dashes, strlen(dashes));
		bytes += line + !!lf;
		n -= line + !!lf;
	}
	return found;
}

/* OpenSSL leaves out no block of a file that was found good, except at a fault that it reports. */
static void check_blocks(const uint8_t *bytes, size_t n)
{
	BIO *bio = BIO_new_mem_buf(bytes, (int)n);
	size_t blocks = 0;
	char *name, *header;
	unsigned char *data;
	long len;

	INVARIANT(bio);
	while (PEM_read_bio(bio, &name, &header, &data, &len)) {
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(data);
		blocks++;
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
		INVARIANT(blocks == begins(bytes, n));
	ERR_clear_error();
	BIO_free(bio);
}

static void pem_file(const uint8_t *bytes, size_t n)
{
	FILE *f = n ? fmemopen((void *)bytes, n, "r") : NULL;
	int r;

	if (!f)
		return;
	r = pem_check(f, "file", "of bytes");
	INVARIANT(r == 0 || r == -EINVAL);
	if (!r)
		check_blocks(bytes, n);
	fclose(f);
}

/* --- TLS records ------------------------------------------------------------------------------ */

static void check_verdict(const struct control *c, enum control_verdict v)
{
	INVARIANT(v <= CONTROL_FATAL);
	INVARIANT((v == CONTROL_FATAL) == (c->reason != KEDGE_REASON_NONE));
	INVARIANT(v != CONTROL_REFUSE || !c->tls13);
	INVARIANT((v != CONTROL_UPDATE && v != CONTROL_UPDATE_ANSWER) || c->tls13);
	INVARIANT(c->message_len < sizeof(c->message) || v == CONTROL_FATAL);
	INVARIANT(c->warnings <= CONTROL_WARNINGS_MAX || v == CONTROL_FATAL);
	INVARIANT(c->renegotiations <= CONTROL_RENEGOTIATIONS_MAX || v == CONTROL_FATAL);
}

/* A message in two records means the same. */
static void check_split(const struct control *before, const struct control *whole,
			enum control_verdict v, const uint8_t *p, size_t n)
{
	struct control c = *before;

	if (n < 2 || control_record(&c, TLS_CONTENT_HANDSHAKE, p, n / 2) != CONTROL_GO_ON)
		return;
	INVARIANT(control_record(&c, TLS_CONTENT_HANDSHAKE, p + n / 2, n - n / 2) == v);
	INVARIANT(c.alert == whole->alert && c.reason == whole->reason);
	INVARIANT(c.message_len == whole->message_len && c.skip == whole->skip);
	INVARIANT(c.updates == whole->updates && c.renegotiations == whole->renegotiations);
}

/* Records of a type and a length each. */
static void control_records(const uint8_t *bytes, size_t n)
{
	struct control c = {.tls13 = n && *bytes & 1};
	enum control_verdict v = CONTROL_GO_ON;

	for (size_t at = 1; at + 2 <= n && v != CONTROL_FATAL && v != CONTROL_END;) {
		static const uint8_t types[] = {20, 21, 22, 23, 24};
		uint8_t type = types[bytes[at] % 5];
		size_t len = bytes[at + 1] < n - at - 2 ? bytes[at + 1] : n - at - 2;
		const uint8_t *p = bytes + at + 2;
		struct control before = c;

		v = type == TLS_CONTENT_DATA ? control_data(&c, len)
					     : control_record(&c, type, p, len);
		check_verdict(&c, v);
		if (type == TLS_CONTENT_HANDSHAKE)
			check_split(&before, &c, v, p, len);
		at += 2 + len;
	}
}

/* --- a ClientHello ---------------------------------------------------------------------------- */

static void server_name(const uint8_t *bytes, size_t n)
{
	char host[CERT_NAME_MAX + 1], wild[CERT_NAME_MAX + 2];
	struct hello_part name = {0};

	if (hello_read_name(&name, bytes, n) != HELLO_FINE)
		return;
	/* It is all that there is. */
	INVARIANT(name.len <= HELLO_NAME_MAX && name.len + 5 == n && name.bytes == bytes + 5);
	INVARIANT(!memchr(name.bytes, 0, name.len));
	if (cert_name_normalise(host, (const char *)name.bytes, name.len))
		return;
	INVARIANT(host[0] && strlen(host) <= CERT_NAME_MAX);
	INVARIANT(strlen(host) + 1 >= name.len);
	if (cert_name_wildcard(wild, host))
		INVARIANT(wild[0] == '*' && wild[1] == '.' && strstr(host, wild + 1));
}

static void protocols(const uint8_t *bytes, size_t n)
{
	uint8_t ours[] = "\x02h2\x08http/1.1";
	const struct alpn_list list = {.wire = ours, .len = sizeof(ours) - 1};
	struct hello_part theirs = {0};
	const uint8_t *chosen = NULL;
	uint8_t len = 0;
	size_t at = 0;

	if (hello_read_protocols(&theirs, bytes, n) != HELLO_FINE)
		return;
	INVARIANT(theirs.len && theirs.len + 2 == n && theirs.bytes == bytes + 2);
	if (!alpn_select(&list, theirs.bytes, theirs.len, &chosen, &len))
		return;
	INVARIANT(len == 2 ? chosen == ours + 1 : chosen == ours + 4);
	while (at < theirs.len &&
	       (theirs.bytes[at] != len || memcmp(theirs.bytes + at + 1, chosen, len) != 0))
		at += 1u + theirs.bytes[at];
	INVARIANT(at < theirs.len);
}

/* --- answers of servers to a check ------------------------------------------------------------ */

/* The first byte says how long the pieces are; in one piece, or byte by byte, they say the same. */
static enum check_answer_verdict read_answer(struct check_answer *a, const char *p, size_t n,
					     size_t piece)
{
	enum check_answer_verdict v = CHECK_ANSWER_MORE;

	*a = (struct check_answer){0};
	for (size_t at = 0; at < n && v == CHECK_ANSWER_MORE; at += piece)
		v = check_answer_feed(a, p + at, piece < n - at ? piece : n - at);
	INVARIANT(a->bytes <= n && a->bytes <= CHECK_ANSWER_MAX);
	INVARIANT(a->interim <= CHECK_ANSWER_INTERIM_MAX || v == CHECK_ANSWER_STORM);
	INVARIANT((v == CHECK_ANSWER_STATUS) == (a->status != 0));
	INVARIANT(!a->status || a->status == 101 || (a->status >= 200 && a->status <= 999));
	INVARIANT(v != CHECK_ANSWER_MORE || a->bytes == n);
	return v;
}

static void answers(const uint8_t *bytes, size_t n)
{
	struct check_answer whole, cut;
	const char *text = (const char *)bytes + 1;
	enum check_answer_verdict v;

	if (!n)
		return;
	v = read_answer(&whole, text, n - 1, n);
	INVARIANT(read_answer(&cut, text, n - 1, 1 + bytes[0] % 16) == v);
	INVARIANT(cut.status == whole.status && cut.interim == whole.interim);
	INVARIANT(cut.bytes == whole.bytes);
	/* Without an interim response before it, the status is where anybody finds it. */
	if (v == CHECK_ANSWER_STATUS && !whole.interim)
		INVARIANT(whole.status == (unsigned)atoi(text + strlen("HTTP/1.1 ")));
}

static void hear_nothing(struct log_tap *tap, enum log_level level, const char *line)
{
	(void)tap;
	(void)level;
	(void)line;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static void (*const all[])(const uint8_t *, size_t) = {
		addresses,       log_lines,   ticket_file, pem_file,
		control_records, server_name, protocols,   answers,
	};
	struct log_tap quiet = {.hear = hear_nothing, .quiet = true}, *before;

	if (!n)
		return 0;
	before = log_set_tap(&quiet);
	all[*bytes % (sizeof(all) / sizeof(all[0]))](bytes + 1, n - 1);
	log_set_tap(before);
	return 0;
}

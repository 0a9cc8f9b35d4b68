/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PROXY header of a connection. See conn_header.h.
 *
 * The header goes out before the leg's socket is under the sk_msg program (conn_leg_join()), so the
 * program never sees it, in how many pieces it may go. The bypass keeps the order: it redirects no
 * byte while bytes that went by TCP are unread (bpf/steer.bpf.h, I1).
 */
#include "conn/conn_header.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "http/proxy_write.h"
#include "tls/tls_words.h"

/* Of the prefix, until the header is made. */
struct conn_prefix {
	union addr dst;
	size_t len;
	uint8_t tlvs[];
};

struct conn_header {
	uint16_t len;   /* at most PROXY_WRITE_BYTES_MAX */
	uint16_t id_at; /* where its unique ID begins; 0: it has none */
	uint8_t bytes[];
};

/* Random bytes of a unique ID, which is their hexadecimal text. */
#define ID_BYTES 16
#define ID_LEN   (2 * ID_BYTES)

static unsigned tlvs_of(const struct conn *c)
{
	return conn_servers(c)->conf->proxy_tlvs;
}

bool conn_header_wanted(const struct conn *c)
{
	return conn_servers(c)->conf->send_proxy != SEND_PROXY_OFF;
}

/*
 * May an application of the listener want a header, or one with the prefix's TLVs? Which of them it
 * will be, the ClientHello says later.
 */
static bool may_be_wanted(const struct conn *c, bool with_tlvs)
{
	const struct conf_listener *l = c->service->conf;

	for (size_t i = 0; i <= l->routes_count; i++) {
		const size_t at = i ? l->routes[i - 1].app : l->app;
		const struct conf_app *app = c->service->generation->apps[at].conf;

		if (app->send_proxy != SEND_PROXY_OFF &&
		    (!with_tlvs || app->proxy_tlvs & SEND_TLV_PASS))
			return true;
	}
	return false;
}

enum kedge_reason conn_header_prefix(struct conn *c, const struct proxy_prefix *p)
{
	const size_t len = may_be_wanted(c, true) ? p->tlvs_len : 0;

	if (!may_be_wanted(c, false))
		return KEDGE_REASON_NONE;
	c->prefix = calloc(1, sizeof(*c->prefix) + len);
	if (!c->prefix)
		return KEDGE_REASON_no_memory;
	c->prefix->dst = p->dst;
	c->prefix->len = len;
	if (len)
		memcpy(c->prefix->tlvs, p->tlvs, len);
	return KEDGE_REASON_NONE;
}

/* --- what it says ----------------------------------------------------------------------------- */

/* Everything that the facts point to. */
struct told {
	struct proxy_facts facts;
	union addr src, dst;
	struct proxy_tls tls;
	struct proxy_prefix pass;
	char id[ID_LEN];
};

/* A prefix without addresses leaves those of the socket. Its source may still be unknown. */
static void tell_addresses(struct told *t, const struct conn *c)
{
	socklen_t len = sizeof(t->dst);

	t->src = conn_client(c);
	t->dst = c->prefix ? c->prefix->dst : (union addr){0};
	if (t->dst.family == AF_UNSPEC && getsockname(c->client_fd, &t->dst.sa, &len) < 0)
		t->dst = (union addr){0};
	/* On a unix socket the client has no name. */
	if (t->src.family == AF_UNSPEC && t->dst.family == AF_UNIX)
		t->src.family = AF_UNIX;
	t->facts.src = c->nobody ? NULL : &t->src;
	t->facts.dst = &t->dst;
}

static const char *word(const char *text)
{
	return text[0] ? text : NULL;
}

static void tell_words(struct told *t, unsigned tlvs, const struct tls_words *w)
{
	if (tlvs & SEND_TLV_AUTHORITY && w->sni[0])
		t->facts.authority = (struct proxy_value){w->sni, strlen(w->sni)};
	if (tlvs & SEND_TLV_ALPN && w->alpn_len)
		t->facts.alpn = (struct proxy_value){w->alpn, w->alpn_len};
	t->tls = (struct proxy_tls){.version = word(w->version),
				    .cipher = word(w->cipher),
				    .sig_alg = word(w->sig_alg),
				    .key_alg = word(w->key_alg)};
	if (tlvs & SEND_TLV_SSL)
		t->facts.tls = &t->tls;
}

/* Nothing can be learned from it, and no two are the same. */
static void tell_id(struct told *t)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t random[ID_BYTES];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return;
	for (size_t i = 0; i < ID_BYTES; i++) {
		t->id[2 * i] = digits[random[i] >> 4];
		t->id[2 * i + 1] = digits[random[i] & 15];
	}
	t->facts.unique_id = (struct proxy_value){t->id, ID_LEN};
}

static void tell(struct told *t, const struct conn *c, const struct tls_words *words)
{
	const unsigned tlvs = tlvs_of(c);

	*t = (struct told){.facts = {.crc32c = tlvs & SEND_TLV_CRC32C}};
	tell_addresses(t, c);
	if (words)
		tell_words(t, tlvs, words);
	if (tlvs & SEND_TLV_UNIQUE_ID)
		tell_id(t);
	if (!c->prefix || !(tlvs & SEND_TLV_PASS))
		return;
	t->pass = (struct proxy_prefix){.tlvs = c->prefix->tlvs, .tlvs_len = c->prefix->len};
	t->facts.pass = &t->pass;
}

/* Nobody else can have put the same bytes there: they have just been drawn. */
static uint16_t place_of_id(const struct told *t, const uint8_t *bytes, size_t n)
{
	const uint8_t *id = t->facts.unique_id.at ? memmem(bytes, n, t->id, ID_LEN) : NULL;

	return id ? (uint16_t)(id - bytes) : 0;
}

enum kedge_reason conn_header_make(struct conn *c, const struct tls_words *words)
{
	uint8_t bytes[PROXY_WRITE_BYTES_MAX];
	struct told told;
	ssize_t n;

	if (!conn_header_wanted(c)) {
		free(c->prefix); /* it was for another route */
		c->prefix = NULL;
		return KEDGE_REASON_NONE;
	}
	tell(&told, c, words);
	n = conn_servers(c)->conf->send_proxy == SEND_PROXY_V1
		    ? proxy_write_v1(bytes, sizeof(bytes), &told.facts)
		    : proxy_write_v2(bytes, sizeof(bytes), &told.facts);
	free(c->prefix);
	c->prefix = NULL;
	if (n < 0)
		return KEDGE_REASON_prefix_too_long;
	c->header = malloc(sizeof(*c->header) + (size_t)n);
	if (!c->header)
		return KEDGE_REASON_no_memory;
	c->header->len = (uint16_t)n;
	c->header->id_at = place_of_id(&told, bytes, (size_t)n);
	memcpy(c->header->bytes, bytes, (size_t)n);
	return KEDGE_REASON_NONE;
}

const char *conn_header_id(const struct conn *c, uint8_t *len)
{
	*len = c->header && c->header->id_at ? ID_LEN : 0;
	return *len ? (const char *)c->header->bytes + c->header->id_at : NULL;
}

/* --- on its way ------------------------------------------------------------------------------- */

bool conn_header_done(const struct conn *c)
{
	return !c->header || c->flow.leg->header_sent == c->header->len;
}

enum conn_header_sent conn_header_send(struct conn *c)
{
	struct leg *l = c->flow.leg;

	while (!conn_header_done(c)) {
		ssize_t n = send(l->fd, c->header->bytes + l->header_sent,
				 c->header->len - l->header_sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return HEADER_WAITS;
		if (n < 0)
			return HEADER_LOST;
		l->header_sent += (uint32_t)n;
	}
	return HEADER_SENT;
}

void conn_header_free(struct conn *c)
{
	free(c->prefix);
	free(c->header);
	c->prefix = NULL;
	c->header = NULL;
}

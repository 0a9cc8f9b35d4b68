/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PROXY header of a leg. It is taken out of the stream as it is sent, so that all others see a
 * leg without one. See oracle.h.
 */
#include "oracle.h"

#include <string.h>

#include "cover.h"
#include "tests/lib/proxy_decode.h"

void oracle_header_expect(struct client *c, const struct conf *conf, const union addr *who,
			  uint16_t port)
{
	const struct script *s = &c->script;
	const bool unknown =
		c->reads_prefix && s->prefix_good && !s->prefix_names && s->prefix.data[0] == 'P';

	c->send_proxy = conf->apps[0].send_proxy;
	c->proxy_tlvs = conf->apps[0].proxy_tlvs;
	c->named = unknown ? (union addr){0} : *who;
	c->named_port = port;
}

static bool is_whole(const struct http1_bytes *h)
{
	if (h->data[0] == 'P')
		return h->data[h->len - 1] == '\n';
	return h->len >= 16 && h->len >= 16u + (size_t)(h->data[14] << 8 | h->data[15]);
}

static bool names(const struct decoded *d, const union addr *who, uint16_t port)
{
	uint8_t ip[16];

	if (who->family == AF_UNSPEC)
		return d->family == '-';
	if (!addr_ip(ip, who) || d->dport != port)
		return false;
	if (d->family == '4')
		return addr_is_ipv4(who) && !memcmp(d->src, ip + 12, 4);
	return d->family == '6' && !memcmp(d->src, ip, 16);
}

/* Nothing that was not asked for; what depends on the client alone is there. */
static bool has_tlvs(const struct decoded *d, const struct client *c)
{
	static const uint8_t types[] = {0x02, 0x01, 0x20, 0x05, 0x03};
	unsigned bits = 0;

	for (unsigned i = 0; i < sizeof(types); i++)
		bits |= decoded_find(d, types[i]) ? 1u << i : 0;
	return !(bits & ~c->proxy_tlvs) && d->crc == !!(c->proxy_tlvs & SEND_TLV_CRC32C) &&
	       d->ssl == (c->tls && c->proxy_tlvs & SEND_TLV_SSL) &&
	       !decoded_find(d, 0x05) == !(c->proxy_tlvs & SEND_TLV_UNIQUE_ID);
}

static void judge(const struct served *l)
{
	static struct decoded d;
	const struct client *c = l->client;
	const char *wrong = proxy_decode(&d, l->header.data, l->header.len);

	if (wrong)
		world_fail("client %u: its header is wrong: %s", c->id, wrong);
	if (d.version != (c->send_proxy == SEND_PROXY_V1 ? 1 : 2) || d.local)
		world_fail("client %u: another kind of header", c->id);
	if (!names(&d, &c->named, c->named_port))
		world_fail("client %u: its header names somebody else", c->id);
	if (!has_tlvs(&d, c))
		world_fail("client %u: its header has other TLVs", c->id);
}

size_t oracle_header_takes(struct served *l, size_t n)
{
	struct http1_bytes *out = &l->s->out;

	if (l->client->send_proxy == SEND_PROXY_OFF)
		return n;
	for (; n && !l->header_done; n--) {
		uint8_t *at = out->data + out->len - n;

		http1_bytes_add(&l->header, at, 1);
		memmove(at, at + 1, n - 1);
		out->len--;
		l->header_done = is_whole(&l->header);
		if (l->header_done)
			judge(l);
	}
	return n;
}

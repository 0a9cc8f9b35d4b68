/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/proxy_write.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "http/proxy_v2.h"

static uint8_t common_family(const struct proxy_facts *f)
{
	uint8_t ip[16];

	if (f->local || !f->src || !f->dst)
		return FAMILY_UNSPEC;
	if (f->src->family == AF_UNIX && f->dst->family == AF_UNIX)
		return FAMILY_UNIX;
	if (!addr_ip(ip, f->src) || !addr_ip(ip, f->dst))
		return FAMILY_UNSPEC;
	return addr_is_ipv4(f->src) && addr_is_ipv4(f->dst) ? FAMILY_INET : FAMILY_INET6;
}

/* --- version 1 -------------------------------------------------------------------------------- */

/* An IPv4 address is written as v4-mapped if the other one is IPv6. */
static void print_ip(char buf[INET6_ADDRSTRLEN], const union addr *a, uint8_t family)
{
	uint8_t ip[16];

	addr_ip(ip, a);
	if (family == FAMILY_INET)
		inet_ntop(AF_INET, ip + 12, buf, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, ip, buf, INET6_ADDRSTRLEN);
}

ssize_t proxy_write_v1(uint8_t *buf, size_t size, const struct proxy_facts *f)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], line[PROXY_V1_BYTES_MAX + 1];
	const uint8_t family = common_family(f);
	int n;

	if (family == FAMILY_INET || family == FAMILY_INET6) {
		print_ip(src, f->src, family);
		print_ip(dst, f->dst, family);
		n = snprintf(line, sizeof(line), "PROXY %s %s %s %u %u\r\n",
			     family == FAMILY_INET ? "TCP4" : "TCP6", src, dst, addr_port(f->src),
			     addr_port(f->dst));
	} else {
		n = snprintf(line, sizeof(line), "PROXY UNKNOWN\r\n");
	}
	if (n < 0 || (size_t)n >= sizeof(line) || (size_t)n > size)
		return -ENOSPC;
	memcpy(buf, line, (size_t)n);
	return n;
}

/* --- version 2 -------------------------------------------------------------------------------- */

/* Once something has not fit, nothing more is written. */
struct out {
	uint8_t *begin, *at, *end;
	bool full;
};

static void put(struct out *o, const void *bytes, size_t n)
{
	if (o->full || n > (size_t)(o->end - o->at)) {
		o->full = true;
		return;
	}
	if (n)
		memcpy(o->at, bytes, n);
	o->at += n;
}

static void put_u8(struct out *o, uint8_t value)
{
	put(o, &value, 1);
}

/* A length that does not fit in 16 bits is cut: its value does not fit in the header either. */
static void put_u16(struct out *o, size_t value)
{
	const uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

	put(o, bytes, sizeof(bytes));
}

static void put_u32(struct out *o, uint32_t value)
{
	put_u16(o, value >> 16);
	put_u16(o, value & UINT16_MAX);
}

/* Writes how many bytes have come behind the two at `len`. */
static void set_len(struct out *o, uint8_t *len)
{
	struct out field;

	if (o->full)
		return;
	field = (struct out){.at = len, .end = len + 2};
	put_u16(&field, (size_t)(o->at - len) - 2);
	o->full = field.full;
}

/* Begins a TLV, whose end is set_len() of what it returns. */
static uint8_t *begin_tlv(struct out *o, uint8_t type)
{
	uint8_t *len;

	put_u8(o, type);
	len = o->at;
	put_u16(o, 0);
	return len;
}

static void put_tlv(struct out *o, uint8_t type, const void *value, size_t n)
{
	put_u8(o, type);
	put_u16(o, n);
	put(o, value, n);
}

static void put_value(struct out *o, uint8_t type, const struct proxy_value *v)
{
	if (v->at)
		put_tlv(o, type, v->at, v->len);
}

static void put_text(struct out *o, uint8_t type, const char *text)
{
	if (text)
		put_tlv(o, type, text, strlen(text));
}

/* A name in 108 bytes. What is behind its end in memory is not told. */
static void put_unix(struct out *o, const union addr *a)
{
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	uint8_t name[sizeof(a->un.sun_path)] = {0};

	memcpy(name, a->un.sun_path, addr_len(a) - head);
	put(o, name, sizeof(name));
}

static void put_addresses(struct out *o, const struct proxy_facts *f, uint8_t family)
{
	const size_t skip = family == FAMILY_INET ? 12 : 0;
	uint8_t src[16], dst[16];

	if (family == FAMILY_UNSPEC)
		return;
	if (family == FAMILY_UNIX) {
		put_unix(o, f->src);
		put_unix(o, f->dst);
		return;
	}
	addr_ip(src, f->src);
	addr_ip(dst, f->dst);
	put(o, src + skip, sizeof(src) - skip);
	put(o, dst + skip, sizeof(dst) - skip);
	put_u16(o, addr_port(f->src));
	put_u16(o, addr_port(f->dst));
}

/* `verify` is 0 only for a client that showed a good certificate (section 2.2.6). */
static void put_tls(struct out *o, const struct proxy_tls *t)
{
	const bool cert = t->cert_conn || t->cert_sess;
	uint8_t *len = begin_tlv(o, TLV_SSL);

	put_u8(o, (uint8_t)(CLIENT_SSL | (t->cert_conn ? CLIENT_CERT_CONN : 0) |
			    (t->cert_sess ? CLIENT_CERT_SESS : 0)));
	put_u32(o, cert && t->verified ? 0 : 1);
	put_text(o, TLV_SSL_VERSION, t->version);
	if (cert)
		put_text(o, TLV_SSL_CN, t->cn);
	put_text(o, TLV_SSL_CIPHER, t->cipher);
	put_text(o, TLV_SSL_SIG_ALG, t->sig_alg);
	put_text(o, TLV_SSL_KEY_ALG, t->key_alg);
	set_len(o, len);
}

/* May a TLV of the incoming prefix be passed on? */
static bool may_pass(const struct proxy_facts *f, uint8_t type)
{
	switch (type) {
	case TLV_NOOP:
	case TLV_CRC32C:
	case TLV_SSL:
		return false;
	case TLV_ALPN:
		return !f->alpn.at;
	case TLV_AUTHORITY:
		return !f->authority.at;
	case TLV_UNIQUE_ID:
		return !f->unique_id.at;
	default:
		return true;
	}
}

static void pass_on(struct out *o, const struct proxy_facts *f)
{
	struct proxy_tlv tlv;
	size_t pos = 0;

	while (f->pass && proxy_next_tlv(f->pass, &pos, &tlv))
		if (may_pass(f, tlv.type))
			put_tlv(o, tlv.type, tlv.value, tlv.len);
}

static void put_tlvs(struct out *o, const struct proxy_facts *f)
{
	put_value(o, TLV_ALPN, &f->alpn);
	put_value(o, TLV_AUTHORITY, &f->authority);
	put_value(o, TLV_UNIQUE_ID, &f->unique_id);
	if (f->tls)
		put_tls(o, f->tls);
	pass_on(o, f);
}

/* The checksum covers the whole header, with its own four bytes as 0. */
static void set_crc(struct out *o)
{
	struct out field;

	if (o->full)
		return;
	field = (struct out){.at = o->at - 4, .end = o->at};
	put_u32(&field, ~crc32c_update(~0u, o->begin, (size_t)(o->at - o->begin)));
}

ssize_t proxy_write_v2(uint8_t *buf, size_t size, const struct proxy_facts *f)
{
	static const uint8_t signature[V2_SIGNATURE_BYTES] = V2_SIGNATURE;
	const size_t room = size < PROXY_WRITE_BYTES_MAX ? size : PROXY_WRITE_BYTES_MAX;
	const uint8_t family = common_family(f);
	struct out o = {.begin = buf, .at = buf, .end = buf + room};
	uint8_t *len;

	put(&o, signature, sizeof(signature));
	put_u8(&o, 2 << 4 | (f->local ? COMMAND_LOCAL : COMMAND_PROXY));
	put_u8(&o, (uint8_t)(family << 4 |
			     (family == FAMILY_UNSPEC ? TRANSPORT_UNSPEC : TRANSPORT_STREAM)));
	len = o.at;
	put_u16(&o, 0);
	put_addresses(&o, f, family);
	put_tlvs(&o, f);
	if (f->crc32c)
		put_tlv(&o, TLV_CRC32C, "\0\0\0", 4);
	set_len(&o, len);
	if (f->crc32c)
		set_crc(&o);
	return o.full ? -ENOSPC : o.at - buf;
}

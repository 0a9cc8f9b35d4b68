/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/proxy_proto.h"

#include <assert.h>
#include <arpa/inet.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/decimal.h"
#include "http/proxy_v2.h"

static const char v1_start[] = "PROXY ";
static const uint8_t v2_signature[V2_SIGNATURE_BYTES] = V2_SIGNATURE;

static enum proxy_verdict bad(struct proxy_prefix *out, uint8_t version, enum kedge_reason reason)
{
	*out = (struct proxy_prefix){.version = version, .reason = reason};
	return PROXY_BAD;
}

/*
 * Compares the bytes with `want`. MORE: equal so far. DONE: equal and whole. NONE: different.
 */
static enum proxy_verdict expect(const uint8_t *bytes, size_t n, const void *want, size_t want_len)
{
	if (memcmp(bytes, want, n < want_len ? n : want_len))
		return PROXY_NONE;
	return n < want_len ? PROXY_MORE : PROXY_DONE;
}

/* --- version 1: a line of text (section 2.1) -------------------------------------------------- */

/* The rest of a line, without CRLF. */
struct cursor {
	const uint8_t *at, *end;
};

/* Takes the bytes up to the next space, or to the end, as a string; the space is taken too. */
static bool take_word(struct cursor *c, char *word, size_t size)
{
	size_t left = (size_t)(c->end - c->at);
	const uint8_t *space = left ? memchr(c->at, ' ', left) : NULL;
	size_t len = space ? (size_t)(space - c->at) : left;

	/* A NUL would hide the rest of the word when it is read as a string. */
	if (!len || len >= size || memchr(c->at, '\0', len))
		return false;
	assert(len < size);
	memcpy(word, c->at, len);
	word[len] = '\0';
	c->at += len + (space ? 1 : 0);
	return true;
}

static bool read_ip(union addr *a, const char *word, sa_family_t family)
{
	*a = (union addr){.family = family};
	return inet_pton(family, word,
			 family == AF_INET ? (void *)&a->in.sin_addr : (void *)&a->in6.sin6_addr) ==
	       1;
}

static bool take_source(struct cursor *c, union addr *a, sa_family_t family)
{
	char word[INET6_ADDRSTRLEN];

	return take_word(c, word, sizeof(word)) && read_ip(a, word, family);
}

static bool take_destination(struct cursor *c, union addr *a)
{
	char word[INET6_ADDRSTRLEN];

	return take_word(c, word, sizeof(word)) &&
	       (read_ip(a, word, AF_INET) || read_ip(a, word, AF_INET6));
}

static void set_port(union addr *a, uint16_t port_net)
{
	if (a->family == AF_INET)
		a->in.sin_port = port_net;
	else
		a->in6.sin6_port = port_net;
}

static bool take_port(struct cursor *c, union addr *a)
{
	char word[sizeof("65535")];
	uint64_t port;

	if (!take_word(c, word, sizeof(word)) ||
	    !decimal_parse_plain(word, strlen(word), UINT16_MAX, &port))
		return false;
	set_port(a, htons((uint16_t)port));
	return true;
}

/* line[0..n) without CRLF, which begins with "PROXY ". False if it is malformed. */
static bool decode_v1(struct proxy_prefix *p, const uint8_t *line, size_t n)
{
	struct cursor c = {line + strlen(v1_start), line + n};
	char word[sizeof("UNKNOWN")];
	sa_family_t family;

	if (!take_word(&c, word, sizeof(word)))
		return false;
	if (!strcmp(word, "UNKNOWN")) {
		p->local = true;
		return true;
	}
	if (!strcmp(word, "TCP4"))
		family = AF_INET;
	else if (!strcmp(word, "TCP6"))
		family = AF_INET6;
	else
		return false;
	/* A word ends at a space or at the end of the line. No space may follow the last port. */
	return take_source(&c, &p->src, family) && take_destination(&c, &p->dst) &&
	       take_port(&c, &p->src) && take_port(&c, &p->dst) && c.at[-1] != ' ';
}

static enum proxy_verdict parse_v1(struct proxy_prefix *out, const uint8_t *bytes, size_t n)
{
	size_t seen = n < PROXY_V1_BYTES_MAX ? n : PROXY_V1_BYTES_MAX, eol = 0;
	struct proxy_prefix p = {.version = 1};

	/* A lone CR or LF is not allowed, so the first of either is the end of the line. */
	while (eol < seen && bytes[eol] != '\r' && bytes[eol] != '\n')
		eol++;
	if (eol < seen && bytes[eol] == '\n')
		return bad(out, 1, KEDGE_REASON_prefix_bad);
	if (eol + 1 < seen && bytes[eol + 1] != '\n')
		return bad(out, 1, KEDGE_REASON_prefix_bad);
	if (eol + 1 >= seen)
		return seen < PROXY_V1_BYTES_MAX ? PROXY_MORE
						 : bad(out, 1, KEDGE_REASON_prefix_too_long);
	if (!decode_v1(&p, bytes, eol))
		return bad(out, 1, KEDGE_REASON_prefix_bad);
	p.len = eol + 2;
	*out = p;
	return PROXY_DONE;
}

/* --- version 2: binary (section 2.2) ---------------------------------------------------------- */

static uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}

/* The checksum covers the whole prefix as if its own field (4 bytes at `field`) were zero. */
static bool crc_is_right(const uint8_t *prefix, size_t len, const uint8_t *field)
{
	static const uint8_t zero[4];
	const uint8_t *after = field + sizeof(zero);
	uint32_t crc = ~0u;

	crc = crc32c_update(crc, prefix, (size_t)(field - prefix));
	crc = crc32c_update(crc, zero, sizeof(zero));
	crc = crc32c_update(crc, after, (size_t)(prefix + len - after));
	return ~crc == get_u32(field);
}

bool proxy_next_tlv(const struct proxy_prefix *p, size_t *pos, struct proxy_tlv *out)
{
	size_t left = *pos < p->tlvs_len ? p->tlvs_len - *pos : 0;
	const uint8_t *tlv;
	uint16_t len;

	if (left < TLV_FIXED_BYTES)
		return false;
	tlv = p->tlvs + *pos;
	len = get_u16(tlv + 1);
	if (len > left - TLV_FIXED_BYTES)
		return false;
	*out = (struct proxy_tlv){.type = tlv[0], .len = len, .value = tlv + TLV_FIXED_BYTES};
	*pos += TLV_FIXED_BYTES + len;
	return true;
}

/*
 * Walks all TLVs of `prefix`. KEDGE_REASON_NONE if they fill their space exactly and the CRC is
 * right.
 */
static enum kedge_reason check_tlvs(struct proxy_prefix *p, const uint8_t *prefix)
{
	const uint8_t *crc_field = NULL;
	struct proxy_tlv tlv;
	size_t pos = 0;

	while (proxy_next_tlv(p, &pos, &tlv)) {
		if (tlv.type != TLV_CRC32C)
			continue;
		/* Two checksums cannot both cover each other. */
		if (tlv.len != 4 || crc_field)
			return KEDGE_REASON_prefix_bad;
		crc_field = tlv.value;
	}
	if (pos != p->tlvs_len)
		return KEDGE_REASON_prefix_bad;
	if (!crc_field)
		return KEDGE_REASON_NONE;
	p->crc_present = true;
	return crc_is_right(prefix, p->len, crc_field) ? KEDGE_REASON_NONE
						       : KEDGE_REASON_prefix_crc;
}

static void set_inet(union addr *a, const uint8_t *ip, const uint8_t *port)
{
	*a = (union addr){.in = {.sin_family = AF_INET}};
	memcpy(&a->in.sin_addr, ip, 4);
	memcpy(&a->in.sin_port, port, 2);
}

static void set_inet6(union addr *a, const uint8_t *ip, const uint8_t *port)
{
	*a = (union addr){.in6 = {.sin6_family = AF_INET6}};
	memcpy(&a->in6.sin6_addr, ip, 16);
	memcpy(&a->in6.sin6_port, port, 2);
}

/*
 * The size of the address block. 0 if family or transport are unspecified: then the addresses must
 * be ignored, and the TLVs cannot be found, since the size of the block is unknown.
 */
static size_t address_bytes(unsigned int family, unsigned int transport)
{
	static const uint8_t bytes[] = {
		[FAMILY_INET] = V2_INET_BYTES,
		[FAMILY_INET6] = V2_INET6_BYTES,
		[FAMILY_UNIX] = V2_UNIX_BYTES,
	};

	return transport == TRANSPORT_UNSPEC ? 0 : bytes[family];
}

/*
 * The complete block of a PROXY command. DGRAM is read like STREAM: a gateway may have turned the
 * client's datagrams (QUIC) into this connection, and the client's address is right all the same.
 */
static enum proxy_verdict decode_v2(struct proxy_prefix *out, struct proxy_prefix *p,
				    const uint8_t *prefix, unsigned int family, size_t addr_bytes)
{
	const uint8_t *block = prefix + V2_FIXED_BYTES;
	enum kedge_reason reason;

	if (!addr_bytes) {
		*out = *p;
		return PROXY_DONE;
	}
	if (family == FAMILY_INET) {
		set_inet(&p->src, block, block + 8);
		set_inet(&p->dst, block + 4, block + 10);
	} else if (family == FAMILY_INET6) {
		set_inet6(&p->src, block, block + 32);
		set_inet6(&p->dst, block + 16, block + 34);
	}
	p->tlvs_len = p->len - V2_FIXED_BYTES - addr_bytes;
	p->tlvs = p->tlvs_len ? block + addr_bytes : NULL;
	reason = check_tlvs(p, prefix);
	if (reason != KEDGE_REASON_NONE)
		return bad(out, 2, reason);
	*out = *p;
	return PROXY_DONE;
}

/* Each byte is judged as soon as it is there: a bad prefix is refused before its end. */
static enum proxy_verdict parse_v2(struct proxy_prefix *out, const uint8_t *bytes, size_t n)
{
	struct proxy_prefix p = {.version = 2};
	unsigned int command, family, transport;
	size_t addr_bytes = 0;

	if (n < 13)
		return PROXY_MORE;
	command = bytes[12] & 15;
	if (bytes[12] >> 4 != 2 || command > COMMAND_PROXY)
		return bad(out, 2, KEDGE_REASON_prefix_bad);
	if (n < 14)
		return PROXY_MORE;
	family = bytes[13] >> 4;
	transport = bytes[13] & 15;
	p.local = command == COMMAND_LOCAL;
	if (!p.local) {
		if (family > FAMILY_UNIX || transport > TRANSPORT_DGRAM)
			return bad(out, 2, KEDGE_REASON_prefix_bad);
		addr_bytes = address_bytes(family, transport);
	}
	if (n < V2_FIXED_BYTES)
		return PROXY_MORE;
	p.len = V2_FIXED_BYTES + (size_t)get_u16(bytes + 14);
	if (p.len > PROXY_V2_BYTES_MAX)
		return bad(out, 2, KEDGE_REASON_prefix_too_long);
	if (p.len < V2_FIXED_BYTES + addr_bytes)
		return bad(out, 2, KEDGE_REASON_prefix_bad);
	if (n < p.len)
		return PROXY_MORE;
	return decode_v2(out, &p, bytes, family, addr_bytes);
}

#ifdef KEDGE_CHECKS
static bool is_family(sa_family_t family)
{
	return family == AF_UNSPEC || family == AF_INET || family == AF_INET6;
}

void proxy_check(const struct proxy_prefix *p, enum proxy_verdict verdict, const uint8_t *bytes,
		 size_t n)
{
	CHECK(p, verdict <= PROXY_BAD);
	CHECK_IF(p, verdict == PROXY_MORE, n < PROXY_V2_BYTES_MAX);
	if (verdict == PROXY_MORE || verdict == PROXY_NONE)
		return;
	CHECK(p, p->version == 1 || p->version == 2);
	CHECK(p, (p->reason == KEDGE_REASON_NONE) == (verdict == PROXY_DONE));
	if (verdict == PROXY_BAD)
		return;
	CHECK(p, p->len && p->len <= n);
	CHECK(p, p->len <= (p->version == 1 ? PROXY_V1_BYTES_MAX : PROXY_V2_BYTES_MAX));
	CHECK(p, is_family(p->src.family) && is_family(p->dst.family));
	CHECK(p, (p->src.family == AF_UNSPEC) == (p->dst.family == AF_UNSPEC));
	CHECK_IF(p, p->local, p->src.family == AF_UNSPEC && !p->tlvs && !p->crc_present);
	CHECK(p, !p->tlvs == !p->tlvs_len);
	CHECK_IF(p, p->tlvs, p->tlvs + p->tlvs_len == bytes + p->len);
	CHECK_IF(p, p->version == 1, !p->tlvs && bytes[p->len - 1] == '\n');
}
#endif

static enum proxy_verdict parse(struct proxy_prefix *out, const uint8_t *bytes, size_t n)
{
	enum proxy_verdict start;

	if (!n)
		return PROXY_MORE;
	start = expect(bytes, n, v2_signature, sizeof(v2_signature));
	if (start == PROXY_DONE)
		return parse_v2(out, bytes, n);
	if (start == PROXY_MORE)
		return start;
	start = expect(bytes, n, v1_start, strlen(v1_start));
	return start == PROXY_DONE ? parse_v1(out, bytes, n) : start;
}

enum proxy_verdict proxy_parse(struct proxy_prefix *out, const uint8_t *bytes, size_t n)
{
	enum proxy_verdict verdict = parse(out, bytes, n);

	CHECKED(proxy_check(out, verdict, bytes, n));
	return verdict;
}

bool proxy_begins(const uint8_t *bytes, size_t n)
{
	if (n < PROXY_BEGIN_V2_BYTES_MIN)
		return false;
	if (expect(bytes, n, v2_signature, sizeof(v2_signature)) != PROXY_NONE)
		return true;
	if (n < PROXY_BEGIN_BYTES_MIN)
		return false;
	/* A request may have the method PROXY, but no target begins like TCP4, TCP6 or UNKNOWN. */
	if (expect(bytes, n, v1_start, strlen(v1_start)) == PROXY_NONE)
		return false;
	return n <= strlen(v1_start) || bytes[6] == 'T' || bytes[6] == 'U';
}

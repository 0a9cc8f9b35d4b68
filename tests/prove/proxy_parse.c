/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run: proxy_parse long --unwind 13 --unwindset parse_v1.0:108
 * Run: proxy_parse_stays long --no-standard-checks --unwind 13 --unwindset parse_v1.0:108
 * Run: proxy_begins short --unwind 37
 * Instead: decode_v1:any_line
 * Instead: check_tlvs:any_tlvs
 *
 * proxy_parse() of any bytes, however many: it reads nothing outside; what it says is as
 * proxy_proto.h promises; the addresses of version 2 are those of the prefix; a verdict stays for
 * every longer input; it does not ask for more than the longest prefix has. Complete: all loops end
 * by constants.
 *
 * In place of decode_v1() and check_tlvs() come any answers that proxy_v1.c and proxy_tlv.c prove
 * of them, and what these take for granted is proved here. Taken for granted: both give the same
 * answer for the same bytes.
 */
#include <stdlib.h>

#include "prove.h"

#include "http/proxy_proto.c"

/* The same for the same line: inputs share their first bytes. */
bool __CPROVER_uninterpreted_line(size_t n);
uint8_t __CPROVER_uninterpreted_line_family(size_t n);
uint8_t __CPROVER_uninterpreted_tlvs(size_t len);
bool __CPROVER_uninterpreted_crc_present(size_t len);

bool any_line(struct proxy_prefix *p, const uint8_t *line, size_t n)
{
	uint8_t family = __CPROVER_uninterpreted_line_family(n);
	union addr src, dst;

	PROVE(n >= 6 && n <= PROXY_V1_BYTES_MAX - 2 && __CPROVER_r_ok(line, n));
	PROVE(p->version == 1 && p->src.family == AF_UNSPEC && p->dst.family == AF_UNSPEC);
	PROVE(!p->local && !p->reason && !p->tlvs && !p->tlvs_len && !p->crc_present);
	if (!__CPROVER_uninterpreted_line(n))
		return false;
	if (family == AF_UNSPEC) {
		p->local = true;
		return true;
	}
	ASSUME(family == AF_INET || family == AF_INET6);
	src.family = family;
	ASSUME(dst.family == AF_INET || dst.family == AF_INET6);
	p->src = src;
	p->dst = dst;
	return true;
}

enum kedge_reason any_tlvs(struct proxy_prefix *p, const uint8_t *prefix)
{
	enum kedge_reason reason = __CPROVER_uninterpreted_tlvs(p->len);

	PROVE(p->len <= PROXY_V2_BYTES_MAX && __CPROVER_r_ok(prefix, p->len));
	PROVE(p->tlvs_len + V2_FIXED_BYTES <= p->len && !p->crc_present);
	PROVE(p->tlvs_len ? p->tlvs == prefix + p->len - p->tlvs_len : !p->tlvs);
	ASSUME(reason == KEDGE_REASON_NONE || reason == KEDGE_REASON_prefix_bad ||
	       reason == KEDGE_REASON_prefix_crc);
	p->crc_present = __CPROVER_uninterpreted_crc_present(p->len);
	return reason;
}

static uint8_t *any_bytes(size_t n)
{
	uint8_t *bytes;

	INPUT(n);
	ASSUME(n <= 1ul << 40);
	bytes = malloc(n);
	ASSUME(bytes);
	return bytes;
}

static bool begins(const uint8_t *bytes, size_t n, const void *want, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (i >= n || bytes[i] != ((const uint8_t *)want)[i])
			return false;
	return true;
}

/* Of every byte, since it is proved of any. */
static void prove_address(const union addr *a, const uint8_t *ip, const uint8_t *port)
{
	const uint8_t *had = a->family == AF_INET ? (const uint8_t *)&a->in.sin_addr
						  : (const uint8_t *)&a->in6.sin6_addr;
	uint8_t i;

	ASSUME(i < (a->family == AF_INET ? 4 : 16));
	PROVE(had[i] == ip[i]);
	PROVE((a->family == AF_INET ? a->in.sin_port : a->in6.sin6_port) ==
	      port[0] + port[1] * 256);
}

/* Section 2.2 of the specification. */
static void prove_addresses(const struct proxy_prefix *p, const uint8_t *bytes)
{
	const uint8_t *block = bytes + 16;

	PROVE(p->local == (bytes[12] == 0x20));
	if (p->local || bytes[13] % 16 == 0 || bytes[13] / 16 == 0 || bytes[13] / 16 == 3) {
		PROVE(p->src.family == AF_UNSPEC && p->dst.family == AF_UNSPEC);
		REACH("no address");
	} else if (bytes[13] / 16 == 1) {
		PROVE(p->src.family == AF_INET && p->dst.family == AF_INET && p->len >= 16 + 12);
		prove_address(&p->src, block, block + 8);
		prove_address(&p->dst, block + 4, block + 10);
		REACH("IPv4");
	} else {
		PROVE(p->src.family == AF_INET6 && p->dst.family == AF_INET6 && p->len >= 16 + 36);
		prove_address(&p->src, block, block + 32);
		prove_address(&p->dst, block + 16, block + 34);
		REACH("IPv6");
	}
}

/* More is asked for only if a longer prefix is possible. */
static void prove_more(const uint8_t *bytes, size_t n)
{
	if (begins(bytes, n, v1_start, 6)) {
		PROVE(n < PROXY_V1_BYTES_MAX);
		if (n == PROXY_V1_BYTES_MAX - 1)
			REACH("all but one byte of a line");
	} else if (n >= 16) {
		PROVE(n < 16u + bytes[14] * 256u + bytes[15]);
		PROVE(16u + bytes[14] * 256u + bytes[15] <= PROXY_V2_BYTES_MAX);
		REACH("a part of a block");
	}
}

static void prove_done(const struct proxy_prefix *p, const uint8_t *bytes, size_t n)
{
	PROVE(p->len && p->len <= n);
	PROVE(p->reason == KEDGE_REASON_NONE);
	PROVE((p->src.family == AF_UNSPEC) == (p->dst.family == AF_UNSPEC));
	if (p->version == 1) {
		PROVE(!p->tlvs && !p->tlvs_len);
		PROVE(begins(bytes, n, v1_start, 6) && p->len <= PROXY_V1_BYTES_MAX);
		PROVE(bytes[p->len - 2] == '\r' && bytes[p->len - 1] == '\n');
		if (p->len == PROXY_V1_BYTES_MAX)
			REACH("the longest line");
		return;
	}
	PROVE(p->version == 2 && begins(bytes, n, v2_signature, 12));
	PROVE(p->len == 16u + bytes[14] * 256u + bytes[15] && p->len <= PROXY_V2_BYTES_MAX);
	prove_addresses(p, bytes);
	PROVE(p->tlvs ? p->tlvs + p->tlvs_len == bytes + p->len : !p->tlvs_len);
	if (p->tlvs)
		REACH("TLVs");
}

void prove_proxy_parse(void)
{
	struct proxy_prefix p;
	enum proxy_verdict verdict;
	size_t n;
	uint8_t *bytes = any_bytes(n);

	p.version = 77;
	verdict = proxy_parse(&p, bytes, n);
	PROVE(verdict <= PROXY_BAD);
	PROVE((p.version != 77) == (verdict == PROXY_DONE || verdict == PROXY_BAD));
	if (verdict == PROXY_MORE)
		prove_more(bytes, n);
	else if (verdict == PROXY_DONE)
		prove_done(&p, bytes, n);
	else if (verdict == PROXY_BAD)
		PROVE(p.reason == KEDGE_REASON_prefix_bad || p.reason == KEDGE_REASON_prefix_crc ||
		      p.reason == KEDGE_REASON_prefix_too_long);
	if (verdict == PROXY_BAD && p.version == 1 && p.reason == KEDGE_REASON_prefix_too_long)
		REACH("a line that is too long");
	if (verdict == PROXY_NONE)
		REACH("no prefix");
}

/* Of a piece, and of any longer one. */
void prove_proxy_parse_stays(void)
{
	struct proxy_prefix first, second;
	enum proxy_verdict before, after;
	size_t n, less;
	uint8_t *bytes = any_bytes(n);

	INPUT(less);
	ASSUME(less <= n);
	before = proxy_parse(&first, bytes, less);
	after = proxy_parse(&second, bytes, n);
	if (before == PROXY_MORE) {
		if (after == PROXY_BAD)
			REACH("it is refused later");
		return;
	}
	PROVE(after == before);
	if (before == PROXY_NONE)
		return;
	PROVE(first.version == second.version && first.reason == second.reason);
	if (before == PROXY_BAD) {
		REACH("it stays refused");
		return;
	}
	PROVE(first.len == second.len && first.local == second.local);
	PROVE(first.src.family == second.src.family && first.tlvs == second.tlvs);
	PROVE(first.tlvs_len == second.tlvs_len && first.crc_present == second.crc_present);
	if (less < n)
		REACH("it stays done");
}

/* What is a prefix also begins like one, if it is long enough. */
void prove_proxy_begins(void)
{
	struct proxy_prefix p;
	enum proxy_verdict verdict;
	size_t n;
	uint8_t *bytes = any_bytes(n);
	bool yes = proxy_begins(bytes, n);

	PROVE(!yes || n >= PROXY_BEGIN_V2_BYTES_MIN);
	if (n < PROXY_BEGIN_BYTES)
		return;
	PROVE(yes || !begins(bytes, n, v2_signature, 12));
	PROVE(!yes || begins(bytes, n, v1_start, 6) || begins(bytes, n, v2_signature, 12));
	if (!yes && bytes[0] == 'P')
		REACH("a method");
	if (yes && bytes[0] == 'P')
		REACH("a line");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer on user/http/proxy_proto.c. Beside memory errors it looks for contradictions: a verdict
 * that changes with a shorter or longer input, a prefix longer than the input, a TLV walk that does
 * not end at the right place, an address line that is not printed as it came.
 *
 * To run it alone, from the top of the tree:
 *
 *   make build/fuzz/fuzz_proxy && mkdir -p build/corpus-proxy
 *   build/fuzz/fuzz_proxy -max_len=4400 -max_total_time=120 build/corpus-proxy tests/corpus/proxy
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/proxy_proto.h"
#include "invariant.h"
#include "mutate_proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);

/* A copy of its own for each length: the sanitizer sees a read one byte past it. */
static enum proxy_verdict parse_copy(struct proxy_prefix *out, const uint8_t *bytes, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	enum proxy_verdict verdict;

	INVARIANT(copy);
	if (n)
		memcpy(copy, bytes, n);
	memset(out, 0xaa, sizeof(*out));
	verdict = proxy_parse(out, copy, n);
	out->tlvs = NULL; /* points into the copy */
	free(copy);
	return verdict;
}

static void check_bad(const struct proxy_prefix *p)
{
	INVARIANT(p->reason == KEDGE_REASON_prefix_bad || p->reason == KEDGE_REASON_prefix_crc ||
		  p->reason == KEDGE_REASON_prefix_too_long);
	INVARIANT(p->reason != KEDGE_REASON_prefix_crc || p->version == 2);
}

static void check_tlvs(const struct proxy_prefix *p, const uint8_t *bytes)
{
	size_t pos = 0, sum = 0, crcs = 0;
	struct proxy_tlv tlv;

	INVARIANT(!p->tlvs == !p->tlvs_len);
	if (p->tlvs)
		INVARIANT(p->tlvs >= bytes + 16 && p->tlvs + p->tlvs_len == bytes + p->len);
	while (proxy_next_tlv(p, &pos, &tlv)) {
		INVARIANT(tlv.value + tlv.len <= p->tlvs + p->tlvs_len);
		crcs += tlv.type == 3;
		sum += 3u + tlv.len;
		INVARIANT(pos == sum);
	}
	INVARIANT(pos == p->tlvs_len);
	INVARIANT(crcs == p->crc_present);
}

/* IPv4 has one spelling only, so that the line must be the one that we would have written. */
static void check_tcp4_line(const struct proxy_prefix *p, const uint8_t *bytes)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], line[PROXY_V1_BYTES_MAX + 1];
	int len;

	addr_format_ip(src, &p->src);
	addr_format_ip(dst, &p->dst);
	len = snprintf(line, sizeof(line), "PROXY TCP4 %s %s %u %u\r\n", src, dst,
		       addr_port(&p->src), addr_port(&p->dst));
	INVARIANT((size_t)len == p->len && !memcmp(line, bytes, p->len));
}

static void check_done(const struct proxy_prefix *p, const uint8_t *bytes, size_t n)
{
	INVARIANT(p->len <= n);
	INVARIANT(p->version == 1 || p->version == 2);
	INVARIANT(p->len <= (p->version == 1 ? PROXY_V1_BYTES_MAX : PROXY_V2_BYTES_MAX));
	INVARIANT(p->src.family == p->dst.family ||
		  (p->version == 1 && p->src.family != AF_UNSPEC &&
		   (p->dst.family == AF_INET || p->dst.family == AF_INET6)));
	INVARIANT(p->src.family == AF_INET || p->src.family == AF_INET6 ||
		  p->src.family == AF_UNSPEC);
	INVARIANT(!p->local || (p->src.family == AF_UNSPEC && !p->tlvs && !p->crc_present));
	INVARIANT(p->reason == KEDGE_REASON_NONE);
	check_tlvs(p, bytes);
	INVARIANT(proxy_begins(bytes, n));
	if (p->version == 1) {
		INVARIANT(!memcmp(bytes + p->len - 2, "\r\n", 2));
		INVARIANT(p->local == (p->src.family == AF_UNSPEC));
	}
	if (p->version == 1 && p->src.family == AF_INET && p->dst.family == AF_INET)
		check_tcp4_line(p, bytes);
}

/* Every shorter input says MORE, or what the longer one says: the same bytes, the same prefix. */
static void check_shorter(const struct proxy_prefix *whole, enum proxy_verdict verdict,
			  const uint8_t *bytes, size_t n)
{
	bool is_settled = false;

	for (size_t k = 0; k < n; k++) {
		struct proxy_prefix p;
		enum proxy_verdict v;

		/* Long inputs are long TLVs: some lengths are enough. */
		if (k > 300 && k + 32 < n && k % 61)
			continue;
		v = parse_copy(&p, bytes, k);
		INVARIANT(v != PROXY_MORE || !is_settled);
		if (v == PROXY_MORE)
			continue;
		is_settled = true;
		INVARIANT(v == verdict);
		INVARIANT(v != PROXY_DONE || (p.len == whole->len && k >= p.len));
		INVARIANT(v != PROXY_BAD || p.reason == whole->reason);
	}
	/* MORE ends: at the length of a v2 prefix, or of the longest line. */
	INVARIANT(verdict != PROXY_MORE || n < PROXY_V2_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	enum proxy_verdict verdict;
	struct proxy_prefix p;

	memset(&p, 0xaa, sizeof(p));
	verdict = proxy_parse(&p, bytes, n);
	if (verdict == PROXY_DONE)
		check_done(&p, bytes, n);
	if (verdict == PROXY_BAD)
		check_bad(&p);
	check_shorter(&p, verdict, bytes, n);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	return mutate_proxy(data, n, max, seed);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run: proxy_tlv short
 * Run: proxy_crc short --unwind 9
 *
 * proxy_next_tlv() with every space for TLVs that a prefix may have, and every place in it: it
 * reads nothing outside, what it finds is inside, and it goes on by at least three bytes. So a walk
 * ends. Complete: no loop.
 *
 * crc32c_update() from any state: each byte is eight steps of the polynomial, and two bytes are
 * one after the other. Complete for up to two bytes.
 */
#include <stdlib.h>

#include "prove.h"

#include "base/crc32c.c"
#include "http/proxy_proto.c"

void prove_proxy_tlv(void)
{
	struct proxy_prefix p;
	struct proxy_tlv tlv;
	size_t pos, before;
	uint8_t *tlvs;

	ASSUME(p.tlvs_len <= PROXY_V2_BYTES_MAX);
	tlvs = malloc(p.tlvs_len);
	ASSUME(tlvs);
	p.tlvs = tlvs;
	INPUT(p.tlvs_len);
	INPUT(pos);
	before = pos;
	if (!proxy_next_tlv(&p, &pos, &tlv)) {
		PROVE(pos == before);
		REACH("none is left");
		return;
	}
	PROVE(pos > before + 2 && pos <= p.tlvs_len);
	PROVE(tlv.value == tlvs + before + 3 && tlv.len == pos - before - 3);
	PROVE(!tlv.len || __CPROVER_r_ok(tlv.value, tlv.len));
	if (pos == p.tlvs_len)
		REACH("the last one");
}

void prove_proxy_crc(void)
{
	uint32_t crc, want, after;
	size_t n;
	uint8_t *bytes;

	INPUT(crc);
	INPUT(n);
	ASSUME(n <= 2);
	bytes = malloc(n);
	ASSUME(bytes);
	after = crc32c_update(crc, bytes, n);
	if (n == 0) {
		PROVE(after == crc);
		return;
	}
	if (n == 2) {
		PROVE(after == crc32c_update(crc32c_update(crc, bytes, 1), bytes + 1, 1));
		REACH("two bytes");
		return;
	}
	want = crc ^ bytes[0];
	for (unsigned bit = 0; bit < 8; bit++)
		want = want & 1 ? want >> 1 ^ 0x82f63b78 : want >> 1;
	PROVE(after == want);
	REACH("one byte");
}

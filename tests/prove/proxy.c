/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run: proxy_tlv short
 *
 * proxy_next_tlv() with every space for TLVs that a prefix may have, and every place in it: it
 * reads nothing outside, what it finds is inside, and it goes on by at least three bytes. So a walk
 * ends. Complete: no loop.
 */
#include <stdlib.h>

#include "prove.h"

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

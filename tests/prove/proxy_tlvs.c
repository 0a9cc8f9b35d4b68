/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run: proxy_tlvs long --unwind 6
 * Instead: proxy_next_tlv:any_next
 * Instead: crc32c_update:any_crc
 *
 * check_tlvs() of any prefix: it reads nothing outside; a prefix is right only if the walk has come
 * to its end; the checksum is that of the whole prefix with its own field taken as 0; two
 * checksums, or one of another size, are refused. It says what proxy_parse.c takes for granted.
 *
 * In place of proxy_next_tlv() comes any answer that proxy_tlv.c proves of it, and it may leave out
 * any number of TLVs. So it is complete for walks in which no more than four TLVs change
 * anything, and all but those of a checksum change nothing. In place of crc32c_update() comes any
 * number; proxy_tlv.c has the rest.
 */
#include <stdlib.h>

#include "prove.h"

#include "base/crc32c.c"
#include "http/proxy_proto.c"

static unsigned seen, checksums;
static bool odd;    /* a checksum has not four bytes */
static bool walked; /* to the very end */
static const uint8_t *field;

bool any_next(const struct proxy_prefix *p, size_t *pos, struct proxy_tlv *out)
{
	struct proxy_tlv any;
	size_t at;

	PROVE(*pos <= p->tlvs_len);
	ASSUME(at >= *pos && at <= p->tlvs_len);
	if (seen == 4 || p->tlvs_len - at < TLV_FIXED_BYTES ||
	    p->tlvs_len - at - TLV_FIXED_BYTES < any.len) {
		*pos = at;
		walked = at == p->tlvs_len;
		return false;
	}
	seen++;
	any.value = p->tlvs + at + TLV_FIXED_BYTES;
	*pos = at + TLV_FIXED_BYTES + any.len;
	*out = any;
	if (any.type == 3) {
		checksums++;
		odd |= any.len != 4;
		field = any.value;
	}
	return true;
}

/* The pieces of the checksum: each begins where the one before ended. */
static unsigned pieces;
static size_t summed;
static const uint8_t *start;
static uint32_t sum;

uint32_t any_crc(uint32_t crc, const uint8_t *bytes, size_t n)
{
	uint32_t any;

	PROVE(!n || __CPROVER_r_ok(bytes, n));
	PROVE(crc == (pieces ? sum : 0xffffffff));
	if (pieces == 1)
		PROVE(n == 4 && !bytes[0] && !bytes[1] && !bytes[2] && !bytes[3]);
	else
		PROVE(bytes == start + summed);
	summed += n;
	pieces++;
	sum = any;
	return any;
}

void prove_proxy_tlvs(void)
{
	struct proxy_prefix p;
	enum kedge_reason reason;
	uint8_t *prefix;
	size_t len = p.len;

	INPUT(p.len);
	INPUT(p.tlvs_len);
	ASSUME(p.len <= PROXY_V2_BYTES_MAX && p.len >= V2_FIXED_BYTES);
	ASSUME(p.tlvs_len <= p.len - V2_FIXED_BYTES);
	prefix = malloc(p.len);
	ASSUME(prefix);
	p.tlvs = p.tlvs_len ? prefix + p.len - p.tlvs_len : NULL;
	p.crc_present = false;
	start = prefix;
	reason = check_tlvs(&p, prefix);
	PROVE(p.len == len);
	PROVE(reason == KEDGE_REASON_NONE || reason == KEDGE_REASON_prefix_bad ||
	      reason == KEDGE_REASON_prefix_crc);
	if (reason == KEDGE_REASON_prefix_bad) {
		PROVE(odd || checksums > 1 || !walked);
		REACH("refused");
		return;
	}
	PROVE(walked && !odd && checksums <= 1);
	PROVE(p.crc_present == (checksums == 1));
	if (!p.crc_present) {
		PROVE(reason == KEDGE_REASON_NONE && !pieces);
		REACH("without a checksum");
		return;
	}
	PROVE(pieces == 3 && summed == p.len);
	PROVE((reason == KEDGE_REASON_NONE) == (~sum == get_u32(field)));
	if (seen == 4)
		REACH("a checksum among other TLVs");
}

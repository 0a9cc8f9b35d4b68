/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: PROXY protocol versions 1 and 2, all commands and families ("proxy-protocol.txt",
 * sections 2.1 and 2.2). Pure: bytes in, verdict out. It knows nothing about sockets. The caller
 * decides who may send a prefix.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "kedge/abi.h"

/* Section 2.1: the longest line with CRLF. */
#define PROXY_V1_BYTES_MAX 107
/* A v2 prefix may have 16 + 65535 bytes, but real ones have only a few TLVs. */
#define PROXY_V2_BYTES_MAX 4096

enum proxy_verdict {
	PROXY_MORE, /* could still become a prefix: call again from the same start, with more */
	PROXY_DONE, /* out is filled in; out->len bytes belong to the prefix */
	PROXY_NONE, /* these bytes are no prefix and cannot become one */
	PROXY_BAD,  /* a prefix, but malformed: out->reason */
};

struct proxy_prefix {
	size_t len;      /* bytes of the prefix */
	uint8_t version; /* 1 or 2 */
	bool local;      /* v2 LOCAL or v1 UNKNOWN: the connection's own addresses count */
	union addr src;  /* the client; AF_UNSPEC if the prefix has no usable IP address */
	union addr dst;  /* the client connected to this; in v1 its family may differ from src */
	const uint8_t *tlvs; /* v2, into the input; NULL if there are none or they are not found */
	size_t tlvs_len;
	bool crc_present; /* v2 PP2_TYPE_CRC32C was there (and right, else the verdict is BAD) */
	enum kedge_reason reason; /* BAD only: prefix_bad, prefix_crc or prefix_too_long */
};

/*
 * Reads a prefix from bytes[0..n). `out` is untouched unless the verdict is DONE or BAD. The
 * verdict comes with the first byte that decides it, and stays the same for every longer input.
 *
 * The specification leaves these choices to us:
 * - LOCAL, or UNSPEC as family or transport: the block is skipped, TLVs and checksum included,
 *   since the end of an unspecified address is unknown.
 * - UNIX: no usable IP address; TLVs and checksum are read.
 * - DGRAM: the addresses are taken as with STREAM.
 * - ::ffff:a.b.c.d stays IPv6 in src and dst (and prints as IPv4).
 * - v1 with two families: the line names the family of the source, and the destination may have the
 *   other one. nginx sends this if it learned the client's address from another proxy.
 * - Two checksums: BAD. Of PP2_TYPE_SSL only the outer length is checked.
 */
enum proxy_verdict proxy_parse(struct proxy_prefix *out, const uint8_t *bytes, size_t n);

/* What proxy_parse() has made of bytes[0..n). See base/check.h. */
void proxy_check(const struct proxy_prefix *p, enum proxy_verdict verdict, const uint8_t *bytes,
		 size_t n);

/*
 * Do these first bytes of a connection look like a prefix? For listeners that expect none. The
 * answer may be yes from PROXY_BEGIN_BYTES_MIN bytes on, for version 2 from
 * PROXY_BEGIN_V2_BYTES_MIN on: a request has at most one empty line before it, and no CR after
 * that. PROXY_BEGIN_BYTES are enough for every answer.
 */
#define PROXY_BEGIN_BYTES        12
#define PROXY_BEGIN_BYTES_MIN    5
#define PROXY_BEGIN_V2_BYTES_MIN 3
bool proxy_begins(const uint8_t *bytes, size_t n);

struct proxy_tlv {
	uint8_t type;
	uint16_t len;
	const uint8_t *value;
};

/* Walks the TLVs of a DONE prefix. *pos starts at 0. False when none is left. */
bool proxy_next_tlv(const struct proxy_prefix *p, size_t *pos, struct proxy_tlv *out);

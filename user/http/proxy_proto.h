/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: PROXY protocol versions 1 and 2, all commands and families (the protocol's
 * specification, "proxy-protocol.txt", sections 2.1 and 2.2). Pure: bytes in, verdict out. Knows
 * nothing of sockets; who may send a prefix is decided by the caller (conn.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "kedge/abi.h"

/* Section 2.1: the longest line with CRLF. */
#define PROXY_V1_BYTES_MAX 107
/* A v2 prefix may have 16 + 65535 bytes; nobody sends more than a few TLVs. */
#define PROXY_V2_BYTES_MAX 4096

enum proxy_verdict {
	PROXY_MORE, /* could still become a prefix: call again with more bytes from the same start
		     */
	PROXY_DONE, /* out is filled in, out->len bytes belong to the prefix */
	PROXY_NONE, /* these bytes are no prefix and can not become one */
	PROXY_BAD,  /* a prefix, but malformed: out->reason */
};

struct proxy_prefix {
	size_t len;      /* bytes of the prefix */
	uint8_t version; /* 1 or 2 */
	bool local;      /* v2 LOCAL or v1 UNKNOWN: the connection's own addresses are the truth */
	union addr src;  /* the client; AF_UNSPEC where the prefix has no usable IP address */
	union addr
		dst; /* where the client connected to; in v1 it may be of another family than src */
	const uint8_t *tlvs; /* v2, into the input; NULL if none, or not to be found */
	size_t tlvs_len;
	bool crc_present; /* v2 PP2_TYPE_CRC32C was there (and right, else the verdict is BAD) */
	enum kedge_reason reason; /* BAD only: prefix_bad, prefix_crc or prefix_too_long */
};

/*
 * Reads a prefix from bytes[0..n). `out` is untouched unless the verdict is DONE or BAD. A verdict
 * other than MORE comes with the first byte that settles it and is the same for every longer input.
 *
 * Where the specification leaves a choice:
 * - LOCAL, or UNSPEC as family or transport: the block is skipped unread, TLVs and checksum too,
 *   since nobody knows where an unspecified address ends.
 * - UNIX: no usable IP address; TLVs and checksum are read.
 * - DGRAM: the addresses are taken as with STREAM.
 * - ::ffff:a.b.c.d stays IPv6 in src and dst (and prints as IPv4).
 * - v1, two families: the source is of the one that the line names, the destination may be of the
 *   other. A proxy that has learnt the client's address itself sends this, nginx for one.
 * - Two checksums: BAD. Of PP2_TYPE_SSL only the outer length is checked.
 */
enum proxy_verdict proxy_parse(struct proxy_prefix *out, const uint8_t *bytes, size_t n);

/*
 * Do these first bytes of a connection begin a prefix, where none is read? From
 * PROXY_BEGIN_BYTES_MIN bytes on it can be told, of version 2 earlier: before a request comes at
 * most one empty line, and then no CR. PROXY_BEGIN_BYTES are enough for any answer.
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

/* Walks the TLVs of a DONE prefix: *pos starts at 0; false when there is none left. */
bool proxy_next_tlv(const struct proxy_prefix *p, size_t *pos, struct proxy_tlv *out);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: writes PROXY protocol headers, for an application that is told its client this way
 * ("proxy-protocol.txt", sections 2.1 and 2.2). Pure: facts in, bytes out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "http/proxy_proto.h"

/*
 * No header is longer than this: it is what kedge and nginx read at most. All that kedge says by
 * itself takes less than half of it. The rest is for TLVs that are passed on.
 */
#define PROXY_WRITE_BYTES_MAX PROXY_V2_BYTES_MAX

/* Bytes that need not be text; `at` NULL: not there. All are borrowed. */
struct proxy_value {
	const void *at;
	size_t len;
};

/* The client's TLS. Strings are US-ASCII; NULL: not known, and not said. */
struct proxy_tls {
	const char *version; /* "TLSv1.3" */
	const char *cipher;  /* OpenSSL's name of it: "ECDHE-RSA-AES128-GCM-SHA256" */
	const char *sig_alg; /* that signed the server's certificate: "RSA-SHA256" */
	const char *key_alg; /* of the key of that certificate: "RSA2048" */
	const char *cn;      /* of the client's certificate */
	bool cert_conn;      /* the client showed a certificate on this connection */
	bool cert_sess;      /* it did in this session: CERT_CONN, or it was resumed */
	bool verified;       /* with one of these: the certificate is good */
};

struct proxy_facts {
	/* The connection is kedge's own: nobody is behind it (LOCAL; UNKNOWN in version 1). */
	bool local;
	/*
	 * The client, and what it connected to. Two IPv4 addresses, also v4-mapped ones, are
	 * written as IPv4; two others as IPv6, an IPv4 one among them v4-mapped; two of the unix
	 * family as such in version 2. Any other pair, one with AF_UNSPEC among them, is a client
	 * that nobody knows: UNKNOWN, or UNSPEC with the command PROXY.
	 */
	const union addr *src, *dst;
	/* Only in version 2, and only if they are there. An empty value is written, too. */
	struct proxy_value alpn;
	struct proxy_value authority; /* the SNI */
	struct proxy_value unique_id; /* of at most PROXY_UNIQUE_ID_MAX bytes */
	const struct proxy_tls *tls;  /* NULL: the client uses no TLS, or that is not said */
	/*
	 * TLVs to pass on, as they came: the client's prefix, or NULL. Left out are NOOP, CRC32C
	 * and SSL, which are about the connection before kedge, and those of a type that is written
	 * here anyway.
	 */
	const struct proxy_prefix *pass;
	bool crc32c; /* the last TLV is a checksum of the whole header */
};

#define PROXY_UNIQUE_ID_MAX 128

/*
 * Writes a header of version 1 or 2 to buf. Returns its length; or -ENOSPC if it does not fit in
 * `size` bytes or in PROXY_WRITE_BYTES_MAX. Then nothing may be sent: a header is never cut, and no
 * TLV is left out to make it fit. buf[0..size) is undefined after an error. A line of version 1
 * fits in PROXY_V1_BYTES_MAX bytes.
 */
ssize_t proxy_write_v1(uint8_t *buf, size_t size, const struct proxy_facts *facts);
ssize_t proxy_write_v2(uint8_t *buf, size_t size, const struct proxy_facts *facts);

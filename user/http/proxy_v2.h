/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy_*.c only: the numbers of version 2 of the PROXY protocol ("proxy-protocol.txt", section
 * 2.2). Numbers of several bytes are in network byte order.
 */
#pragma once

#define V2_SIGNATURE                                                            \
	{                                                                       \
		'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n' \
	}

/* Sizes of the fixed part, of the address blocks, and of a TLV's type and length. */
enum {
	V2_SIGNATURE_BYTES = 12,
	V2_FIXED_BYTES = 16,
	V2_INET_BYTES = 12,
	V2_INET6_BYTES = 36,
	V2_UNIX_BYTES = 216,
	TLV_FIXED_BYTES = 3,
};

/* The low half of the byte behind the signature. The high half is the version. */
enum { COMMAND_LOCAL = 0, COMMAND_PROXY = 1 };

/* The halves of the next byte, high and low. */
enum { FAMILY_UNSPEC = 0, FAMILY_INET, FAMILY_INET6, FAMILY_UNIX };

enum { TRANSPORT_UNSPEC = 0, TRANSPORT_STREAM, TRANSPORT_DGRAM };

/* Sections 2.2.1 to 2.2.7 */
enum {
	TLV_ALPN = 0x01,
	TLV_AUTHORITY = 0x02,
	TLV_CRC32C = 0x03,
	TLV_NOOP = 0x04,
	TLV_UNIQUE_ID = 0x05,
	TLV_SSL = 0x20,
};

/* Within TLV_SSL, behind a byte of these bits and four bytes of verify. */
enum { CLIENT_SSL = 0x01, CLIENT_CERT_CONN = 0x02, CLIENT_CERT_SESS = 0x04 };

enum {
	TLV_SSL_VERSION = 0x21,
	TLV_SSL_CN = 0x22,
	TLV_SSL_CIPHER = 0x23,
	TLV_SSL_SIG_ALG = 0x24,
	TLV_SSL_KEY_ALG = 0x25,
};

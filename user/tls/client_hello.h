/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what a client says of itself in the extensions of its hello. Pure. OpenSSL reads the
 * same extensions later, and refuses what is not well-formed: these refuse all that it does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A part of the hello; borrowed. */
struct hello_part {
	const uint8_t *bytes;
	size_t len;
};

#define HELLO_NAME_MAX 255 /* RFC 6066 gives no limit; OpenSSL has this one */

enum hello_fault {
	HELLO_FINE,
	HELLO_MALFORMED, /* decode_error */
	HELLO_NO_NAME,   /* unrecognized_name: too long to be a host, or with a NUL in it */
};

/*
 * The name in the body of server_name (RFC 6066 section 3): one, of type host_name. It may be
 * empty, and is not checked further.
 */
enum hello_fault hello_read_name(struct hello_part *out, const uint8_t *body, size_t len);

/*
 * The highest version in the body of supported_versions (RFC 8446 section 4.2.1) that this file
 * knows, at most TLS 1.3: others are GREASE (RFC 8701) or yet to come. 0: none, or malformed.
 */
uint16_t hello_highest_version(const uint8_t *body, size_t len);

/*
 * The list in the body of application_layer_protocol_negotiation (RFC 7301 section 3.1), in wire
 * form: at least one protocol, none of them empty.
 */
enum hello_fault hello_read_protocols(struct hello_part *out, const uint8_t *body, size_t len);

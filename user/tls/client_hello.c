/* SPDX-License-Identifier: BSD-2-Clause */
/* Extensions of a ClientHello. See client_hello.h. */
#include "tls/client_hello.h"

#include <string.h>

#define NAME_TYPE_HOST 0
#define VERSION_MAX    0x0304 /* TLS 1.3 */

/* What is behind a length of two bytes, if that is all there is. */
static bool whole(struct hello_part *out, const uint8_t *bytes, size_t len)
{
	if (len < 2 || ((size_t)bytes[0] << 8 | bytes[1]) != len - 2)
		return false;
	*out = (struct hello_part){.bytes = bytes + 2, .len = len - 2};
	return true;
}

enum hello_fault hello_read_name(struct hello_part *out, const uint8_t *body, size_t len)
{
	struct hello_part list, name;

	if (!whole(&list, body, len) || !list.len || list.bytes[0] != NAME_TYPE_HOST ||
	    !whole(&name, list.bytes + 1, list.len - 1))
		return HELLO_MALFORMED;
	if (name.len > HELLO_NAME_MAX || memchr(name.bytes, '\0', name.len))
		return HELLO_NO_NAME;
	*out = name;
	return HELLO_FINE;
}

uint16_t hello_highest_version(const uint8_t *body, size_t len)
{
	uint16_t highest = 0;

	if (!len || body[0] != len - 1 || body[0] % 2)
		return 0;
	for (size_t at = 1; at < len; at += 2) {
		uint16_t version = (uint16_t)(body[at] << 8 | body[at + 1]);

		if (version <= VERSION_MAX && version > highest)
			highest = version;
	}
	return highest;
}

enum hello_fault hello_read_protocols(struct hello_part *out, const uint8_t *body, size_t len)
{
	struct hello_part list;

	if (!whole(&list, body, len) || !list.len)
		return HELLO_MALFORMED;
	for (size_t at = 0, size; at < list.len; at += size) {
		size = 1u + list.bytes[at];
		if (size == 1 || size > list.len - at)
			return HELLO_MALFORMED;
	}
	*out = list;
	return HELLO_FINE;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Text from a stranger. See printable.h. */
#include "base/printable.h"

#include <stdio.h>

#define ESCAPE_LEN 4

char *printable(char *buf, size_t size, const char *text)
{
	size_t len = 0;

	for (; *text && len + ESCAPE_LEN < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			buf[len++] = (char)c;
		else
			len += (size_t)snprintf(buf + len, size - len, "\\x%02X", c);
	}
	buf[len] = '\0';
	return buf;
}

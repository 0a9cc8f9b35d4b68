/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of hosts. See host_name.h. */
#include "base/host_name.h"

#include <string.h>

#define LABEL_BYTES_MAX 63

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_label_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
	       c == '_';
}

static bool label_valid(const char *label, size_t n)
{
	if (n == 0 || n > LABEL_BYTES_MAX || label[0] == '-' || label[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_label_char(label[i]))
			return false;
	return true;
}

/* As inet_aton(3) reads them. */
static bool is_number(const char *label, size_t n)
{
	bool hex = n > 1 && label[0] == '0' && (label[1] | 0x20) == 'x';

	for (size_t i = hex ? 2 : 0; i < n; i++) {
		char c = label[i] | 0x20;

		if (!is_digit(label[i]) && !(hex && c >= 'a' && c <= 'f'))
			return false;
	}
	return true;
}

bool host_name_valid(const char *text, size_t n)
{
	size_t at = 0, last = 0;

	if (n > 1 && text[n - 1] == '.')
		n--;
	if (n == 0 || n > HOST_NAME_BYTES_MAX)
		return false;
	while (at <= n) {
		const char *dot = memchr(text + at, '.', n - at);
		size_t len = dot ? (size_t)(dot - text) - at : n - at;

		if (!label_valid(text + at, len))
			return false;
		last = at;
		at += len + 1;
	}
	return !is_number(text + last, n - last);
}

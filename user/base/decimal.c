/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/decimal.h"

bool decimal_parse(const char *text, size_t len, uint64_t max, uint64_t *out)
{
	const uint64_t limit = max / 10;
	uint64_t value = 0;

	if (!len)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned char)text[i] - (unsigned)'0';

		if (digit > 9 || value > limit || digit > max - value * 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

bool decimal_parse_plain(const char *text, size_t len, uint64_t max, uint64_t *out)
{
	bool padded = len > 1 && text[0] == '0';

	return !padded && decimal_parse(text, len, max, out);
}

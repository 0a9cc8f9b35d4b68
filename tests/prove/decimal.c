/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run: decimal short --unwind 8
 *
 * decimal_parse_plain() of a port, as proxy_proto.c and others call it: any text of up to 7 bytes,
 * and no number above 65535. It reads nothing outside; nothing but digits is a number, and the
 * number is that of its digits. Complete for these: a longer text has too many digits.
 */
#include <stdlib.h>

#include "prove.h"

#include "base/decimal.c"

void prove_decimal(void)
{
	uint64_t value = 77777;
	uint32_t want = 0;
	size_t len;
	char *text;

	INPUT(len);
	ASSUME(len <= 7);
	text = malloc(len);
	ASSUME(text);
	if (!decimal_parse_plain(text, len, UINT16_MAX, &value)) {
		PROVE(value == 77777);
		REACH("no number");
		return;
	}
	PROVE(len && len <= 5 && value <= UINT16_MAX);
	PROVE(len == 1 || text[0] != '0');
	for (size_t i = 0; i < len; i++) {
		PROVE(text[i] >= '0' && text[i] <= '9');
		want = want * 10 + (uint32_t)(text[i] - '0');
	}
	PROVE(value == want);
	if (value == UINT16_MAX)
		REACH("the greatest number");
}

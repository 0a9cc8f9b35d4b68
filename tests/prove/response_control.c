/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run: response_control short --unwind 18
 *
 * has_control() of response.c, which looks through lines in words: any bytes, up to 17 of them. It
 * reads nothing outside, and finds a control character if and only if there is one. Complete for
 * these: two words and the byte behind them.
 */
#include <stdlib.h>

#include "prove.h"

#include "http/response.c"

void prove_response_control(void)
{
	bool has = false;
	size_t len;
	char *text;

	INPUT(len);
	ASSUME(len <= 17);
	text = malloc(len);
	ASSUME(text);
	for (size_t i = 0; i < len; i++)
		has |= (unsigned char)text[i] < ' ';
	PROVE(has_control(text, len) == has);
	if (has)
		REACH("there is one");
	else
		REACH("there is none");
}

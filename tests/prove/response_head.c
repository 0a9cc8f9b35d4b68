/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run: response_status short --unwind 14
 *
 * response_head_status() with the beginning of every status line: it says what response.c takes for
 * granted of it. Complete.
 */
#include <stdlib.h>

#include "prove.h"

#include "http/response_head.c"

void prove_response_status(void)
{
	unsigned status;
	size_t len;
	char *line;

	INPUT(len);
	ASSUME(len <= RESPONSE_STATUS_LEN);
	line = malloc(len);
	ASSUME(line);
	status = response_head_status(line, len);
	PROVE(!status ||
	      (len < RESPONSE_STATUS_LEN ? status == 1 : status >= 100 && status <= 999));
	if (status == 204)
		REACH("a status");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the responses that kedge makes itself. Pure. */
#pragma once

#include <stddef.h>
#include <time.h>

#include "kedge/abi.h"

#define REPLY_BYTES_MAX 512

enum reply_body {
	REPLY_TEXT, /* a line that says why */
	REPLY_HEAD, /* no body, but its length: the request was a HEAD */
	REPLY_NONE, /* no body: the request is not known */
};

/* A whole HTTP/1.1 response with Connection: close, dated `now`. Returns its length. */
size_t reply_format(char buf[REPLY_BYTES_MAX], enum kedge_reason reason, enum reply_body body,
		    time_t now);

/* The length of the body of such a response. */
size_t reply_body(const char *text, size_t len);

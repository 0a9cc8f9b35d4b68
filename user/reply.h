/* user only: the few responses that kedge makes itself. Pure. */
#pragma once

#include <stddef.h>

#include "kedge/abi.h"

#define REPLY_BYTES_MAX 512

/* HTTP status for a reason, 0 where kedge has nothing to answer. */
unsigned reply_status(enum kedge_reason reason);

/* Name of a reason as in reasons.def, and its text. */
const char *reason_name(enum kedge_reason reason);
const char *reason_text(enum kedge_reason reason);

/* A whole HTTP/1.1 response with Connection: close and a small text body. Returns its length. */
size_t reply_format(char buf[REPLY_BYTES_MAX], enum kedge_reason reason);

/* Bytes of its body. */
size_t reply_body(const char *text, size_t len);

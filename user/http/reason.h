/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what reasons.def says of a reason. A number that is none counts as internal_error. */
#pragma once

#include "base/log.h"
#include "kedge/abi.h"

/* Its name there. */
const char *reason_name(enum kedge_reason reason);
/* What happened, and what the operator can do. */
const char *reason_text(enum kedge_reason reason);
const char *reason_next(enum kedge_reason reason);
/* Of the first line in a minute about it. */
enum log_level reason_level(enum kedge_reason reason);
/* The HTTP status of kedge's answer. 0 if it gives none. */
unsigned reason_status(enum kedge_reason reason);

/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the line in the log about a connection that failed. */
#pragma once

#include "conn/types.h"

/* When the reason is counted, and nothing of the connection is closed yet. */
void conn_why(const struct conn *c, enum kedge_reason reason);

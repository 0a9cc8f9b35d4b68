/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what must hold of a connection and of a worker (types.h). See base/check.h. */
#pragma once

#include "conn/types.h"

/* Between two events. */
void conn_check(const struct conn *c);
void worker_check(const struct worker *w);

/* After an event of c: checks it, and now and then its whole worker. */
void conn_check_event(const struct conn *c);

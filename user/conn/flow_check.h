/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what must hold of a flow (flow.h). See base/check.h. */
#pragma once

#include "conn/flow.h"

/* At any time between two calls of the mover. */
void flow_check(const struct flow *f);

/* Of a joined flow after mover_run() had nothing more to do: it waits for an event. */
void flow_check_waits(const struct flow *f);

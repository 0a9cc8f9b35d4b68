/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_*.c and worker.c only: wakes a worker, from any other thread. */
#pragma once

#include "conn/types.h"

/* It looks at what it was asked for, at the end of a turn. Nothing before its thread is started. */
void worker_wake(struct worker *w);

/*
 * Something is lacking of which there is one for all workers: descriptors, say. All others are
 * asked to close the idle legs of their pools, soon. False: they have none.
 */
bool worker_ask_idle(struct worker *w);

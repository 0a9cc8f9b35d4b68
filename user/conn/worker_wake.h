/* SPDX-License-Identifier: BSD-2-Clause */
/* worker.c and conn_queue.c only: wakes a worker, from any other thread. */
#pragma once

#include "conn/types.h"

/* It looks at what it was asked for, at the end of a turn. Nothing before its thread is started. */
void worker_wake(struct worker *w);

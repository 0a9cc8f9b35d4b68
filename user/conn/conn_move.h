/* SPDX-License-Identifier: BSD-2-Clause */
/* conn.c and conn_late.c only: MOVE: both legs are joined, and the mover moves bytes. */
#pragma once

#include "conn/types.h"
#include "conn/verdict.h"

struct conn_verdict conn_move_enter(struct conn *c);
struct conn_verdict conn_move_run(struct conn *c);

/* SPDX-License-Identifier: BSD-2-Clause */
/* conn.c only: MOVE: one of the deadlines of conn_deadline.h has come. */
#pragma once

#include "conn/types.h"
#include "conn/verdict.h"

struct conn_verdict conn_move_expired(struct conn *c);

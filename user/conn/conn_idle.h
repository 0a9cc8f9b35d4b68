/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn.c only: IDLE: the client leg is ready, and the client has asked for nothing that is not
 * answered. Its flow has no leg, or an early one. A request ends it, with all of its head.
 */
#pragma once

#include <stdbool.h>

#include "conn/types.h"
#include "conn/verdict.h"

/* `parts`: a joined flow gives its leg up. Then the verdict is always to stay. */
struct conn_verdict conn_idle_enter(struct conn *c, bool parts);
struct conn_verdict conn_idle_run(struct conn *c);
struct conn_verdict conn_idle_expired(struct conn *c);
void conn_idle_leave(struct conn *c);

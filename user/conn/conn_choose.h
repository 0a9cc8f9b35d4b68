/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_connect.c only: the leg that a request gets. */
#pragma once

#include "conn/types.h"

/*
 * Gives the connection a leg with a server. NONE; app_none: no server is left; app_queue: they have
 * no room. A fresh leg has no socket, and has counted one more connection of the server. A leg with
 * an editor comes from the pool (leg_pool.h).
 */
enum kedge_reason conn_choose(struct conn *c);

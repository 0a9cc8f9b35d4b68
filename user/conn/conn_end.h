/* SPDX-License-Identifier: BSD-2-Clause */
/* conn.c only: LINGER and CLOSED: the wait for the client's end, and the close. */
#pragma once

#include <stdbool.h>

#include "conn/types.h"
#include "conn/verdict.h"

/* alert: the client's last word is a TLS alert; our direction ends here. */
struct conn_verdict conn_linger_enter(struct conn *c, bool alert);
struct conn_verdict conn_linger_run(struct conn *c);
struct conn_verdict conn_linger_expired(struct conn *c);

/*
 * Closes both legs, as they are or by a reset, and counts the connection as closed. conn_bury()
 * frees it at the end of the turn.
 */
void conn_closed_enter(struct conn *c, bool reset);

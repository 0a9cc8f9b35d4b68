/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn_*.c only: the application's leg: what the kernel does for it, and its close. A reason other
 * than NONE means that the connection is refused for it.
 */
#pragma once

#include <stdbool.h>

#include "conn/types.h"
#include "kedge/http1.h"

/* How the connection's requests are edited. */
void conn_http1_conf(const struct conn *c, struct http1_conf *out);

/* Before a new leg: chooses what the kernel does for it. */
void conn_leg_choose(struct conn *c);
/* Before its connect(2): BPF knows the socket from its first packet on. */
enum kedge_reason conn_leg_register(struct conn *c);
/* It is connected: puts it under BPF, if it was registered. */
enum kedge_reason conn_leg_join(struct conn *c);
/*
 * The kernel does not take the leg, for this errno: user space does its work. False if that is not
 * allowed.
 */
bool conn_leg_lost(struct conn *c, int err);

/*
 * Does the client share its legs with others? Only with those of its own generation: a reload may
 * have changed what a leg is.
 */
bool conn_leg_may_share(const struct conn *c);

/*
 * Between two requests: the leg goes to the pool of its worker (leg_pool.h), if the application is
 * shared and nothing is against it. Otherwise it is closed.
 */
void conn_leg_give_back(struct conn *c);

/*
 * Closes the leg, if there is one, and frees its editor. With `reset`, or within a request, the
 * application does not take what it got for finished.
 */
void conn_leg_close(struct conn *c, bool reset);

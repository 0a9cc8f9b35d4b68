/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the checks of all servers, in one thread. There is no thread while nothing is to be
 * checked. The main thread calls these functions: once at the start, after the privileges are
 * dropped, and at each reload, in two steps like the rest of a reload.
 */
#pragma once

#include "app/servers.h"

struct checks;

/* No thread yet. NULL when out of memory. */
struct checks *checks_new(void);

/*
 * All that can fail on the way to checking the servers of these applications, and no others.
 * Nothing of apps[0..count) is borrowed. 0, or -errno after a logged line. Then, and in place of
 * checks_commit(), checks_cancel() takes it back.
 */
int checks_prepare(struct checks *c, const struct servers *apps, size_t count);

/*
 * From now on these are checked. A server that is checked as before goes on with what was counted.
 * One that is there, but not checked any more, becomes SERVER_UNCHECKED.
 */
void checks_commit(struct checks *c);
void checks_cancel(struct checks *c);

/* Ends the thread, and every check under way. NULL is fine. */
void checks_close(struct checks *c);

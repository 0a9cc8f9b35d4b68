/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the names of servers, looked up again and again (resolve-ms), in a thread of its own:
 * the name service may take as long as it likes, and nobody waits for it. What is found goes to
 * server_set_addr(), for connections from then on. There is no thread until a name has to be looked
 * up. The main thread calls these functions: once at the start, after the privileges are dropped,
 * and at each reload, in two steps like the rest of a reload.
 *
 * I1  A server keeps its address as long as its name has that one, whatever the order.
 * I2  A server keeps its address while its name cannot be looked up, or has none that is of use.
 * I3  What was asked for before a reload says nothing after it.
 */
#pragma once

#include "app/servers.h"

struct names;

/* No thread yet. NULL when out of memory. */
struct names *names_new(void);

/*
 * All that can fail on the way to looking up the names of these applications, and no others.
 * Nothing of apps[0..count) is borrowed. 0, or -errno after a logged line. Then, and in place of
 * names_commit(), names_cancel() takes it back.
 */
int names_prepare(struct names *n, const struct servers *apps, size_t count);

/*
 * From now on these are looked up, for the first time after resolve-ms. They have the addresses
 * that they were configured with, which have just been looked up.
 */
void names_commit(struct names *n);
void names_cancel(struct names *n);

/* Does not wait for the name service: then the thread itself frees what it has. NULL is fine. */
void names_close(struct names *n);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the guard (bpf/guard.bpf.c, docs/guard.md): an XDP program that lets only the
 * balancers connect to listeners that read PROXY prefixes. One per process. Used by the main
 * thread, unless a function allows any thread.
 *
 * guard_open() attaches it to its interfaces. Everything passes until guard_arm() begins its lease.
 * guard_run() renews the lease every second. The guard comes off in one of these ways, the first
 * being the usual one:
 *
 *   guard_close()        asks the keeper (guard_keeper.h), because kedge has no privileges any more
 *   kedge dies           the keeper notices, and does the same
 *   the keeper dies too  the lease ends and everything passes; the next kedge detaches the program
 *
 * With guard-keep the lease never ends and nobody detaches the guard. The next kedge attaches its
 * own guard, puts its rules in force, and then removes the old one.
 *
 * Rules are replaced as a whole (kedge/guard.h): guard_prepare(), then guard_commit() or
 * guard_cancel().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/config.h"
#include "guard/guard_counts.h"
#include "guard/guard_interface.h"
#include "kedge/guard.h"

struct guard;

/*
 * Loads and attaches the guard, forks the keeper, pins the maps, and puts the rules of listeners
 * with a known port in force. Call it with all privileges and before there are threads. 0; or
 * -errno with why[] (object, cause, next step), and nothing is attached.
 */
int guard_open(struct guard **out, const struct conf *conf, char why[256]);

/* Detaches (unless it is kept and was armed), unpins, frees. NULL is fine. */
void guard_close(struct guard *g);

/* The same without freeing, for a daemon that ends with _exit(). NULL is fine. */
void guard_leave(struct guard *g);

/*
 * Prepares the rules of another configuration; ports as for guard_rules_make(). 0; or -errno with
 * why[], and there is nothing to cancel.
 */
int guard_prepare(struct guard *g, const struct conf *conf, const uint16_t *ports, char why[256]);

/* Puts what was prepared in force, with the limits and flags of conf; or drops it. */
void guard_commit(struct guard *g, const struct conf *conf);
void guard_cancel(struct guard *g);

/* For a reload: warns of listeners of conf on interfaces that the guard is not on. */
void guard_warn_uncovered(const struct guard *g, const struct conf *conf);

/* Begins the lease and removes dead guards from the interfaces. Needs all privileges. */
void guard_arm(struct guard *g, const struct conf *conf);

/* For poll(2): milliseconds until guard_run() has something to do, or -1. NULL is fine. */
int guard_wait_ms(const struct guard *g);
void guard_run(struct guard *g);

/* Makes another user the owner of the pins. 0 or -errno. */
int guard_give(struct guard *g, uid_t uid, gid_t gid);

/* Would guard_prepare() be allowed with the capabilities that are effective now? */
bool guard_may_update(struct guard *g);

/* --- what it sees; any thread ----------------------------------------------------------------- */

/* The counters, summed over the cores; all zero if they cannot be read. NULL is fine. */
void guard_stats(const struct guard *g, struct kedge_guard_stats *sum);

/* Fills rows[] with the sources that were refused most, in this order. How many of `max`. */
size_t guard_refused(const struct guard *g, struct guard_refused *rows, size_t max);

/* The interfaces that it is on. */
const struct guard_interface *guard_interfaces(const struct guard *g, size_t *count);

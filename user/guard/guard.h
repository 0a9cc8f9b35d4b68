/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the guard (bpf/guard.bpf.c, docs/guard.md): an XDP program that lets only the
 * balancers connect to listeners that read PROXY prefixes. One a process, by the main thread, but
 * for what is said to be for any.
 *
 * From guard_open() on it is on its interfaces, and everything passes: its lease has not begun.
 * guard_arm() begins it, and guard_run() renews it every second. It is off again, in this order of
 * hope:
 *
 *   guard_close()        asks the keeper (guard_keeper.h), since kedge has no privileges any more
 *   kedge dies           the keeper sees it and does the same
 *   the keeper dies too  the lease ends, everything passes; the next kedge takes the program off
 *
 * With guard-keep the lease never ends and nobody detaches it; the next kedge takes it over: it
 * attaches its own, puts its rules in force, and then removes the old one.
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
 * Loads, attaches to each interface, forks the keeper, pins, puts the rules in force of listeners
 * whose ports are known. Before privileges are given up and before there are threads. 0 or -errno
 * with why[] saying object, cause and next step; then nothing is attached.
 */
int guard_open(struct guard **out, const struct conf *conf, char why[256]);

/* Off the interfaces (unless it is kept and was armed), unpins, closes. NULL is fine. */
void guard_close(struct guard *g);

/* What a daemon that does not clean up must do before _exit(): nothing is freed. NULL is fine. */
void guard_leave(struct guard *g);

/*
 * Puts the rules of another configuration beside those in force; ports as for guard_rules_make(). 0
 * or -errno with why[]; then there is nothing to cancel.
 */
int guard_prepare(struct guard *g, const struct conf *conf, const uint16_t *ports, char why[256]);

/* What was prepared is in force from here on, with the limits and flags of conf; or never was. */
void guard_commit(struct guard *g, const struct conf *conf);
void guard_cancel(struct guard *g);

/* For a reload: warns of listeners of conf on interfaces that the guard is not on. */
void guard_warn_uncovered(const struct guard *g, const struct conf *conf);

/* The lease begins; dead guards on the interfaces are removed. Before privileges are given up. */
void guard_arm(struct guard *g, const struct conf *conf);

/* For poll(2): until guard_run() has something to do, or -1. NULL is fine. */
int guard_wait_ms(const struct guard *g);
void guard_run(struct guard *g);

/* Makes another user the owner of the pins. 0 or -errno. */
int guard_give(struct guard *g, uid_t uid, gid_t gid);

/* Would guard_prepare() be allowed with the capabilities that are effective now? */
bool guard_may_update(struct guard *g);

/* --- what it sees; any thread ----------------------------------------------------------------- */

/* Counters, summed over the cores; zero where they can not be read. NULL is fine. */
void guard_stats(const struct guard *g, struct kedge_guard_stats *sum);

/* The sources that were refused most, the first of them first: how many of `max`. */
size_t guard_refused(const struct guard *g, struct guard_refused *rows, size_t max);

/* Where it is on. */
const struct guard_interface *guard_interfaces(const struct guard *g, size_t *count);

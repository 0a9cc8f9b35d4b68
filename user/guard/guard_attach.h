/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: attaches the guard's program to an interface, and detaches it. This is the only file
 * that uses libxdp. libxdp's dispatcher calls several XDP programs on one interface by priority. It
 * needs a kernel where a program may replace a function of another one (type EXT). Without that,
 * the guard is the only program on its interface.
 *
 * A program stays attached when its process ends. The keeper (guard_keeper.h) calls guard_detach(),
 * and the next kedge calls guard_remove_dead(). Both touch only programs named GUARD_PROGRAM. All
 * of this needs CAP_NET_ADMIN and CAP_BPF, and CAP_SYS_ADMIN to look at the programs of others.
 */
#pragma once

#include <stddef.h>

#include "guard/guard_interface.h"

#define GUARD_PROGRAM "kdg_guard"

struct bpf_object;
struct xdp_program;

/* Sends libxdp's messages to the log, at level debug. */
void guard_attach_log(void);

/*
 * The program of an object that is open but not loaded: the first guard_attach() loads it. The
 * object must outlive it. NULL with why[].
 */
struct xdp_program *guard_attach_open(struct bpf_object *obj, unsigned priority, char why[256]);
void guard_attach_close(struct xdp_program *prog); /* NULL is fine; detaches nothing */

/*
 * Attaches it to i->name and fills in *i. 0 or -errno with why[]. -EBUSY: there is a program that
 * libxdp's dispatcher does not call.
 */
int guard_attach(struct xdp_program *prog, struct guard_interface *i, enum guard_mode mode,
		 char why[256]);

/* The kernel's id of the program, once it is loaded. */
unsigned guard_attach_id(const struct xdp_program *prog);

/* Detaches the guard with this id from an interface. 0; -ENOENT: it is not there; or -errno. */
int guard_detach(unsigned id, const struct guard_interface *i);

/*
 * Detaches the guards of dead processes (guard_lock.h) from an interface, but never the guard with
 * id `own`. How many, or -errno.
 */
int guard_remove_dead(unsigned own, const struct guard_interface *i);

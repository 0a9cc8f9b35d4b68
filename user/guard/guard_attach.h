/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the guard's program on an interface, through libxdp, so that it lives beside other XDP
 * programs: libxdp's dispatcher calls them one after the other, by priority. Where the kernel lets
 * no program replace a function of another (type EXT), there is no dispatcher, and the guard is
 * alone on its interface. Nobody else names libxdp.
 *
 * A program that libxdp attached stays when its process is gone, however that ended: guard_detach()
 * is for whoever is left (guard_keeper.h), guard_remove_dead() for the next kedge. Both only touch
 * programs that are called GUARD_PROGRAM. All of it takes CAP_NET_ADMIN, CAP_BPF and, for what
 * others have attached, CAP_SYS_ADMIN.
 */
#pragma once

#include <stddef.h>

#include "guard/guard_interface.h"

#define GUARD_PROGRAM "kdg_guard"

struct bpf_object;
struct xdp_program;

/* Says in the log what libxdp has to say, at debug. */
void guard_attach_log(void);

/*
 * The program of an object that is open and not loaded; the first guard_attach() loads it. NULL
 * with why[]. The object must outlive it.
 */
struct xdp_program *guard_attach_open(struct bpf_object *obj, unsigned priority, char why[256]);
void guard_attach_close(struct xdp_program *prog); /* NULL is fine; detaches nothing */

/*
 * Attaches it to i->name and fills *i in. 0 or -errno with why[]; -EBUSY: a program that libxdp's
 * dispatcher did not call is there.
 */
int guard_attach(struct xdp_program *prog, struct guard_interface *i, enum guard_mode mode,
		 char why[256]);

/* The kernel's number of the program, once it is loaded. */
unsigned guard_attach_id(const struct xdp_program *prog);

/*
 * Takes the guard with this number off an interface, and nobody else. 0; -ENOENT: it is not there;
 * or -errno.
 */
int guard_detach(unsigned id, const struct guard_interface *i);

/*
 * Takes guards that no process lives for (guard_lock.h) off an interface; `own` is left alone. How
 * many, or -errno.
 */
int guard_remove_dead(unsigned own, const struct guard_interface *i);

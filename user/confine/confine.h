/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: kedge drops privileges once it has opened what it needs. confine.c changes the user
 * and drops capabilities, new privileges and core dumps; seccomp.c limits the system calls. Threads
 * inherit all of it, so it is called before the first thread starts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "confine/seccomp.h"

/* The user that kedge becomes. */
struct confine_user {
	uid_t uid;
	gid_t gid;
};

#define CONFINE_WHY_SIZE 128

/*
 * Finds "NAME" or "NAME:GROUP", by name or by number, in the user database. The default of GROUP is
 * the user's own group. 0; -EINVAL with why[] ("there is no user \"kedge\"").
 */
int confine_find_user(struct confine_user *out, const char *text, char why[CONFINE_WHY_SIZE]);

/*
 * The process holds private keys: forbids core dumps, and that other processes of the same user
 * read its memory. A change of user undoes this; confine() does it again.
 */
void confine_secrets(void);

struct confine_conf {
	const char *user; /* as confine_find_user() takes it; NULL: stay who we are */
	enum seccomp_mode seccomp;
	/* Capabilities to keep, by bit (1 << CAP_...). It is no error if the process lacks one. */
	uint64_t keep;
};

/*
 * Drops, in this order and for ever: new privileges, the user, the capabilities, core dumps, the
 * system calls. 0, or -errno after a logged line; kedge must not go on then.
 */
int confine(const struct confine_conf *conf);

/* Is this capability (CAP_...) effective? */
bool confine_has(unsigned capability);

/*
 * Removes a capability from the effective ones, or puts it back: kedge tries what works without it.
 * 0 or -errno.
 */
int confine_switch(unsigned capability, bool on);

/* For a process that runs beside kedge: no new privileges, and only these capabilities. */
void confine_keep(uint64_t keep);

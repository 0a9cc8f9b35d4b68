/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what kedge gives up once it has opened what it needs. confine.c gives up the user, the
 * capabilities, new privileges and core dumps; seccomp.c the system calls. All of it is inherited
 * by threads that are started afterwards, so it is called before the first one is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "confine/seccomp.h"

/* Whom kedge becomes. */
struct confine_user {
	uid_t uid;
	gid_t gid;
};

#define CONFINE_WHY_SIZE 128

/*
 * Finds "NAME" or "NAME:GROUP", by name or by number, in the user database. Without a GROUP it is
 * the user's own. 0; -EINVAL with why[] ("there is no user \"kedge\"").
 */
int confine_find_user(struct confine_user *out, const char *text, char why[CONFINE_WHY_SIZE]);

/*
 * No core dump of this process, and no look into its memory by other processes of the same user:
 * it holds private keys. A change of user lifts it, and confine() sets it again.
 */
void confine_secrets(void);

struct confine_conf {
	const char *user; /* as confine_find_user() takes it; NULL: stay who we are */
	enum seccomp_mode seccomp;
	/* Capabilities to be kept, by bit (1 << CAP_...). Those that are not there are not missed.
	 */
	uint64_t keep;
};

/*
 * For good, in this order: no new privileges, the user, the capabilities, core dumps, the system
 * calls. 0, or -errno after a logged line; kedge must not go on then.
 */
int confine(const struct confine_conf *conf);

/* Is this capability (CAP_...) effective? */
bool confine_has(unsigned capability);

/* Takes a capability out of the effective ones, or puts it back, so that it can be seen whether
 * something works without it. 0 or -errno. */
int confine_switch(unsigned capability, bool on);

/* For a process that goes on beside kedge: no new privileges, and no capabilities but these. */
void confine_keep(uint64_t keep);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the guard's rules in its maps. The maps hold two sides (kedge/guard.h): one is in
 * force, and the next rules are prepared on the other one. One store switches over, so no packet
 * meets a mixture. By the main thread.
 */
#pragma once

#include <stdint.h>

#include "bpf/kbpf_host.h"
#include "guard/guard_rules.h"

struct guard_sides {
	int listener, allow;               /* descriptors of the maps; borrowed */
	struct kedge_guard_config *config; /* mmapped; borrowed */
	struct guard_rules rules[2];       /* what the maps hold, by side; or may hold */
};

/*
 * Puts the rules of a configuration on the side that is not in force; ports as for
 * guard_rules_make(). 0; or -errno with why[], and that side is emptied.
 */
int guard_sides_prepare(struct guard_sides *s, const struct conf *conf, const uint16_t *ports,
			char why[KBPF_WHY_SIZE]);

/*
 * Empties the side that is not in force. A row that the kernel cannot delete now is deleted before
 * the side is used again.
 */
void guard_sides_cancel(struct guard_sides *s);

/* Puts the prepared side in force, with the limits and flags of conf, and empties the other one. */
void guard_sides_commit(struct guard_sides *s, const struct conf_guard *conf);

/* Frees both sides. The maps keep their rows. */
void guard_sides_clear(struct guard_sides *s);

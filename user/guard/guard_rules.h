/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what a configuration asks the guard to hold its packets against: one row a listening
 * address, one a prefix. Pure; putting them into maps is guard.c's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "kedge/guard.h"

struct guard_rule {
	struct kedge_guard_address at; /* side 0 */
	struct kedge_guard_listener listener;
};

struct guard_rules {
	struct guard_rule *rules;
	size_t rules_count;
	struct kedge_guard_prefix *prefixes; /* side 0 */
	size_t prefixes_count;
};

/*
 * ports[i], host order, is where listener i is bound; 0: not yet, it gets no row. NULL: those of
 * the configuration. 0; -ENOMEM; -E2BIG where the maps have no room; with why[] of `size`. The
 * caller clears *out, which is untouched after an error.
 */
int guard_rules_make(struct guard_rules *out, const struct conf *conf, const uint16_t *ports,
		     char *why, size_t size);

void guard_rules_clear(struct guard_rules *rules);

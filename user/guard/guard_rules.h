/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the rules of a configuration: one row for each listening address, and one for each
 * trusted prefix. Pure; guard_sides.c puts them into maps.
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
 * Makes the rules of conf. ports[i], in host order, is the port that listener i is bound to; 0: not
 * known, it gets no row. ports NULL: the ports of conf. 0, and the caller clears *out; -ENOMEM or
 * -E2BIG (more rows than the maps take) with why[] of `size`, and *out is unchanged.
 */
int guard_rules_make(struct guard_rules *out, const struct conf *conf, const uint16_t *ports,
		     char *why, size_t size);

void guard_rules_clear(struct guard_rules *rules);

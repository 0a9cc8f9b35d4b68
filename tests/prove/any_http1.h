/* SPDX-License-Identifier: BSD-2-Clause */
/* proofs only: any state of the automaton, and any configuration, that has the invariant. */
#pragma once

#include "prove.h"
#include "tests/lib/http1_holds.h"

/* CBMC thinks that the members of a union without a value have nothing to do with each other. */
static void any_http1(struct http1 *h, struct http1_conf *c)
{
	struct http1 any_h;
	struct http1_conf any_c;
	__u64 word[HTTP1_TOKEN_MAX / 8];

	*h = any_h;
	h->word[0] = word[0];
	h->word[1] = word[1];
	h->word[2] = word[2];
	h->word[3] = word[3];
	*c = any_c;
	INPUT(*h);
	INPUT(*c);
	ASSUME(http1_conf_holds(c) && http1_holds(h, c));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: names that a server may confuse with another one. They are generated: each name that
 * means something here, with each other character in the place of each dash that is not a letter or
 * a digit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "kedge/http1.h"

/* What a name with a dash is for. */
struct http1_dashed {
	const char *name;
	bool framing; /* else a forwarding field */
};

struct http1_alias {
	char name[HTTP1_TOKEN_MAX];
	const struct http1_dashed *of;
};

/* All of them, *count; free(3). */
struct http1_alias *http1_aliases(size_t *count);

/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/lib/assert_reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kedge/abi.h"

static const char *name(unsigned reason)
{
#define X(name, ...) [KEDGE_REASON_##name] = #name,
	static const char *const names[KEDGE_REASON_COUNT] = {
		[0] = "no reason",
#include "kedge/reasons.def"
	};
#undef X

	return reason < KEDGE_REASON_COUNT ? names[reason] : "a number that is none";
}

void assert_reason_at(unsigned got, unsigned want, const char *what, const char *file, int line)
{
	if (got == want)
		return;
	print_error("%s: %s (%u), and not %s (%u)\n", what, name(got), got, name(want), want);
	_fail(file, line);
}

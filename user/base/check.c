/* SPDX-License-Identifier: BSD-2-Clause */
/* Says which check failed, and ends the process. See check.h. */
#include "base/check.h"

#ifdef KEDGE_CHECKS
#include <stdio.h>
#include <stdlib.h>

/* Of the sanitizers' library. */
void __sanitizer_print_stack_trace(void) __attribute__((weak));

void check_failed(const char *file, int line, const char *function, const char *must_hold,
		  const char *name, const void *object)
{
	fprintf(stderr, "kedge: check failed: %s:%d: %s: %s (%s is %p)\n", file, line, function,
		must_hold, name, object);
	/* Looking up the lines of a program takes long, and the tests break many things. */
	if (__sanitizer_print_stack_trace && !getenv("KEDGE_CHECK_SHORT"))
		__sanitizer_print_stack_trace();
	abort();
}
#endif

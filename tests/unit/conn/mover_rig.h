/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: the flow that test_mover.c and test_mover_faults.c play with, and what is said over
 * it.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/lib/rig.h"

#define HEAD  "GET / HTTP/1.1\r\nHost: a\r\n"
#define GET   HEAD "\r\n"
#define SEEN  HEAD RIG_XFF "\r\n"
#define OK    "HTTP/1.1 200 OK\r\n"
#define OK_HI OK "Content-Length: 2\r\n\r\nhi"

static struct rig r;

static inline int up(void **state)
{
	(void)state;
	rig_up(&r, 16384, 0);
	return 0;
}

static inline int up_small(void **state)
{
	(void)state;
	rig_up(&r, 4096, 8192);
	return 0;
}

static inline int down(void **state)
{
	(void)state;
	rig_down(&r);
	return 0;
}

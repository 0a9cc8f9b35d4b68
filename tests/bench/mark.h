/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench only: marks for whoever counts a guest's instructions from outside (guest/plugin.c).
 * Natively they do nothing.
 */
#pragma once

enum mark {
	MARK_BEGIN = 1,   /* by the load client: what is measured begins */
	MARK_END = 2,     /* and ends */
	MARK_BACKEND = 3, /* this task is the backend */
};

/*
 * nopl "kdg" N (%rax,%rax); the number is part of the instruction, since registers cannot be seen.
 */
#define MARK(n) \
	__asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 'k', 'd', 'g', %c0" : : "i"(n) : "memory")

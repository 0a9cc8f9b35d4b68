/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench only: marks for the plugin that counts a guest's instructions from outside
 * (guest/plugin.c). Natively they do nothing.
 */
#pragma once

enum mark {
	MARK_BEGIN = 1,   /* by the load client: begin of the measurement */
	MARK_END = 2,     /* and its end */
	MARK_BACKEND = 3, /* this task is the backend */
};

/*
 * nopl "kdg" N (%rax,%rax). The number is part of the instruction, because the plugin cannot read
 * registers.
 */
#define MARK(n) \
	__asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 'k', 'd', 'g', %c0" : : "i"(n) : "memory")

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: what the world does while the worker is in epoll_wait(): somebody acts, the network
 * carries bytes, time passes.
 *
 * At first all act as they like. Then, in some runs, all fall silent, and each connection must end
 * by itself, in the time that the configuration gives it. Then, or in the middle of it all, the
 * worker drains.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A run begins. */
void turn_run(void);
uint64_t turn_count(void);

/* A turn of the loop is over, and the next begins. ms: how long kedge would wait. */
void turn_begin(int ms);

/*
 * Nothing is ready. Lets somebody act, or time pass; *ms is what is left of the wait then. False:
 * the wait is over.
 */
bool turn_waits(int *ms);

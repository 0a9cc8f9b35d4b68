/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: tells the service manager about states (sd_notify(3)). Does nothing if NOTIFY_SOCKET
 * is not set.
 */
#pragma once

#include <stdint.h>

#include "conn/worker.h"

/* At startup, and after each reload, done or refused. `what` is a line for people. */
void notify_ready(const char *what);
void notify_reloading(void);
/* left_ms: how long the delay and the drain may take. */
void notify_stopping(const char *what, uint64_t left_ms);

/*
 * The watchdog, run by the main thread. It asks the workers several times in the service manager's
 * period, and pings when all have answered. A stuck loop stops the pings.
 */
struct watchdog {
	uint64_t every_ms; /* 0: nobody watches */
	uint64_t next_ms;  /* on the clock of monotonic_ms() */
};

void watchdog_start(struct watchdog *dog);
/* For poll(2): until there is something to do, or -1. */
int watchdog_wait_ms(const struct watchdog *dog);
void watchdog_run(struct watchdog *dog, struct worker *workers, unsigned count);

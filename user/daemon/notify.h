/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what the service manager is told (sd_notify(3)). All of it does nothing where none
 * listens (NOTIFY_SOCKET is not set).
 */
#pragma once

#include <stdint.h>

#include "conn/worker.h"

/* Also after a reload, whether it was done or not. `what` is a line for people. */
void notify_ready(const char *what);
void notify_reloading(void);
/* Connections may take this long to end. */
void notify_stopping(uint32_t drain_ms);

/*
 * The watchdog, by the main thread: it asks the workers several times in the period that the
 * service manager gives, and pings when all have answered. A loop that is stuck ends the pings.
 */
struct watchdog {
	uint64_t every_ms; /* 0: nobody watches */
	uint64_t next_ms;  /* on the clock of monotonic_ms() */
};

void watchdog_start(struct watchdog *dog);
/* For poll(2): until there is something to do, or -1. */
int watchdog_wait_ms(const struct watchdog *dog);
void watchdog_run(struct watchdog *dog, struct worker *workers, unsigned count);

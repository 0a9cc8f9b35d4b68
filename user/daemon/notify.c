/* SPDX-License-Identifier: BSD-2-Clause */
/* Talks to the service manager. See notify.h. */
#include "daemon/notify.h"

#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"

/* Pings in a period. On a busy machine one or two may be late. */
#define PINGS 4

void notify_ready(const char *what)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", what);
}

void notify_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)monotonic_us());
}

void notify_stopping(const char *what, uint64_t left_ms)
{
	/* Plus some time for the rest of the stop. */
	sd_notifyf(0, "STOPPING=1\nSTATUS=%s\nEXTEND_TIMEOUT_USEC=%llu", what,
		   ((unsigned long long)left_ms + 10000) * 1000);
}

void watchdog_start(struct watchdog *dog)
{
	uint64_t period_us = 0;

	*dog = (struct watchdog){0};
	if (sd_watchdog_enabled(0, &period_us) <= 0)
		return;
	dog->every_ms = period_us / 1000 / PINGS;
	if (!dog->every_ms)
		dog->every_ms = 1;
	dog->next_ms = monotonic_ms();
	log_info("watchdog: a ping every %llu ms", (unsigned long long)dog->every_ms);
}

int watchdog_wait_ms(const struct watchdog *dog)
{
	uint64_t now = monotonic_ms();

	if (!dog->every_ms)
		return -1;
	return dog->next_ms > now ? (int)(dog->next_ms - now) : 0;
}

void watchdog_run(struct watchdog *dog, struct worker *workers, unsigned count)
{
	unsigned answered = 0;

	if (!dog->every_ms || watchdog_wait_ms(dog))
		return;
	dog->next_ms = monotonic_ms() + dog->every_ms;
	for (unsigned i = 0; i < count; i++)
		answered += worker_answered(&workers[i]);
	if (answered < count)
		return; /* the next look checks the others */
	sd_notify(0, "WATCHDOG=1");
	for (unsigned i = 0; i < count; i++)
		worker_ask(&workers[i]);
}

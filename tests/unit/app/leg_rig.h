/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: one leg over loopback, for test_leg.c and test_leg_proof.c. */
#pragma once

#include "app/leg.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "tests/lib/net.h"

static struct loop loop;
static struct legs legs;
static struct kedge_stats stats;
static struct leg *leg;
static struct server *server; /* whose only connection is the leg */
static int app;               /* the application's end */

static inline int up(void **state)
{
	(void)state;
	if (loop_init(&loop))
		return -1;
	legs_init(&legs, &loop, NULL, 0, &stats, NULL);
	leg = leg_new(&legs, &legs);
	server = server_new("app", "server", 1);
	if (!leg || !server || !server_enter(server, 1))
		return -1;
	leg->server = server;
	net_pair(&app, &leg->fd, 0);
	return 0;
}

static inline int down(void **state)
{
	(void)state;
	if (leg)
		leg_close(&legs, leg, false);
	leg = NULL;
	if (app >= 0)
		close(app);
	legs_fini(&legs);
	server_put(server);
	loop_fini(&loop);
	return 0;
}

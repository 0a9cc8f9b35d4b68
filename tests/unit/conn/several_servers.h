/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: several servers behind the connection of conn_parts.h; the functions of app.h are
 * fakes, which look at the server's port. */
#pragma once

#include "app/app.h"
#include "conn/conn_connect.h"
#include "conn/conn_header.h"
#include "conn/conn_leg.h"
#include "conn/conn_queue.h"

#include <stdio.h>

#include "tests/unit/conn/conn_parts.h"

#define SERVERS 4

static struct conf_server several[SERVERS];
static int refuses[SERVERS]; /* what connect(2) says */
static int later[SERVERS];   /* and what comes after EINPROGRESS */
static unsigned asked[SERVERS];
static bool no_sockets;

int app_socket(const union addr *a, bool bypass)
{
	int fd;

	(void)a;
	(void)bypass;
	if (no_sockets)
		return -EMFILE;
	if (app >= 0)
		close(app);
	net_pair(&app, &fd, 0);
	return fd;
}

int app_connect(int fd, const union addr *a)
{
	(void)fd;
	asked[addr_port(a) - 1]++;
	return refuses[addr_port(a) - 1];
}

int app_connected(int fd, const union addr *a)
{
	(void)fd;
	return later[addr_port(a) - 1];
}

/* The connection is in CONNECT, without a leg; so many servers, of which so many are backups. */
static inline void begin_with(size_t count, size_t backups)
{
	memset(refuses, 0, sizeof(refuses));
	memset(later, 0, sizeof(later));
	memset(asked, 0, sizeof(asked));
	no_sockets = false;
	servers_fini(&servers);
	for (size_t i = 0; i < count; i++) {
		several[i] = (struct conf_server){
			.addr.in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(i + 1))},
			.backup = i + backups >= count,
		};
		snprintf(several[i].name, sizeof(several[i].name), "s%zu", i);
	}
	app_conf.servers = (struct conf_servers){several, count};
	assert_int_equal(servers_init(&servers, &app_conf, 1), 0);
	begin(CONN_CONNECT);
}

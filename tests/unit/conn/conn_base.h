/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: what a worker needs around it, with one listener and one application, for
 * conn_parts.h and conn_rig.h.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn/worker.h"
#include "tests/lib/net.h"

#define GET   "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static struct conf_server server_conf;
static struct conf_app app_conf;
static struct servers servers;
static struct conf conf; /* of the first generation, which is never freed by count */
static struct conf_listener listener_conf;
static struct tally tally, *tallies[] = {&tally, &tally};
static struct generation generation;
static struct limits limits;
static struct shared shared;
static struct worker worker;
static struct kedge_stats *stats;

/* Counters, and a configuration without timeouts. *app listens for the application. */
static inline int base_up(int *app)
{
	uint16_t port;

	stats = aligned_alloc(64, sizeof(*stats));
	if (!stats)
		return -1;
	memset(stats, 0, sizeof(*stats));
	*app = net_listen(&port);
	listener_conf = (struct conf_listener){0};
	server_conf = (struct conf_server){
		.addr.in = {.sin_family = AF_INET,
			    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
			    .sin_port = htons(port)},
		.name = "server",
	};
	app_conf = (struct conf_app){
		.name = "app", .servers = {&server_conf, 1}, .queue_timeout_ms = 1000};
	conf = (struct conf){
		.listeners = &listener_conf,
		.listeners_count = 1,
		.apps = &app_conf,
		.apps_count = 1,
		.head_bytes_max = KEDGE_HEAD_BYTES_DEFAULT,
	};
	return servers_init(&servers, &app_conf, 1);
}

/* Then what workers share, and the generation. */
static inline int base_share(int done_fd)
{
	tally = (struct tally){0};
	generation = (struct generation){
		.refs = 1, .number = 1, .conf = &conf, .tallies = tallies, .apps = &servers};
	shared = (struct shared){.limits = &limits, .metrics = metrics_new(1), .done_fd = done_fd};
	return shared.metrics ? limits_init(&limits) : -1;
}

static inline void base_down(void)
{
	metrics_free(shared.metrics);
	shared.metrics = NULL;
	limits_fini(&limits);
	servers_fini(&servers);
	free(stats);
}

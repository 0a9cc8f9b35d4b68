/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: one worker's side of the listeners, without a worker. Events are taken from the loop
 * one at a time; what is accepted is kept in a list.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen/door.h"
#include "tests/lib/heard.h"
#include "tests/lib/net.h"

#define RIG_MAX 256

static struct loop rig_loop;
static struct limits rig_limits;
static struct kedge_stats *rig_stats;
static struct acceptor rig_acceptor;
static struct {
	int fd;
	struct service *service; /* a reference */
	uint16_t peer;           /* its port */
	sa_family_t family;      /* and its family */
} rig_conns[RIG_MAX];
static unsigned rig_count;

static inline void rig_accepted(struct acceptor *a, struct service *s, int fd,
				const union addr *peer)
{
	assert_ptr_equal(a, &rig_acceptor);
	assert_true(rig_count < RIG_MAX);
	rig_conns[rig_count].fd = fd;
	rig_conns[rig_count].service = service_get(s);
	rig_conns[rig_count].family = peer->family;
	rig_conns[rig_count++].peer = addr_port(peer);
}

static inline int rig_up(void **state)
{
	(void)state;
	rig_stats = aligned_alloc(64, sizeof(*rig_stats));
	if (!rig_stats || loop_init(&rig_loop) || limits_init(&rig_limits))
		return -1;
	memset(rig_stats, 0, sizeof(*rig_stats));
	rig_acceptor = (struct acceptor){.loop = &rig_loop,
					 .limits = &rig_limits,
					 .metrics = metrics_new(2),
					 .stats = rig_stats,
					 .accepted = rig_accepted};
	rig_count = 0;
	heard_begin();
	return rig_acceptor.metrics ? 0 : -1;
}

/* Ends connection i, as its worker would. */
static inline void rig_end(unsigned i)
{
	if (!rig_conns[i].service)
		return;
	close(rig_conns[i].fd);
	service_leave(rig_conns[i].service);
	service_put(rig_conns[i].service);
	rig_conns[i].service = NULL;
}

/* Ends all connections. Fails if anything of a generation or a count is left. */
static inline int rig_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < rig_count; i++)
		rig_end(i);
	heard_end();
	metrics_free(rig_acceptor.metrics);
	loop_fini(&rig_loop);
	limits_fini(&rig_limits);
	free(rig_stats);
	return generation_count() || rig_limits.connections ? -1 : 0;
}

/* The next generation: so many listeners on 127.0.0.1:0. A reference. */
static inline struct generation *rig_generation(size_t listeners, unsigned number)
{
	struct conf *conf = calloc(1, sizeof(*conf));
	struct generation *g;

	assert_non_null(conf);
	conf->listeners = calloc(listeners + 1, sizeof(*conf->listeners));
	assert_non_null(conf->listeners);
	conf->listeners_count = listeners;
	conf->apps = calloc(1, sizeof(*conf->apps));
	assert_non_null(conf->apps);
	conf->apps->servers.set = calloc(1, sizeof(*conf->apps->servers.set));
	assert_non_null(conf->apps->servers.set);
	conf->apps->servers.count = conf->apps_count = 1;
	conf->workers = 1;
	conf->connections_max = RIG_MAX;
	conf->record = POLICY_OFF;
	for (size_t i = 0; i < listeners; i++) {
		conf->listeners[i].addr.in = (struct sockaddr_in){
			.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		strcpy(conf->listeners[i].name, "127.0.0.1:0");
	}
	g = generation_new(conf, number, 1);
	assert_non_null(g);
	return g;
}

/* Listener i is to speak TLS with this pair. */
static inline void rig_tls(struct generation *g, size_t i, const char *cert, const char *key)
{
	struct conf_listener *l = &g->conf->listeners[i];

	l->tls = true;
	l->certs = calloc(1, sizeof(*l->certs));
	assert_non_null(l->certs);
	l->certs[0].cert = strdup(cert);
	l->certs[0].key = strdup(key);
	assert_true(l->certs[0].cert && l->certs[0].key);
	l->certs_count = 1;
	assert_int_equal(tls_shared_init(&g->tls, g->conf, &(struct ktls_caps){0}), 0);
}

/* Waits for an event and hands it to its watch; false when none comes within ms. */
static inline bool rig_turn(int ms)
{
	struct epoll_event event;
	struct watch *watch;

	if (epoll_wait(rig_loop.epfd, &event, 1, ms) != 1)
		return false;
	watch = event.data.ptr;
	watch->ready(watch, event.events);
	return true;
}

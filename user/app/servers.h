/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the servers of one application in one configuration, and which of them gets the next
 * connection. Each worker chooses by what it knows itself: of two at random, the one with less
 * under way.
 */
#pragma once

#include "app/server.h"

struct servers {
	const struct conf_app *conf; /* borrowed */
	struct server **set;         /* a reference each; in the order of conf->servers */
	size_t count;                /* at most CONFIG_SERVERS_MAX */
	unsigned waiting;            /* atomic: connections in the queue, of all workers */
};

/* 0 or -ENOMEM; also then servers_fini() is due. */
int servers_init(struct servers *s, const struct conf_app *conf, unsigned workers);
void servers_fini(struct servers *s);

/*
 * Servers of `s` that `before` has, too, by name, keep their state. Call it before a worker has
 * `s`.
 */
void servers_inherit(struct servers *s, const struct servers *before);

/*
 * Chooses a server, and counts a connection of it, for server_leave(). `tried`: bit i: not server
 * i. *random is the worker's, and never 0. *idle: an idle leg of the worker will do. It stays true
 * if the server has one. Then no connection is counted.
 *
 * Up ones first; if there is none, backups; if there is none, any that the operator has not taken
 * out. The index; -EAGAIN: those have all the connections that they may have; -ENOENT: none is
 * left.
 */
int servers_choose(struct servers *s, unsigned worker, uint64_t tried, uint64_t now_ms,
		   uint64_t *random, bool *idle);

/* One more in the queue, which wants each of the servers; false: it is full. */
bool servers_wait(struct servers *s);
void servers_wait_over(struct servers *s);

/* Would servers_choose() find a server that has room, or an idle leg? Others may be faster. */
bool servers_have_room(const struct servers *s, unsigned worker);

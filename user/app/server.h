/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what is known of one server of an application: whether it takes connections, and how
 * many it has. All workers and the thread of the checks share it, and a reload keeps it: it belongs
 * to the name of the server, not to a configuration.
 *
 * Three things can take a server out, each on its own: the operator (drain, down), the checks
 * (down), and connects that failed (out, for a while). It is up if none of them does.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "config/config.h"

/* What the operator wants; 0 is the start. */
enum server_admin {
	SERVER_READY,
	SERVER_DRAIN, /* no new connection; an idle one ends, a busy one after its requests */
	SERVER_DOWN,  /* the same, and it is not checked */
};

/* What the checks say. */
enum server_health { SERVER_UNCHECKED, SERVER_GOOD, SERVER_BAD };

/* So many connects in a row fail, and it is out: so long at first, then twice as long. */
#define SERVER_FAILS   3
#define SERVER_OUT_MS  2000
#define SERVER_OUT_MAX 30000

struct leg;
LIST_HEAD(leg_list, leg);

/* One worker's part. Only that worker writes it; atomic, since others read it. */
struct server_row {
	_Alignas(64) uint32_t busy; /* legs with something under way */
	uint64_t legs;              /* connects that worked, ever */
	uint64_t failed;            /* that did not */
	/* The shortest silence after which it closed a leg lately, and when (clock of the loop); 0:
	 * none. */
	uint32_t closes_after_ms;
	uint64_t closed_ms;
	/* Since when the oldest of this worker's connections in the queue has waited for it; 0:
	 * none has. */
	uint64_t waits_ms;
	uint32_t idle;             /* legs in the worker's pool: leg_pool.h */
	struct leg_list idle_legs; /* these; of the worker only */
};

#define SERVER_CAUSE_SIZE 128

struct server {
	unsigned refs;         /* atomic */
	unsigned admin;        /* atomic: enum server_admin */
	unsigned health;       /* atomic: enum server_health */
	unsigned connections;  /* atomic: open now, in all workers */
	unsigned wanted;       /* atomic: clients that wait for it, or another of its application */
	unsigned fails;        /* atomic: connects in a row */
	uint32_t out_ms;       /* atomic: how long it is, or was, out; 0: it is not */
	uint64_t out_until_ms; /* atomic: monotonic_ms() */
	uint64_t since_ms;     /* atomic: when it went up or down last; 0: never */
	char app[CONFIG_SERVER_NAME_SIZE];
	char name[CONFIG_SERVER_NAME_SIZE];
	pthread_mutex_t cause_lock;
	char cause[SERVER_CAUSE_SIZE]; /* why it went down or out last */
	unsigned rows_count;
	struct server_row *rows; /* one a worker */
	/* Where its name led when it was looked up last: see server_addr(). */
	unsigned addr_turn;     /* atomic: odd while it changes; 0: it was never looked up */
	uint64_t addr_words[4]; /* atomic: a sockaddr_in or sockaddr_in6, or zeros */
};

/* The caller has the one reference. NULL when out of memory. */
struct server *server_new(const char *app, const char *name, unsigned workers);
struct server *server_get(struct server *s);
void server_put(struct server *s); /* NULL is fine */

/* Neither the checks nor failed connects have taken it out. What the operator wants is apart. */
bool server_is_up(const struct server *s, uint64_t now_ms);
/* The operator lets it have new connections. */
bool server_is_ready(const struct server *s);

/* "up", "out", "down", "drain", "down by operator" */
const char *server_state(const struct server *s, uint64_t now_ms);

/* Why it is down or out; "" if it is neither. Any thread. */
void server_cause(struct server *s, uint64_t now_ms, char cause[SERVER_CAUSE_SIZE]);

/* By a worker: a connect has worked, or not, and why. The log has a line when that changes it. */
void server_worked(struct server *s, unsigned worker, uint64_t now_ms);
void server_failed(struct server *s, unsigned worker, uint64_t now_ms, const char *why);

/* By the thread of the checks, which counts rise and fall: what it is from now on, and why. */
void server_set_health(struct server *s, enum server_health health, uint64_t now_ms,
		       const char *why);
/* By the main thread, which then calls worker_servers(). Also a line in the log. */
void server_set_admin(struct server *s, enum server_admin admin, uint64_t now_ms);

/*
 * Its address, in *buf or where it is configured. Any thread. A name that is looked up again and
 * again (names.h) has the one that was found last, whatever the generation.
 */
const union addr *server_addr(const struct server *s, const union addr *configured,
			      union addr *buf);
/* From now on. NULL: as it is configured. Of IPv4 or IPv6. One thread at a time. */
void server_set_addr(struct server *s, const union addr *addr);

/* Counts one more connection unless it has `max` (0: no limit). By any worker. */
bool server_enter(struct server *s, unsigned max);
void server_leave(struct server *s);

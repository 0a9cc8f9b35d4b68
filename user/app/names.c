/* SPDX-License-Identifier: BSD-2-Clause */
/* The thread that looks names up. See names.h. */
#include "app/names.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/resolve.h"
#include "base/check.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/host_name.h"
#include "base/log.h"

/* A server that is configured with a name. */
struct name {
	struct server *server; /* a reference */
	char host[HOST_NAME_BYTES_MAX + 2];
	uint16_t port;
	union addr addr;   /* where it is */
	uint32_t every_ms; /* 0: only the address that is configured is told */
	uint64_t due_ms;
	bool failing; /* and it was said */
};

struct plan {
	size_t count;
	struct name all[];
};

/* Belongs to the main thread; after names_close(), to the thread if that is busy. */
struct names {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock: */
	struct plan *plan; /* or NULL */
	unsigned turn;     /* of the plan: it changes with it */
	bool asking;       /* the thread is in the name service */
	bool left;         /* by the main thread */
	/* The main thread's: */
	pthread_t thread;
	bool started;
	struct plan *prepared; /* or NULL */
};

/* --- a plan ----------------------------------------------------------------------------------- */

static void plan_free(struct plan *p)
{
	for (size_t i = 0; p && i < p->count; i++)
		server_put(p->all[i].server);
	free(p);
}

static void plan_add(struct plan *p, const struct servers *app, size_t at)
{
	const struct conf_server *s = &app->conf->servers.set[at];
	struct name *n;

	if (!s->host)
		return;
	n = &p->all[p->count++];
	n->server = server_get(app->set[at]);
	n->port = s->port;
	n->addr = s->addr;
	n->every_ms = app->conf->resolve_ms;
	snprintf(n->host, sizeof(n->host), "%s", s->host);
}

/* NULL when out of memory. */
static struct plan *plan_new(const struct servers *apps, size_t count)
{
	struct plan *p;
	size_t servers = 0;

	for (size_t i = 0; i < count; i++)
		servers += apps[i].count;
	p = calloc(1, sizeof(*p) + servers * sizeof(p->all[0]));
	if (!p)
		return NULL;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < apps[i].count; k++)
			plan_add(p, &apps[i], k);
	return p;
}

static bool plan_asks(const struct plan *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->all[i].every_ms)
			return true;
	return false;
}

/* --- what was found --------------------------------------------------------------------------- */

#define LABEL_BYTES (2 * CONFIG_SERVER_NAME_SIZE + 16)

/* A lone server is the application. */
static const char *label(char buf[LABEL_BYTES], const struct server *s)
{
	if (strcmp(s->app, s->name))
		snprintf(buf, LABEL_BYTES, "%s: server %s", s->app, s->name);
	else
		snprintf(buf, LABEL_BYTES, "%s", s->name);
	return buf;
}

static void say_failed(struct name *n, const char *why)
{
	char buf[LABEL_BYTES], at[ADDR_TEXT_MAX];

	addr_format(at, &n->addr);
	if (!n->failing)
		log_warn("application %s: cannot be resolved any more: %s: it stays at %s",
			 label(buf, n->server), why, at);
	n->failing = true;
}

static bool has(const struct resolved *r, const union addr *a)
{
	for (size_t i = 0; i < r->count; i++)
		if (addr_equal(&r->set[i], a))
			return true;
	return false;
}

static void move(struct name *n, const union addr *to)
{
	char buf[LABEL_BYTES], was[ADDR_TEXT_MAX], is[ADDR_TEXT_MAX];

	addr_format(was, &n->addr);
	addr_format(is, to);
	n->addr = *to;
	server_set_addr(n->server, to);
	log_info("application %s: %s -> %s", label(buf, n->server), was, is);
}

/* `why`: of an err. */
static void take(struct name *n, const struct resolved *r, int err, const char *why)
{
	const union addr *first = err ? NULL : resolve_usable(r);
	char buf[LABEL_BYTES];

	if (!first) {
		say_failed(n,
			   err ? why : "it has addresses of IPv6 only, and this host has no IPv6");
		return;
	}
	if (n->failing)
		log_info("application %s: is resolved again", label(buf, n->server));
	n->failing = false;
	if (!has(r, &n->addr))
		move(n, first);
}

/* --- the thread ------------------------------------------------------------------------------- */

/* The one that is due first, or NULL. */
static struct name *next(struct plan *p)
{
	struct name *first = NULL;

	for (size_t i = 0; p && i < p->count; i++)
		if (p->all[i].every_ms && (!first || p->all[i].due_ms < first->due_ms))
			first = &p->all[i];
	return first;
}

/* With the lock held, but not while the name service is asked. */
static void look_up(struct names *n, struct name *name)
{
	char host[sizeof(name->host)], why[RESOLVE_WHY_SIZE];
	const uint16_t port = name->port;
	const unsigned turn = n->turn;
	struct resolved found = {.count = 0};
	int err;

	memcpy(host, name->host, sizeof(host));
	n->asking = true;
	pthread_mutex_unlock(&n->lock);
	err = resolve_here(&found, host, port, why);
	pthread_mutex_lock(&n->lock);
	n->asking = false;
	if (n->left || n->turn != turn)
		return; /* I3; and `name` may be gone */
	take(name, &found, err, why);
	name->due_ms = monotonic_ms() + name->every_ms;
}

static void wait_until(struct names *n, uint64_t at)
{
	const struct timespec then = {.tv_sec = (time_t)(at / 1000),
				      .tv_nsec = (long)(at % 1000) * 1000000};

	pthread_cond_timedwait(&n->changed, &n->lock, &then);
}

static void names_free(struct names *n)
{
	plan_free(n->plan);
	plan_free(n->prepared);
	pthread_cond_destroy(&n->changed);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

/* Returns with the lock held. Was it in the name service when the main thread left? */
static bool run(struct names *n)
{
	while (!n->left) {
		struct name *name = next(n->plan);

		if (!name) {
			pthread_cond_wait(&n->changed, &n->lock);
		} else if (monotonic_ms() < name->due_ms) {
			wait_until(n, name->due_ms);
		} else {
			look_up(n, name);
			if (n->left)
				return true;
		}
	}
	return false;
}

static void *names_main(void *arg)
{
	struct names *n = arg;
	bool mine;

	pthread_setname_np(pthread_self(), "kedge/names");
	pthread_mutex_lock(&n->lock);
	mine = run(n);
	pthread_mutex_unlock(&n->lock);
	if (mine)
		names_free(n);
	return NULL;
}

/* --- for the main thread ---------------------------------------------------------------------- */

struct names *names_new(void)
{
	struct names *n = calloc(1, sizeof(*n));
	pthread_condattr_t attr;

	if (!n)
		return NULL;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->changed, &attr);
	pthread_condattr_destroy(&attr);
	return n;
}

int names_prepare(struct names *n, const struct servers *apps, size_t count)
{
	int err = 0;

	CHECKED(CHECK(n, !n->prepared));
	n->prepared = plan_new(apps, count);
	if (!n->prepared)
		return log_err(ENOMEM, "names of servers");
	if (!n->started && plan_asks(n->prepared)) {
		err = -pthread_create(&n->thread, NULL, names_main, n);
		n->started = !err;
	}
	return err ? log_err(err, "names of servers: the thread cannot be started") : 0;
}

void names_commit(struct names *n)
{
	const uint64_t now = monotonic_ms();
	struct plan *before;

	pthread_mutex_lock(&n->lock);
	before = n->plan;
	n->plan = take_ptr(n->prepared);
	n->turn++;
	for (size_t i = 0; i < n->plan->count; i++) {
		struct name *name = &n->plan->all[i];

		server_set_addr(name->server, name->every_ms ? &name->addr : NULL);
		name->due_ms = now + name->every_ms;
	}
	pthread_cond_signal(&n->changed);
	pthread_mutex_unlock(&n->lock);
	plan_free(before);
}

void names_cancel(struct names *n)
{
	plan_free(take_ptr(n->prepared));
}

void names_close(struct names *n)
{
	bool asking;

	if (!n)
		return;
	pthread_mutex_lock(&n->lock);
	n->left = true;
	asking = n->asking;
	if (asking)
		pthread_detach(n->thread);
	pthread_cond_signal(&n->changed);
	pthread_mutex_unlock(&n->lock);
	if (asking)
		return;
	if (n->started)
		pthread_join(n->thread, NULL);
	names_free(n);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The state of one server. See server.h. */
#include "app/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"

#define LOAD(field)         __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define STORE(field, value) __atomic_store_n(&(field), value, __ATOMIC_RELAXED)

struct server *server_new(const char *app, const char *name, unsigned workers)
{
	struct server *s = calloc(1, sizeof(*s));
	size_t size = (workers ? workers : 1) * sizeof(*s->rows);

	if (!s)
		return NULL;
	s->rows = aligned_alloc(_Alignof(struct server_row), size);
	if (!s->rows) {
		free(s);
		return NULL;
	}
	memset(s->rows, 0, size);
	s->rows_count = workers;
	s->refs = 1;
	pthread_mutex_init(&s->cause_lock, NULL);
	strncpy(s->app, app, sizeof(s->app) - 1);
	strncpy(s->name, name, sizeof(s->name) - 1);
	return s;
}

struct server *server_get(struct server *s)
{
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void server_put(struct server *s)
{
	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_mutex_destroy(&s->cause_lock);
	free(s->rows);
	free(s);
}

/* --- where it is ------------------------------------------------------------------------------ */

/*
 * A worker never waits for the thread that looks names up, and nothing has to be kept for one that
 * still reads: it copies, and copies again if there was a change meanwhile.
 */
#define ADDR_WORDS (sizeof(((struct server *)NULL)->addr_words) / sizeof(uint64_t))
_Static_assert(sizeof(struct sockaddr_in6) <= ADDR_WORDS * sizeof(uint64_t), "fits");

const union addr *server_addr(const struct server *s, const union addr *configured, union addr *buf)
{
	uint64_t words[ADDR_WORDS];
	unsigned turn;

	do {
		turn = __atomic_load_n(&s->addr_turn, __ATOMIC_ACQUIRE);
		if (!turn)
			return configured;
		for (size_t i = 0; i < ADDR_WORDS; i++)
			words[i] = LOAD(s->addr_words[i]);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (turn & 1 || turn != LOAD(s->addr_turn));
	*buf = (union addr){0};
	memcpy(buf, words, sizeof(struct sockaddr_in6));
	return buf->family == AF_UNSPEC ? configured : buf;
}

void server_set_addr(struct server *s, const union addr *addr)
{
	uint64_t words[ADDR_WORDS] = {0};
	unsigned turn = LOAD(s->addr_turn);

	CHECKED(CHECK(s, !addr || addr->family == AF_INET || addr->family == AF_INET6));
	if (!addr && !turn)
		return;
	if (addr)
		memcpy(words, addr, addr_len(addr));
	STORE(s->addr_turn, turn + 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (size_t i = 0; i < ADDR_WORDS; i++)
		STORE(s->addr_words[i], words[i]);
	/* 0 would be "never": once in a long time, it is passed over. */
	__atomic_store_n(&s->addr_turn, turn + 2 ? turn + 2 : 2, __ATOMIC_RELEASE);
}

/* --- what it is ------------------------------------------------------------------------------- */

static bool is_out(const struct server *s, uint64_t now_ms)
{
	return LOAD(s->out_ms) && now_ms < LOAD(s->out_until_ms);
}

bool server_is_up(const struct server *s, uint64_t now_ms)
{
	return LOAD(s->health) != SERVER_BAD && !is_out(s, now_ms);
}

bool server_is_ready(const struct server *s)
{
	return LOAD(s->admin) == SERVER_READY;
}

const char *server_state(const struct server *s, uint64_t now_ms)
{
	switch ((enum server_admin)LOAD(s->admin)) {
	case SERVER_DRAIN:
		return "drain";
	case SERVER_DOWN:
		return "down by operator";
	case SERVER_READY:
		break;
	}
	if (LOAD(s->health) == SERVER_BAD)
		return "down";
	return is_out(s, now_ms) ? "out" : "up";
}

static void set_cause(struct server *s, const char *why)
{
	pthread_mutex_lock(&s->cause_lock);
	snprintf(s->cause, sizeof(s->cause), "%s", why);
	pthread_mutex_unlock(&s->cause_lock);
}

void server_cause(struct server *s, uint64_t now_ms, char cause[SERVER_CAUSE_SIZE])
{
	cause[0] = '\0';
	if (server_is_up(s, now_ms))
		return;
	pthread_mutex_lock(&s->cause_lock);
	memcpy(cause, s->cause, SERVER_CAUSE_SIZE);
	pthread_mutex_unlock(&s->cause_lock);
}

/* --- connects --------------------------------------------------------------------------------- */

void server_worked(struct server *s, unsigned worker, uint64_t now_ms)
{
	CHECKED(CHECK(s, worker < s->rows_count));
	STORE(s->rows[worker].legs, s->rows[worker].legs + 1);
	if (!LOAD(s->fails) && !LOAD(s->out_ms))
		return;
	STORE(s->fails, 0);
	/* Of several workers one says it. */
	if (__atomic_exchange_n(&s->out_ms, 0, __ATOMIC_RELAXED)) {
		STORE(s->since_ms, now_ms);
		log_info("application %s: server %s takes connections again", s->app, s->name);
	}
}

/* Those that fail while it is out began before, or were tried because all were out. */
void server_failed(struct server *s, unsigned worker, uint64_t now_ms, const char *why)
{
	uint32_t was = LOAD(s->out_ms), is = was ? 2 * was : SERVER_OUT_MS;

	CHECKED(CHECK(s, worker < s->rows_count));
	STORE(s->rows[worker].failed, s->rows[worker].failed + 1);
	if (__atomic_add_fetch(&s->fails, 1, __ATOMIC_RELAXED) < SERVER_FAILS || is_out(s, now_ms))
		return;
	if (is > SERVER_OUT_MAX)
		is = SERVER_OUT_MAX;
	/* Until this is set, another worker may see it as not out, and set the same. */
	STORE(s->out_until_ms, now_ms + is);
	if (!__atomic_compare_exchange_n(&s->out_ms, &was, is, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED))
		return;
	if (was)
		return; /* it was said, and goes on */
	STORE(s->since_ms, now_ms);
	set_cause(s, why);
	log_warn("application %s: server %s is out: the last %u connections failed: %s; it is "
		 "tried again after %u ms, then after twice as long, up to %u s",
		 s->app, s->name, SERVER_FAILS, why, is, SERVER_OUT_MAX / 1000);
}

/* --- checks and the operator ------------------------------------------------------------------ */

void server_set_health(struct server *s, enum server_health health, uint64_t now_ms,
		       const char *why)
{
	enum server_health was;

	if (health == SERVER_BAD && LOAD(s->health) != SERVER_BAD)
		set_cause(s, why);
	was = (enum server_health)__atomic_exchange_n(&s->health, health, __ATOMIC_RELAXED);
	if (was == health)
		return;
	STORE(s->since_ms, now_ms);
	if (health == SERVER_BAD)
		log_warn("application %s: server %s is down: %s", s->app, s->name, why);
	else
		log_info("application %s: server %s is %s: %s", s->app, s->name,
			 health == SERVER_GOOD ? "up" : "not checked", why);
}

void server_set_admin(struct server *s, enum server_admin admin, uint64_t now_ms)
{
	static const char *const said[] = {
		[SERVER_READY] = "ready",
		[SERVER_DRAIN] = "drained: it gets no new connection",
		[SERVER_DOWN] = "down: it gets no new connection, and is not checked",
	};

	if (__atomic_exchange_n(&s->admin, admin, __ATOMIC_RELAXED) == admin)
		return;
	STORE(s->since_ms, now_ms);
	log_info("application %s: server %s is %s, as asked for", s->app, s->name, said[admin]);
}

/* --- its connections -------------------------------------------------------------------------- */

bool server_enter(struct server *s, unsigned max)
{
	if (__atomic_fetch_add(&s->connections, 1, __ATOMIC_RELAXED) < max || !max)
		return true;
	__atomic_fetch_sub(&s->connections, 1, __ATOMIC_RELAXED);
	return false;
}

void server_leave(struct server *s)
{
	CHECKED(CHECK(s, (int)LOAD(s->connections) > 0));
	__atomic_fetch_sub(&s->connections, 1, __ATOMIC_RELAXED);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Capabilities lost since the start, and the lines about them. See capability_loss.h. */
#include "base/capability_loss.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errno_text.h"
#include "base/log.h"

/* Time between two tries. It doubles from the first value to the last. */
#define TRY_FIRST_MS 1000
#define TRY_LAST_MS  30000
/* Time between two lines. It doubles too: a loss that comes and goes does not fill the log. */
#define SAY_FIRST_MS 1000
#define SAY_LAST_MS  600000

struct loss {
	pthread_mutex_t lock; /* for all that is not atomic, and for every change */
	bool required;
	int err;           /* atomic; 0: it works */
	int said;          /* atomic: the err of the last line */
	uint64_t again_ms; /* atomic: of the next try */
	uint64_t losses;   /* atomic */
	uint64_t without;  /* atomic */
	uint64_t since_ms; /* atomic */
	uint64_t wait_ms;  /* between this try and the next */
	uint64_t said_ms;
	uint64_t gap_ms; /* until the next line */
};

static struct loss all[CAPABILITY_COUNT] = {
	{.lock = PTHREAD_MUTEX_INITIALIZER},
	{.lock = PTHREAD_MUTEX_INITIALIZER},
	{.lock = PTHREAD_MUTEX_INITIALIZER},
	{.lock = PTHREAD_MUTEX_INITIALIZER},
};

static const struct {
	const char *name;
	const char *fallback; /* what flows do instead */
} texts[CAPABILITY_COUNT] = {
	[CAPABILITY_RECORD] = {"record", "user space carries the records of new connections"},
	[CAPABILITY_EDIT] = {"edit", "new connections are edited in user space"},
	[CAPABILITY_BYPASS] = {"bypass", "new connections use loopback TCP"},
	[CAPABILITY_PEERNAME] = {"peername",
				 "applications see kedge as the peer of new connections"},
};

static const struct {
	int err;
	const char *cause, *next;
} causes[] = {
	{EBUSY, "another program has the socket",
	 "bpftool cgroup tree shows which programs are attached"},
	{EPERM, "no longer permitted",
	 "look for the denial of a security module (dmesg, audit log), then restart kedge"},
	{EACCES, "no longer permitted",
	 "look for the denial of a security module (dmesg, audit log), then restart kedge"},
	{ENOMEM, "the kernel has no memory for it",
	 "look at the memory limit of kedge's cgroup and at free memory"},
	{ENOSPC, "its map is full", "raise connections-max, or look for sockets that stay open"},
	{E2BIG, "its map is full", "raise connections-max, or look for sockets that stay open"},
	{ENOBUFS, "the socket gets too small a send buffer", "sysctl net.core.wmem_max=1048576"},
	{ENOLINK, "its program is attached no longer",
	 "find out who detached it, or removed its cgroup (bpftool "
	 "cgroup tree), then restart kedge"},
	{ENXIO, "its program does not see the application's socket",
	 "bpftool cgroup tree shows whether it is attached where the application runs"},
};

#define LOAD(x)     __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define STORE(x, v) __atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#define ADD(x)      __atomic_fetch_add(&(x), 1, __ATOMIC_RELAXED)

static struct loss *loss_of(enum capability c)
{
	assert((unsigned)c < CAPABILITY_COUNT);
	return &all[c];
}

const char *capability_name(enum capability c)
{
	assert((unsigned)c < CAPABILITY_COUNT);
	return texts[c].name;
}

const char *capability_cause(char *buf, size_t size, int err)
{
	const char *cause = NULL;

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (causes[i].err == abs(err))
			cause = causes[i].cause;
	if (cause)
		snprintf(buf, size, "%s (%s)", cause, errno_text(abs(err)));
	else
		snprintf(buf, size, "%s", errno_text(abs(err)));
	return buf;
}

const char *capability_next(int err)
{
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (causes[i].err == abs(err))
			return causes[i].next;
	return "kedge probe shows what works here";
}

void capability_start(enum capability c, bool required)
{
	struct loss *l = loss_of(c);

	pthread_mutex_lock(&l->lock);
	l->required = required;
	STORE(l->err, 0);
	STORE(l->said, 0);
	STORE(l->again_ms, 0);
	STORE(l->losses, 0);
	STORE(l->without, 0);
	STORE(l->since_ms, 0);
	l->wait_ms = l->said_ms = l->gap_ms = 0;
	pthread_mutex_unlock(&l->lock);
}

bool capability_required(enum capability c)
{
	return loss_of(c)->required;
}

static uint64_t doubled(uint64_t ms, uint64_t first, uint64_t last)
{
	ms = ms ? 2 * ms : first;
	return ms < last ? ms : last;
}

static void emit(enum capability c, const struct loss *l)
{
	char cause[160];

	if (!l->err)
		log_info("%s: works again; %llu connections were without it", capability_name(c),
			 (unsigned long long)LOAD(l->without));
	else
		log_emit(l->required ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, 0,
			 "%s: lost: %s: %s%s; next step: %s", capability_name(c),
			 capability_cause(cause, sizeof(cause), l->err),
			 l->required ? "it is required, so new connections are refused"
				     : texts[c].fallback,
			 l->err == ENOLINK ? "" : ", and it is tried again",
			 capability_next(l->err));
}

/* Logs the state if the last line says something else and is old enough. Called with the lock. */
static void say(enum capability c, struct loss *l, uint64_t now_ms)
{
	if (l->said == l->err || now_ms < l->said_ms + l->gap_ms)
		return;
	if (now_ms > l->said_ms + 2 * (uint64_t)SAY_LAST_MS)
		l->gap_ms = 0;
	l->gap_ms = doubled(l->gap_ms, SAY_FIRST_MS, SAY_LAST_MS);
	l->said_ms = now_ms;
	STORE(l->said, l->err);
	emit(c, l);
}

bool capability_try(enum capability c, uint64_t now_ms)
{
	struct loss *l = loss_of(c);
	int err = LOAD(l->err);
	bool may = !err || l->required;

	if (may)
		return true;
	pthread_mutex_lock(&l->lock);
	if (err != ENOLINK && now_ms >= l->again_ms) {
		/*
		 * Nobody else tries until this caller reports, or until wait_ms has passed again.
		 */
		STORE(l->again_ms, now_ms + l->wait_ms);
		may = true;
	}
	say(c, l, now_ms);
	pthread_mutex_unlock(&l->lock);
	if (!may)
		ADD(l->without);
	return may;
}

void capability_failed(enum capability c, int err, uint64_t now_ms)
{
	struct loss *l = loss_of(c);

	err = abs(err);
	ADD(l->without);
	pthread_mutex_lock(&l->lock);
	if (!l->err) {
		ADD(l->losses);
		STORE(l->since_ms, now_ms);
		l->wait_ms = 0;
	}
	/*
	 * Several flows may have been on their way when the first one failed: they share one wait.
	 */
	if (!l->err || now_ms + l->wait_ms >= l->again_ms) {
		l->wait_ms = doubled(l->wait_ms, TRY_FIRST_MS, TRY_LAST_MS);
		STORE(l->again_ms, now_ms + l->wait_ms);
	}
	if (l->err != ENOLINK)
		STORE(l->err, err);
	say(c, l, now_ms);
	pthread_mutex_unlock(&l->lock);
}

void capability_worked(enum capability c, uint64_t now_ms)
{
	struct loss *l = loss_of(c);

	if (!LOAD(l->err) && !LOAD(l->said))
		return;
	pthread_mutex_lock(&l->lock);
	if (l->err != ENOLINK)
		STORE(l->err, 0);
	say(c, l, now_ms);
	pthread_mutex_unlock(&l->lock);
}

void capability_read(enum capability c, struct capability_state *out)
{
	const struct loss *l = loss_of(c);

	*out = (struct capability_state){
		.err = LOAD(l->err),
		.since_ms = LOAD(l->since_ms),
		.losses = LOAD(l->losses),
		.without = LOAD(l->without),
	};
}

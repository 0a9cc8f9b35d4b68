/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of hosts into addresses. See resolve.h. */
#include "app/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/host_name.h"
#include "base/log.h"
#include "config/config_loop.h"

/* So often the caller may do something meanwhile. */
#define SLICE_MS 200

/* Of getaddrinfo(). */
struct answer {
	int code, err; /* errno, with EAI_SYSTEM */
	struct addrinfo *found;
};

static struct answer ask(const char *host)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int code = getaddrinfo(host, NULL, &hints, &found), err = errno;

	return (struct answer){.code = code, .err = err, .found = code ? NULL : found};
}

static void answer_free(struct answer *a)
{
	if (a->found)
		freeaddrinfo(a->found);
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Belongs to the caller and to the thread; whoever is last to leave frees it. */
struct lookup {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done, left; /* by the thread, by the caller */
	struct answer answer;
	char host[HOST_NAME_BYTES_MAX + 2];
};

/* Atomic. A thread that hangs holds a socket or two: there is never more than one. */
static bool busy;

static struct lookup *lookup_new(const char *host)
{
	struct lookup *l = calloc(1, sizeof(*l));
	pthread_condattr_t attr;

	if (!l)
		return NULL;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->changed, &attr);
	pthread_condattr_destroy(&attr);
	snprintf(l->host, sizeof(l->host), "%s", host);
	return l;
}

static void lookup_free(struct lookup *l)
{
	answer_free(&l->answer);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static void *look_up(void *arg)
{
	struct lookup *l = arg;
	const struct answer answer = ask(l->host);
	bool left;

	pthread_mutex_lock(&l->lock);
	l->answer = answer;
	l->done = true;
	left = l->left;
	__atomic_store_n(&busy, false, __ATOMIC_RELEASE);
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->lock);
	if (left)
		lookup_free(l);
	return NULL;
}

static int lookup_start(struct lookup *l)
{
	int err;

	__atomic_store_n(&busy, true, __ATOMIC_RELEASE);
	err = pthread_create(&l->thread, NULL, look_up, l);
	if (err)
		__atomic_store_n(&busy, false, __ATOMIC_RELEASE);
	return -err;
}

/* --- the wait --------------------------------------------------------------------------------- */

static struct timespec after_ms(uint64_t ms)
{
	uint64_t at = monotonic_ms() + ms;

	return (struct timespec){.tv_sec = (time_t)(at / 1000),
				 .tv_nsec = (long)(at % 1000) * 1000000};
}

/* With the lock held. Is it done? */
static bool wait_for(struct lookup *l, const struct resolve_wait *wait)
{
	uint64_t until = monotonic_ms() + wait->ms, now = until - wait->ms;

	while (!l->done && now < until) {
		uint64_t slice = until - now < SLICE_MS ? until - now : SLICE_MS;
		const struct timespec then = after_ms(slice);

		pthread_cond_timedwait(&l->changed, &l->lock, &then);
		if (!l->done && wait->meanwhile) {
			pthread_mutex_unlock(&l->lock);
			wait->meanwhile(wait->arg);
			pthread_mutex_lock(&l->lock);
		}
		now = monotonic_ms();
	}
	return l->done;
}

/* --- the answer ------------------------------------------------------------------------------- */

static bool has(const struct resolved *r, const union addr *a)
{
	for (size_t i = 0; i < r->count; i++)
		if (addr_equal(&r->set[i], a))
			return true;
	return false;
}

static void add(struct resolved *r, const struct addrinfo *ai, uint16_t port)
{
	union addr a = {0};

	if ((ai->ai_family != AF_INET && ai->ai_family != AF_INET6) ||
	    ai->ai_addrlen > sizeof(a.in6))
		return;
	memcpy(&a, ai->ai_addr, ai->ai_addrlen);
	if (a.family == AF_INET)
		a.in.sin_port = htons(port);
	else
		a.in6.sin6_port = htons(port);
	/* 0.0.0.0 is what some filters of names answer. It would be this host. */
	if (addr_is_wildcard(&a) || has(r, &a))
		return;
	if (r->count < RESOLVE_MAX)
		r->set[r->count++] = a;
	else
		r->left_out++;
}

static int errno_of(int answer, int err)
{
	switch (answer) {
	case EAI_NONAME:
	case EAI_NODATA:
		return -ENOENT;
	case EAI_AGAIN:
		return -EAGAIN;
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_SYSTEM:
		return err ? -err : -EIO;
	default:
		return -EIO;
	}
}

static int take(struct resolved *out, const struct answer *a, uint16_t port,
		char why[RESOLVE_WHY_SIZE])
{
	struct resolved r = {.count = 0};

	if (a->code) {
		snprintf(why, RESOLVE_WHY_SIZE, "%s",
			 a->code == EAI_SYSTEM ? strerror(a->err) : gai_strerror(a->code));
		return errno_of(a->code, a->err);
	}
	for (const struct addrinfo *ai = a->found; ai; ai = ai->ai_next)
		add(&r, ai, port);
	if (!r.count) {
		snprintf(why, RESOLVE_WHY_SIZE, "it has no address of IPv4 or IPv6");
		return -ENOENT;
	}
	*out = r;
	return 0;
}

int resolve(struct resolved *out, const char *host, uint16_t port, const struct resolve_wait *wait,
	    char why[RESOLVE_WHY_SIZE])
{
	struct lookup *l;
	int err;

	if (__atomic_load_n(&busy, __ATOMIC_ACQUIRE)) {
		snprintf(why, RESOLVE_WHY_SIZE,
			 "the name service still hangs with an earlier name");
		return -EBUSY;
	}
	l = lookup_new(host);
	err = l ? lookup_start(l) : -ENOMEM;
	if (err) {
		snprintf(why, RESOLVE_WHY_SIZE, "%s", strerror(-err));
		if (l)
			lookup_free(l);
		return err;
	}
	pthread_mutex_lock(&l->lock);
	if (!wait_for(l, wait)) {
		pthread_detach(l->thread);
		l->left = true;
		pthread_mutex_unlock(&l->lock);
		snprintf(why, RESOLVE_WHY_SIZE, "no answer within %u ms", wait->ms);
		return -ETIMEDOUT;
	}
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	err = take(out, &l->answer, port, why);
	lookup_free(l);
	return err;
}

int resolve_here(struct resolved *out, const char *host, uint16_t port, char why[RESOLVE_WHY_SIZE])
{
	struct answer answer = ask(host);
	int err = take(out, &answer, port, why);

	answer_free(&answer);
	return err;
}

/* --- the application -------------------------------------------------------------------------- */

static bool fits(const union addr *a)
{
	int fd = socket(a->family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno != EAFNOSUPPORT;
	close(fd);
	return true;
}

const union addr *resolve_usable(const struct resolved *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (fits(&r->set[i]))
			return &r->set[i];
	return NULL;
}

static int resolve_server(const struct conf_app *app, struct conf_server *s,
			  const struct resolve_wait *wait)
{
	struct resolved r = {.count = 0};
	char why[RESOLVE_WHY_SIZE], name[ADDR_TEXT_MAX], of[CONFIG_SERVER_NAME_SIZE + 16] = "";
	const union addr *first;
	int err;

	/* A lone server is the application. */
	if (strcmp(app->name, s->name))
		snprintf(of, sizeof(of), "%s: server ", app->name);
	err = resolve(&r, s->host, s->port, wait, why);
	if (err) {
		log_error("application %s%s: cannot be resolved: %s (getent ahosts %s shows what "
			  "this host knows)",
			  of, s->name, why, s->host);
		return err;
	}
	first = resolve_usable(&r);
	if (!first) {
		log_error("application %s%s: cannot be resolved: it has addresses of IPv6 only, "
			  "and this host has no IPv6",
			  of, s->name);
		return -EAFNOSUPPORT;
	}
	s->addr = *first;
	addr_format(name, &s->addr);
	log_info("application %s%s: %s, the first of %zu address%s", of, s->name, name,
		 r.count + r.left_out, r.count + r.left_out == 1 ? "" : "es");
	return 0;
}

int resolve_servers(struct conf *conf, const struct resolve_wait *wait)
{
	bool any = false;
	int err = 0;

	for (size_t i = 0; !err && i < conf->apps_count; i++) {
		const struct conf_servers *servers = &conf->apps[i].servers;

		for (size_t k = 0; !err && k < servers->count; k++)
			if (servers->set[k].host) {
				err = resolve_server(&conf->apps[i], &servers->set[k], wait);
				any = true;
			}
	}
	return err || !any ? err : config_loop_check(conf);
}

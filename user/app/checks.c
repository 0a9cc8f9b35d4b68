/* SPDX-License-Identifier: BSD-2-Clause */
/* The thread of the checks. See checks.h. */
#include "app/checks.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/check_server.h"
#include "base/check.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/container_of.h"
#include "base/log.h"

/* The first checks are spread over this time, and those that follow stay spread. */
#define SPREAD_MS 2000

/* What the main thread hands over. */
struct plan {
	struct check_list checked;
	size_t checked_count;
	struct server **others; /* a reference each: servers that are not checked */
	size_t others_count;
};

struct checks {
	struct checker checker;
	struct loop loop;
	struct watch wake;
	int wake_fd; /* -1: there is no loop */
	struct check_list set;
	struct check_list graves; /* ended in this turn */
	struct task bury;
	struct plan *posted; /* atomic; NULL: taken */
	bool stop;           /* atomic */
	/* The main thread's: */
	pthread_t thread;
	bool started;
	size_t count;          /* of those that are checked, by the plan committed last */
	struct plan *prepared; /* or NULL */
};

/* --- a plan ----------------------------------------------------------------------------------- */

static void plan_free(struct plan *p)
{
	struct check_server *s;

	if (!p)
		return;
	while ((s = TAILQ_FIRST(&p->checked))) {
		TAILQ_REMOVE(&p->checked, s, link);
		check_server_free(s);
	}
	for (size_t i = 0; i < p->others_count; i++)
		server_put(p->others[i]);
	free(p->others);
	free(p);
}

static int plan_add_app(struct plan *p, const struct servers *app)
{
	for (size_t i = 0; i < app->count; i++) {
		struct check_server *s;

		if (app->conf->check == CHECK_OFF) {
			p->others[p->others_count++] = server_get(app->set[i]);
			continue;
		}
		s = check_server_new(app->set[i], app->conf, &app->conf->servers.set[i]);
		if (!s)
			return -ENOMEM;
		TAILQ_INSERT_TAIL(&p->checked, s, link);
		p->checked_count++;
	}
	return 0;
}

/* NULL when out of memory. */
static struct plan *plan_new(const struct servers *apps, size_t count)
{
	struct plan *p = calloc(1, sizeof(*p));
	size_t servers = 0;
	int err = 0;

	if (!p)
		return NULL;
	TAILQ_INIT(&p->checked);
	for (size_t i = 0; i < count; i++)
		servers += apps[i].count;
	p->others = calloc(servers + 1, sizeof(struct server *));
	for (size_t i = 0; p->others && !err && i < count; i++)
		err = plan_add_app(p, &apps[i]);
	if (p->others && !err)
		return p;
	plan_free(p);
	return NULL;
}

/* --- the thread takes a plan ------------------------------------------------------------------ */

/* The same turn may hold an event for it. */
static void inter(struct checks *c, struct check_server *s)
{
	check_server_end(s);
	TAILQ_REMOVE(&c->set, s, link);
	TAILQ_INSERT_TAIL(&c->graves, s, link);
	loop_later(&c->loop, &c->bury);
}

static void bury(struct checks *c)
{
	struct check_server *s;

	while ((s = TAILQ_FIRST(&c->graves))) {
		TAILQ_REMOVE(&c->graves, s, link);
		check_server_free(s);
	}
}

static void bury_run(struct task *task)
{
	bury(container_of(task, struct checks, bury));
}

static struct check_server *find(const struct check_list *set, const struct server *server)
{
	struct check_server *s;

	TAILQ_FOREACH(s, set, link)
		if (s->server == server)
			return s;
	return NULL;
}

/* Moves those to the plan that are checked as before; of others, what was counted. */
static void carry_over(struct checks *c, struct plan *p)
{
	struct check_server *s, *next;

	for (s = TAILQ_FIRST(&p->checked); s; s = next) {
		struct check_server *before = find(&c->set, s->server);

		next = TAILQ_NEXT(s, link);
		if (before && check_server_same(before, s)) {
			TAILQ_REMOVE(&c->set, before, link);
			TAILQ_INSERT_BEFORE(s, before, link);
			TAILQ_REMOVE(&p->checked, s, link);
			check_server_free(s);
		} else if (before) {
			s->good = before->good;
			s->bad = before->bad;
		}
	}
}

static void begin_new(struct checks *c, const struct plan *p)
{
	struct check_server *s;
	uint64_t at = 0;

	TAILQ_FOREACH(s, &c->set, link) {
		uint64_t over = s->every_ms < SPREAD_MS ? s->every_ms : SPREAD_MS;

		if (!s->checker)
			check_server_begin(s, &c->checker, at * over / p->checked_count);
		at++;
	}
}

static void forget_others(const struct plan *p)
{
	for (size_t i = 0; i < p->others_count; i++)
		server_set_health(p->others[i], SERVER_UNCHECKED, monotonic_ms(),
				  "check is off now");
}

static void take_plan(struct checks *c, struct plan *p)
{
	struct check_server *s;

	carry_over(c, p);
	while ((s = TAILQ_FIRST(&c->set)))
		inter(c, s);
	TAILQ_CONCAT(&c->set, &p->checked, link);
	begin_new(c, p);
	forget_others(p);
	plan_free(p);
}

static void wake_ready(struct watch *watch, uint32_t events)
{
	struct checks *c = container_of(watch, struct checks, wake);
	struct plan *p;
	uint64_t n;

	(void)events;
	if (read(c->wake_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		log_err(errno, "checks: eventfd");
	if (__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
		c->loop.stop = true;
		return;
	}
	p = __atomic_exchange_n(&c->posted, NULL, __ATOMIC_ACQ_REL);
	if (p)
		take_plan(c, p);
}

static void *checks_main(void *arg)
{
	struct checks *c = arg;

	pthread_setname_np(pthread_self(), "kedge/checks");
	loop_run(&c->loop);
	return NULL;
}

/* --- begin and end of the thread -------------------------------------------------------------- */

static void wake(struct checks *c)
{
	uint64_t one = 1;

	if (write(c->wake_fd, &one, sizeof(one)) < 0)
		log_err(errno, "checks: the thread cannot be woken");
}

static void stop(struct checks *c)
{
	struct check_server *s;

	if (c->started) {
		__atomic_store_n(&c->stop, true, __ATOMIC_RELEASE);
		wake(c);
		pthread_join(c->thread, NULL);
	}
	c->started = c->stop = false;
	while ((s = TAILQ_FIRST(&c->set)))
		inter(c, s);
	bury(c);
	plan_free(c->posted);
	c->posted = NULL;
	c->count = 0;
	loop_fini(&c->loop);
	close_fdp(&c->wake_fd);
	c->wake_fd = -1;
}

static int start(struct checks *c)
{
	int err = loop_init(&c->loop);

	c->bury.queued = false;
	if (err)
		return err;
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd < 0)
		return -errno;
	err = loop_add(&c->loop, c->wake_fd, &c->wake, EPOLLIN);
	if (!err)
		err = -pthread_create(&c->thread, NULL, checks_main, c);
	c->started = !err;
	return err;
}

/* --- for the main thread ---------------------------------------------------------------------- */

struct checks *checks_new(void)
{
	struct checks *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->loop.epfd = c->wake_fd = -1;
	c->checker.loop = &c->loop;
	c->wake.ready = wake_ready;
	c->bury.run = bury_run;
	TAILQ_INIT(&c->set);
	TAILQ_INIT(&c->graves);
	return c;
}

int checks_prepare(struct checks *c, const struct servers *apps, size_t count)
{
	int err = 0;

	CHECKED(CHECK(c, !c->prepared));
	c->prepared = plan_new(apps, count);
	if (!c->prepared)
		return log_err(ENOMEM, "checks");
	if (c->prepared->checked_count && !c->started)
		err = start(c);
	return err ? log_err(err, "checks: the thread cannot be started") : 0;
}

void checks_commit(struct checks *c)
{
	struct plan *p = take_ptr(c->prepared);

	if (!p->checked_count) {
		stop(c);
		forget_others(p);
		plan_free(p);
		return;
	}
	c->count = p->checked_count;
	plan_free(__atomic_exchange_n(&c->posted, p, __ATOMIC_ACQ_REL));
	wake(c);
}

void checks_cancel(struct checks *c)
{
	plan_free(take_ptr(c->prepared));
	if (!c->count)
		stop(c);
}

void checks_close(struct checks *c)
{
	if (!c)
		return;
	plan_free(c->prepared);
	stop(c);
	free(c);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers GET /metrics. See metrics_server.h. */
#include "metrics/metrics_server.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/container_of.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "http/proxy_proto.h"
#include "metrics/metrics_answer.h"

/* From accept to the end of the answer. */
#define SCRAPE_MS   5000
/* At a time. One more ends the oldest. */
#define SCRAPES_MAX 32
/* Without a descriptor or memory for a scraper, accepting pauses for so long. */
#define PAUSE_MS    200
/* The pause is logged at most this often. */
#define SAID_MS     10000
/* A scraper's request head is a few hundred bytes. */
#define HEAD_BYTES  4096

/* One connection: reads a head, writes an answer, waits for the other side's end. */
struct scrape {
	struct watch watch;
	struct timer timer;
	TAILQ_ENTRY(scrape) link;
	struct metrics_server *server;
	int fd;
	bool answered; /* all of it */
	size_t in_len, out_len, out_off;
	char *out; /* owned; NULL: the head is still being read */
	char in[HEAD_BYTES];
};
TAILQ_HEAD(scrape_list, scrape);

struct metrics_server {
	struct metrics_source source;
	struct loop loop;
	struct watch listen_watch, wake_watch;
	struct timer resume; /* accepting pauses until then */
	uint64_t said_ms;    /* when a pause was last mentioned; 0: never */
	int fd, wake_fd;
	uint16_t port;              /* bound */
	struct scrape_list scrapes; /* the oldest first */
	struct scrape_list graves;  /* ended in this turn */
	struct task bury;
	unsigned count;
	pthread_t thread;
	bool started;
};

#ifdef KEDGE_CHECKS
static void server_check(const struct metrics_server *s)
{
	const struct scrape *c;
	unsigned n = 0;

	TAILQ_FOREACH(c, &s->scrapes, link) {
		CHECK(c, c->server == s && c->fd >= 0 && c->timer.due_ms);
		CHECK(c, c->in_len <= sizeof(c->in) && c->out_off <= c->out_len);
		CHECK_IF(c, !c->out, !c->out_len && !c->answered);
		CHECK_IF(c, c->answered, c->out_off == c->out_len);
		n++;
	}
	CHECK(s, n == s->count && n <= SCRAPES_MAX);
	TAILQ_FOREACH(c, &s->graves, link)
		CHECK(c, c->fd < 0 && !c->timer.slot_ms && s->bury.queued);
}
#endif

static void scrape_end(struct scrape *c)
{
	struct metrics_server *s = c->server;

	if (c->fd < 0)
		return;
	close(c->fd);
	c->fd = -1;
	loop_timer_stop(&s->loop, &c->timer);
	s->count--;
	TAILQ_REMOVE(&s->scrapes, c, link);
	TAILQ_INSERT_TAIL(&s->graves, c, link);
	loop_later(&s->loop, &s->bury);
}

static void bury(struct metrics_server *s)
{
	struct scrape *c;

	while ((c = TAILQ_FIRST(&s->graves))) {
		TAILQ_REMOVE(&s->graves, c, link);
		free(c->out);
		free(c);
	}
}

static void bury_run(struct task *task)
{
	bury(container_of(task, struct metrics_server, bury));
}

static void scrape_expired(struct timer *timer)
{
	scrape_end(container_of(timer, struct scrape, timer));
}

/* --- one connection --------------------------------------------------------------------------- */

static void scrape_write(struct scrape *c)
{
	while (c->out_off < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_off, c->out_len - c->out_off,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			loop_mod(&c->server->loop, c->fd, &c->watch, EPOLLOUT);
			return;
		}
		if (n < 0) {
			scrape_end(c);
			return;
		}
		c->out_off += (size_t)n;
	}
	/*
	 * Waits for the peer's end: closing at once could reset bytes that are still on their way.
	 */
	c->answered = true;
	shutdown(c->fd, SHUT_WR);
	loop_mod(&c->server->loop, c->fd, &c->watch, EPOLLIN);
}

/*
 * A balancer that sends a PROXY prefix to kedge also sends one with its health checks, here. It is
 * skipped, whoever sends it: nothing here depends on who asks. Fills in where the head begins.
 */
static enum proxy_verdict skip_prefix(size_t *head, const struct scrape *c)
{
	struct proxy_prefix prefix;
	enum proxy_verdict verdict = proxy_parse(&prefix, (const uint8_t *)c->in, c->in_len);

	*head = verdict == PROXY_DONE ? prefix.len : 0;
	return verdict;
}

static void scrape_read(struct scrape *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);
	enum proxy_verdict verdict;
	size_t head;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		scrape_end(c);
		return;
	}
	c->in_len += (size_t)n;
	assert(c->in_len <= sizeof(c->in));
	verdict = skip_prefix(&head, c);
	if (verdict == PROXY_BAD) {
		scrape_end(c);
		return;
	}
	if (verdict == PROXY_MORE || !memmem(c->in + head, c->in_len - head, "\r\n\r\n", 4)) {
		if (c->in_len == sizeof(c->in))
			scrape_end(c);
		return;
	}
	c->out = metrics_answer(&c->out_len, c->in + head, c->in_len - head, &c->server->source);
	if (c->out)
		scrape_write(c);
	else
		scrape_end(c);
}

static void scrape_drain(struct scrape *c)
{
	ssize_t n = recv(c->fd, c->in, sizeof(c->in), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		scrape_end(c);
}

static void scrape_ready(struct watch *watch, uint32_t events)
{
	struct scrape *c = container_of(watch, struct scrape, watch);

	(void)events;
	if (c->fd < 0)
		return;
	if (c->answered)
		scrape_drain(c);
	else if (c->out)
		scrape_write(c);
	else
		scrape_read(c);
	CHECKED(server_check(c->server));
}

static void resume_expired(struct timer *timer)
{
	struct metrics_server *s = container_of(timer, struct metrics_server, resume);

	loop_mod(&s->loop, s->fd, &s->listen_watch, EPOLLIN);
}

static void pause_accept(struct metrics_server *s, int err)
{
	if (!s->said_ms || s->loop.now_ms >= s->said_ms + SAID_MS) {
		log_emit(LOG_LEVEL_WARN, err,
			 "metrics: nobody can be accepted: trying again every %d ms", PAUSE_MS);
		s->said_ms = s->loop.now_ms;
	}
	loop_mod(&s->loop, s->fd, &s->listen_watch, 0);
	loop_timer_set(&s->loop, &s->resume, PAUSE_MS);
}

/* Only this connection is concerned: it ended before accept(2). */
static bool concerns_one(int err)
{
	return err == EAGAIN || err == EINTR || err == ECONNABORTED;
}

static void listen_ready(struct watch *watch, uint32_t events)
{
	struct metrics_server *s = container_of(watch, struct metrics_server, listen_watch);
	int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct scrape *c;

	(void)events;
	if (fd < 0) {
		if (!concerns_one(errno))
			pause_accept(s, errno);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c || loop_add(&s->loop, fd, &c->watch, EPOLLIN) < 0) {
		free(c);
		close(fd);
		return;
	}
	c->server = s;
	c->fd = fd;
	c->watch.ready = scrape_ready;
	c->timer.expired = scrape_expired;
	loop_timer_set(&s->loop, &c->timer, SCRAPE_MS);
	if (s->count == SCRAPES_MAX)
		scrape_end(TAILQ_FIRST(&s->scrapes));
	s->count++;
	TAILQ_INSERT_TAIL(&s->scrapes, c, link);
	CHECKED(server_check(s));
}

/* --- begin and end ---------------------------------------------------------------------------- */

static void wake_ready(struct watch *watch, uint32_t events)
{
	(void)events;
	container_of(watch, struct metrics_server, wake_watch)->loop.stop = true;
}

static void *server_main(void *arg)
{
	struct metrics_server *s = arg;

	pthread_setname_np(pthread_self(), "kedge/metrics");
	loop_run(&s->loop);
	return NULL;
}

static int listen_on(const union addr *addr)
{
	_cleanup_(close_fdp)
	int fd = socket(addr->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, only = 0;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* "All addresses" includes IPv4, whatever net.ipv6.bindv6only says. */
	if (addr->family == AF_INET6 && addr_is_wildcard(addr))
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (bind(fd, &addr->sa, addr_len(addr)) < 0 || listen(fd, SCRAPES_MAX) < 0)
		return -errno;
	return take_fd(fd);
}

static int server_init(struct metrics_server *s, const union addr *addr)
{
	int err;

	s->fd = s->wake_fd = -1;
	TAILQ_INIT(&s->scrapes);
	TAILQ_INIT(&s->graves);
	s->bury.run = bury_run;
	s->listen_watch.ready = listen_ready;
	s->wake_watch.ready = wake_ready;
	s->resume.expired = resume_expired;
	err = loop_init(&s->loop);
	if (err)
		return err;
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake_fd < 0)
		return -errno;
	s->fd = listen_on(addr);
	if (s->fd < 0)
		return s->fd;
	err = loop_add(&s->loop, s->wake_fd, &s->wake_watch, EPOLLIN);
	return err ? err : loop_add(&s->loop, s->fd, &s->listen_watch, EPOLLIN);
}

int metrics_server_open(struct metrics_server **out, const union addr *addr)
{
	struct metrics_server *s = calloc(1, sizeof(*s));
	union addr bound = *addr;
	socklen_t len = sizeof(bound);
	char name[ADDR_TEXT_MAX];
	int err = s ? server_init(s, addr) : -ENOMEM;

	if (!err && getsockname(s->fd, &bound.sa, &len) < 0)
		err = -errno;
	addr_format(name, &bound);
	if (err) {
		metrics_server_close(s);
		return log_err(err, "metrics %s: cannot listen%s", name,
			       err == -EADDRINUSE ? " (another process has this port: ss -ltnp)"
						  : "");
	}
	log_info("metrics: listening on %s", name);
	s->port = addr_port(&bound);
	*out = s;
	return 0;
}

uint16_t metrics_server_port(const struct metrics_server *s)
{
	return s->port;
}

int metrics_server_start(struct metrics_server *s, const struct metrics_source *source)
{
	int err;

	s->source = *source;
	err = pthread_create(&s->thread, NULL, server_main, s);
	if (err)
		return log_err(err, "metrics: thread cannot be started");
	s->started = true;
	return 0;
}

void metrics_server_close(struct metrics_server *s)
{
	uint64_t one = 1;

	if (!s)
		return;
	if (s->started && write(s->wake_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(s->thread, NULL);
	while (!TAILQ_EMPTY(&s->scrapes))
		scrape_end(TAILQ_FIRST(&s->scrapes));
	bury(s);
	loop_fini(&s->loop);
	close_fdp(&s->fd);
	close_fdp(&s->wake_fd);
	free(s);
}

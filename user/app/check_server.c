/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks one server. See check_server.h. */
#include "app/check_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/app.h"
#include "app/check_request.h"
#include "base/check.h"
#include "base/container_of.h"
#include "base/errno_text.h"
#include "base/log.h"
#include "base/reset_on_close.h"

/* No event tells that the queue of a unix socket has room. */
#define QUEUE_AGAIN_MS 100
/* What kedge lacks is logged at most this often. */
#define SAID_MS        10000
#define READ_BYTES     4096
#define WHY_BYTES      128

#ifdef KEDGE_CHECKS
static void state_check(const struct check_server *s)
{
	CHECK(s, (s->phase == CHECK_WAITS) == (s->fd < 0));
	CHECK(s, s->timer.due_ms);
	CHECK(s, !s->good || !s->bad);
	CHECK(s, s->sent <= s->request_len);
	CHECK_IF(s, s->phase >= CHECK_SENDS, s->request_len);
	CHECK_IF(s, s->phase >= CHECK_READS, s->sent == s->request_len);
	CHECK(s, s->got <= CHECK_ANSWER_MAX);
}
#endif

static uint64_t now_ms(const struct check_server *s)
{
	return s->checker->loop->now_ms;
}

/* --- the end of a check ----------------------------------------------------------------------- */

/* After this the socket is gone, and the next check has its time. */
static void wait_next(struct check_server *s)
{
	uint64_t due = s->began_ms + s->every_ms;

	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->phase = CHECK_WAITS;
	loop_timer_set(s->checker->loop, &s->timer, due > now_ms(s) ? due - now_ms(s) : 0);
}

static bool is_down_by_operator(const struct check_server *s)
{
	return __atomic_load_n(&s->server->admin, __ATOMIC_RELAXED) == SERVER_DOWN;
}

static enum server_health health_of(const struct check_server *s)
{
	return (enum server_health)__atomic_load_n(&s->server->health, __ATOMIC_RELAXED);
}

static void count_good(struct check_server *s)
{
	char why[WHY_BYTES] = "a check was good";

	if (is_down_by_operator(s))
		return;
	s->bad = 0;
	if (s->good < s->rise)
		s->good++;
	if (health_of(s) == SERVER_BAD && s->good < s->rise)
		return;
	if (s->good > 1)
		snprintf(why, sizeof(why), "%u checks in a row were good", s->good);
	server_set_health(s->server, SERVER_GOOD, now_ms(s), why);
}

static void count_bad(struct check_server *s, const char *cause)
{
	char why[WHY_BYTES + 48];
	int n;

	if (is_down_by_operator(s))
		return;
	s->good = 0;
	if (s->bad < s->fall)
		s->bad++;
	if (s->bad < s->fall)
		return;
	n = snprintf(why, sizeof(why), "%s", cause);
	if (s->bad > 1 && n > 0 && (size_t)n < sizeof(why))
		snprintf(why + n, sizeof(why) - (size_t)n, " (%u bad checks in a row)", s->bad);
	server_set_health(s->server, SERVER_BAD, now_ms(s), why);
}

/* The server gets no FIN that it might take for the end of a request. */
static void end_bad(struct check_server *s, const char *cause)
{
	count_bad(s, cause);
	if (s->fd >= 0)
		reset_on_close(s->fd);
	wait_next(s);
}

/* By TCP. */
static void end_good(struct check_server *s)
{
	count_good(s);
	wait_next(s);
}

static bool is_lack(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -ENOBUFS ||
	       err == -ENOSPC || err == -EADDRNOTAVAIL;
}

/* A call has failed. What kedge itself lacks says nothing about the server. */
static void end_failed(struct check_server *s, int err)
{
	struct checker *c = s->checker;

	if (!is_lack(err)) {
		end_bad(s, errno_text(-err));
		return;
	}
	if (!c->said_ms || now_ms(s) >= c->said_ms + SAID_MS) {
		log_emit(LOG_LEVEL_WARN, -err,
			 "application %s: server %s cannot be checked now, and stays what it is",
			 s->server->app, s->server->name);
		c->said_ms = now_ms(s);
	}
	wait_next(s);
}

/* --- HTTP ------------------------------------------------------------------------------------- */

/* The status of the check under way. */
static void judge(struct check_server *s)
{
	char why[WHY_BYTES];
	unsigned status = s->answer.status, from = s->status.from, to = s->status.to;

	if (status >= from && status <= to) {
		count_good(s);
	} else {
		if (from == to)
			snprintf(why, sizeof(why), "%u where %u was expected", status, from);
		else
			snprintf(why, sizeof(why), "%u where %u-%u was expected", status, from, to);
		count_bad(s, why);
	}
}

/*
 * The verdict is there. The answer is read to its end, since closing before would reset the
 * connection; but for no longer than the check may take, and not when the next one is due.
 */
static void drain(struct check_server *s)
{
	uint64_t until = s->began_ms + (s->timeout_ms < s->every_ms ? s->timeout_ms : s->every_ms);

	s->phase = CHECK_DRAINS;
	loop_timer_set(s->checker->loop, &s->timer, until > now_ms(s) ? until - now_ms(s) : 0);
}

static void take(struct check_server *s, const char *bytes, size_t n)
{
	char why[WHY_BYTES];

	switch (check_answer_feed(&s->answer, bytes, n)) {
	case CHECK_ANSWER_MORE:
		break;
	case CHECK_ANSWER_STATUS:
		judge(s);
		drain(s);
		break;
	case CHECK_ANSWER_BAD:
		end_bad(s, "it does not answer with HTTP/1.1");
		break;
	case CHECK_ANSWER_STORM:
		snprintf(why, sizeof(why), "more than %u interim responses",
			 CHECK_ANSWER_INTERIM_MAX);
		end_bad(s, why);
		break;
	case CHECK_ANSWER_LONG:
		snprintf(why, sizeof(why), "no status in the first %u bytes of its answer",
			 CHECK_ANSWER_MAX);
		end_bad(s, why);
		break;
	}
}

static void answer_ends(struct check_server *s, int err)
{
	if (err)
		end_failed(s, -err);
	else
		end_bad(s, s->got ? "it closed the connection within the head of its answer"
				  : "it closed the connection without an answer");
}

/* Once for each event, so that no server keeps the thread from the others. */
static void read_on(struct check_server *s)
{
	char bytes[READ_BYTES];
	size_t room = CHECK_ANSWER_MAX - s->got;
	ssize_t n = recv(s->fd, bytes, room < sizeof(bytes) ? room : sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		s->got += (size_t)n;
	if (s->phase == CHECK_READS && n > 0)
		take(s, bytes, (size_t)n);
	else if (s->phase == CHECK_READS)
		answer_ends(s, n < 0 ? errno : 0);
	else if (n <= 0)
		wait_next(s);
	/* The answer goes on, but nobody wants it. */
	if (s->phase == CHECK_DRAINS && s->got == CHECK_ANSWER_MAX)
		wait_next(s);
}

static void send_on(struct check_server *s)
{
	ssize_t n = send(s->fd, s->request + s->sent, s->request_len - s->sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 && s->check == CHECK_TCP) {
		end_failed(s, -errno);
		return;
	}
	if (n > 0)
		s->sent += (size_t)n;
	if (n >= 0 && s->sent < s->request_len)
		return;
	if (s->check == CHECK_TCP) {
		end_good(s);
		return;
	}
	/* A server may answer, and close, before it has the request: what it said counts. */
	s->sent = s->request_len;
	s->phase = CHECK_READS;
	loop_mod(s->checker->loop, s->fd, &s->watch, EPOLLIN);
}

/* --- the connection --------------------------------------------------------------------------- */

static void connected(struct check_server *s)
{
	int err = app_connected(s->fd, &s->addr);

	if (err) {
		end_failed(s, err);
	} else if (!s->request_len) {
		end_good(s);
	} else {
		s->phase = CHECK_SENDS;
		send_on(s);
	}
}

static void dial(struct check_server *s)
{
	int err = app_connect(s->fd, &s->addr);
	uint64_t until = s->began_ms + s->timeout_ms, left = until - now_ms(s);

	s->phase = err == -EAGAIN ? CHECK_QUEUES : CHECK_CONNECTS;
	if (!err)
		err = loop_add(s->checker->loop, s->fd, &s->watch, EPOLLOUT);
	else if (err == -EAGAIN && left > QUEUE_AGAIN_MS)
		left = QUEUE_AGAIN_MS;
	if (err && err != -EAGAIN)
		end_failed(s, err);
	else
		loop_timer_set(s->checker->loop, &s->timer, left);
}

static void begin(struct check_server *s)
{
	union addr buf;
	int fd;

	s->began_ms = now_ms(s);
	if (is_down_by_operator(s)) {
		s->good = s->bad = 0;
		wait_next(s);
		return;
	}
	s->addr = *server_addr(s->server, &s->addr, &buf);
	fd = app_socket(&s->addr, false);
	if (fd < 0) {
		end_failed(s, fd);
		return;
	}
	s->fd = fd;
	s->sent = s->got = 0;
	s->answer = (struct check_answer){0};
	dial(s);
}

static void too_late(struct check_server *s)
{
	char why[WHY_BYTES];
	const char *what = s->phase == CHECK_QUEUES     ? "its queue of connections was full for"
			   : s->phase == CHECK_CONNECTS ? "not connected within"
							: "no answer within";

	snprintf(why, sizeof(why), "%s %u ms", what, s->timeout_ms);
	end_bad(s, why);
}

static void expired(struct timer *timer)
{
	struct check_server *s = container_of(timer, struct check_server, timer);

	if (s->phase == CHECK_WAITS)
		begin(s);
	else if (s->phase == CHECK_QUEUES && now_ms(s) < s->began_ms + s->timeout_ms)
		dial(s);
	else if (s->phase == CHECK_DRAINS)
		wait_next(s);
	else
		too_late(s);
	CHECKED(state_check(s));
}

static void ready(struct watch *watch, uint32_t events)
{
	struct check_server *s = container_of(watch, struct check_server, watch);

	(void)events;
	if (s->fd < 0)
		return; /* it has ended in this turn */
	if (s->phase == CHECK_CONNECTS)
		connected(s);
	else if (s->phase == CHECK_SENDS)
		send_on(s);
	else
		read_on(s);
	CHECKED(state_check(s));
}

/* --- its life --------------------------------------------------------------------------------- */

struct check_server *check_server_new(struct server *server, const struct conf_app *app,
				      const struct conf_server *conf)
{
	struct check_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct check_server){
		.watch.ready = ready,
		.timer.expired = expired,
		.server = server_get(server),
		.check = app->check,
		.addr = conf->addr,
		.status = app->check_status,
		.every_ms = app->check_every_ms,
		.timeout_ms = app->check_timeout_ms,
		.rise = app->check_rise,
		.fall = app->check_fall,
		.fd = -1,
	};
	s->request = check_request(&s->request_len, app, conf);
	if (s->request)
		return s;
	check_server_free(s);
	return NULL;
}

void check_server_free(struct check_server *s)
{
	if (!s)
		return;
	CHECKED(CHECK(s, s->fd < 0 && !s->timer.slot_ms));
	server_put(s->server);
	free(s->request);
	free(s);
}

/* addr_equal() knows no unix sockets. */
static bool same_addr(const union addr *a, const union addr *b)
{
	char x[ADDR_TEXT_MAX], y[ADDR_TEXT_MAX];

	addr_format(x, a);
	addr_format(y, b);
	return !strcmp(x, y);
}

bool check_server_same(const struct check_server *a, const struct check_server *b)
{
	return a->server == b->server && a->check == b->check && same_addr(&a->addr, &b->addr) &&
	       a->status.from == b->status.from && a->status.to == b->status.to &&
	       a->every_ms == b->every_ms && a->timeout_ms == b->timeout_ms && a->rise == b->rise &&
	       a->fall == b->fall && a->request_len == b->request_len &&
	       !memcmp(a->request, b->request, a->request_len);
}

void check_server_begin(struct check_server *s, struct checker *checker, uint64_t after_ms)
{
	s->checker = checker;
	loop_timer_set(checker->loop, &s->timer, after_ms);
}

void check_server_end(struct check_server *s)
{
	if (s->fd >= 0) {
		reset_on_close(s->fd);
		close(s->fd);
	}
	s->fd = -1;
	loop_timer_stop(s->checker->loop, &s->timer);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow_world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/check.h"
#include "conn/flow_check.h"
#include "http/edit_user.h"
#include "http/edit_watch.h"
#include "invariant.h"

/* No descriptors. */
#define CLIENT_FD 9001
#define APP_FD    9002

/* More turns than these without an event mean that the flow spins. */
#define TURNS_MAX 100000

static struct flow_world *world; /* there is one at a time */

ssize_t __real_recv(int fd, void *buf, size_t n, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
int __real_shutdown(int fd, int how);
ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
int __wrap_shutdown(int fd, int how);

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* --- the model -------------------------------------------------------------------------------- */

static void note_head(struct flow_world *w)
{
	size_t n = w->heads_count;

	if (!(n & (n - 1)))
		w->heads = realloc(w->heads, (n ? 2 * n : 1) * sizeof(*w->heads));
	INVARIANT(w->heads);
	w->heads[w->heads_count++] = http1_is_head(&w->model.h);
}

/* Reads what kedge has taken, up to an upgrade that is not answered. */
static void model_goes_on(struct flow_world *w)
{
	struct http1_model *m = &w->model;

	while (w->modelled < w->client.taken && m->h.state != HTTP1_WAITING &&
	       m->h.state != HTTP1_REFUSED) {
		uint32_t before = m->h.requests;
		bool blocks = m->h.state == HTTP1_BODY || m->h.state == HTTP1_CHUNK;
		size_t n = blocks ? least(m->h.left, w->client.taken - w->modelled) : 1;

		w->modelled += http1_model_feed(m, w->client.says.data + w->modelled, n);
		if (m->h.requests != before)
			note_head(w);
	}
}

static ssize_t spy_send(struct edit *e, const void *buf, size_t n)
{
	ssize_t r = edit_send(world->inner, buf, n);

	e->cut_off = world->inner->cut_off;
	e->holds = world->inner->holds;
	return r;
}

static int spy_flush(struct edit *e)
{
	int r = edit_flush(world->inner);

	e->holds = world->inner->holds;
	return r;
}

static int spy_resume(struct edit *e, bool tunnel)
{
	INVARIANT(world->model.h.state == HTTP1_WAITING);
	http1_resume(&world->model.h, tunnel);
	model_goes_on(world);
	return edit_resume(world->inner, tunnel);
}

static void spy_free(struct edit *e)
{
	edit_free(world->inner);
}

static void see_head(void *arg, const char *head, size_t len)
{
	struct flow_world *w = arg;

	w->heads_seen++;
}

/* --- the client leg --------------------------------------------------------------------------- */

static ssize_t client_read(struct record *r, void *buf, size_t n)
{
	struct flow_end *c = &world->client;

	n = least(n, c->said - c->taken);
	if (!n) {
		r->clean_end = true;
		return c->fin ? 0 : -EAGAIN;
	}
	memcpy(buf, c->says.data + c->taken, n);
	c->taken += n;
	r->drained = c->taken == c->said;
	model_goes_on(world);
	return (ssize_t)n;
}

static ssize_t client_write(struct record *r, const void *buf, size_t n)
{
	struct flow_end *c = &world->client;

	INVARIANT(!c->closed);
	n = least(n, c->room);
	c->full = !n;
	if (!n)
		return -EAGAIN;
	http1_bytes_add(&c->got, buf, n);
	c->room -= n;
	return (ssize_t)n;
}

static int client_flush(struct record *r)
{
	return 0;
}

static int client_close_write(struct record *r)
{
	struct flow_end *c = &world->client;

	c->full = !c->room;
	if (c->full)
		return -EAGAIN;
	c->closed = true;
	return 0;
}

/* --- the application leg ---------------------------------------------------------------------- */

static void arrives(struct flow_world *w, bool request, bool head, enum kedge_standing standing)
{
	size_t n = w->arrivals;

	if (!(n & (n - 1)))
		w->arrival = realloc(w->arrival, (n ? 2 * n : 1) * sizeof(*w->arrival));
	INVARIANT(w->arrival);
	w->arrival[w->arrivals++] =
		(struct response_arrival){w->app.taken, request, head, standing};
}

/* What the follower of responses knows of the requests, before it reads on. */
static void take_note(struct flow_world *w)
{
	const struct kedge_note *now = w->inner->note;
	uint32_t k = w->noted.requests, bit = now->requests % KEDGE_NOTE_RING;

	/* The second reader sees by itself that an upgrade is answered. */
	for (; k != now->requests; k++) {
		bool last = k + 1 == now->requests && now->standing != KEDGE_HEAD;

		INVARIANT(k < w->heads_count);
		arrives(w, true, w->heads[k], last ? now->standing : KEDGE_BETWEEN);
	}
	if (now->standing == KEDGE_HEAD || now->standing != w->noted.standing)
		arrives(w, false, now->head_bits[bit / 64] >> bit % 64 & 1, now->standing);
	w->noted.requests = now->requests;
	w->noted.standing = now->standing;
}

ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags)
{
	struct flow_end *a = &world->app;

	if (fd != APP_FD)
		return __real_recv(fd, buf, n, flags);
	take_note(world);
	n = least(n, a->said - a->taken);
	if (n) {
		memcpy(buf, a->says.data + a->taken, n);
		a->taken += n;
		return (ssize_t)n;
	}
	errno = a->reset ? ECONNRESET : EAGAIN;
	return a->fin && !a->reset ? 0 : -1;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct flow_end *a = &world->app;
	size_t sent = 0;

	if (fd != APP_FD)
		return __real_sendmsg(fd, m, flags);
	INVARIANT(!a->closed);
	errno = a->reset ? EPIPE : EAGAIN;
	a->full = !a->room;
	if (a->reset || !a->room)
		return -1;
	for (size_t i = 0; i < m->msg_iovlen; i++) {
		size_t n = least(m->msg_iov[i].iov_len, a->room);

		http1_bytes_add(&a->got, m->msg_iov[i].iov_base, n);
		a->room -= n;
		sent += n;
	}
	a->full = !a->room;
	return (ssize_t)sent;
}

int __wrap_shutdown(int fd, int how)
{
	if (fd == APP_FD)
		world->app.closed = true;
	else if (fd != CLIENT_FD) /* of the client leg: it ends without a close_notify */
		return __real_shutdown(fd, how);
	return 0;
}

/* --- events ----------------------------------------------------------------------------------- */

static void turns(struct flow_world *w)
{
	unsigned n = 0;

	if (w->verdict >= MOVER_END)
		return;
	do {
		w->verdict = mover_run(&w->m, &w->f);
		CHECKED(flow_check(&w->f));
		INVARIANT(++n < TURNS_MAX);
		INVARIANT(!w->f.up.data || w->f.up.len <= w->m.buf_size);
		INVARIANT(!w->f.down.data || w->f.down.len <= w->m.buf_size);
	} while (w->verdict == MOVER_MORE);
	if (w->verdict == MOVER_WAIT)
		CHECKED(flow_check_waits(&w->f));
}

void flow_client_says(struct flow_world *w, size_t n)
{
	w->client.said += least(n, w->client.fin ? 0 : w->client.says.len - w->client.said);
	mover_client_event(&w->f, EPOLLIN);
	turns(w);
}

void flow_app_says(struct flow_world *w, size_t n)
{
	w->app.said += least(n, w->app.fin ? 0 : w->app.says.len - w->app.said);
	mover_app_event(&w->f, EPOLLIN);
	turns(w);
}

void flow_app_answers(struct flow_world *w)
{
	size_t left = w->app.says.len - w->app.said;
	const uint8_t *p = left ? w->app.says.data + w->app.said : NULL;
	const uint8_t *end = left ? memmem(p, left, "\r\n\r\n", 4) : NULL;

	flow_app_says(w, end ? (size_t)(end - p) + 4 : left);
}

void flow_client_takes(struct flow_world *w, size_t n)
{
	bool full = w->client.full;

	w->client.room += n;
	if (full)
		mover_client_event(&w->f, EPOLLOUT);
	turns(w);
}

void flow_app_takes(struct flow_world *w, size_t n)
{
	bool full = w->app.full;

	w->app.room += n;
	if (full)
		mover_app_event(&w->f, EPOLLOUT);
	turns(w);
}

void flow_client_ends(struct flow_world *w)
{
	w->client.fin = true;
	mover_client_event(&w->f, EPOLLIN | EPOLLRDHUP);
	turns(w);
}

void flow_app_ends(struct flow_world *w, bool reset)
{
	w->app.fin = true;
	w->app.reset |= reset;
	mover_app_event(&w->f, EPOLLIN | EPOLLRDHUP | (reset ? EPOLLERR | EPOLLHUP : 0));
	turns(w);
}

/* --- the second reader ------------------------------------------------------------------------ */

void flow_reference(const struct flow_world *w, struct response_reference *r)
{
	*r = (struct response_reference){.arrival = w->arrival, .arrivals = w->arrivals};
	response_reference_read(r, (const char *)w->app.says.data, w->app.taken);
}

bool flow_inside(const struct response_reference *r)
{
	const struct response_message *last = r->messages ? &r->message[r->messages - 1] : NULL;

	return last && !last->end;
}

/* --- a world ---------------------------------------------------------------------------------- */

struct flow_world *flow_world_new(size_t buf, enum http1_mode mode, __u16 flags)
{
	static const struct record_ops record_ops = {
		.name = "fuzz",
		.read = client_read,
		.write = client_write,
		.flush = client_flush,
		.close_write = client_close_write,
	};
	static const struct edit_ops spy_ops = {
		.name = "spy",
		.send = spy_send,
		.flush = spy_flush,
		.resume = spy_resume,
		.free = spy_free,
	};
	struct flow_world *w = calloc(1, sizeof(*w));
	struct edit *user;

	INVARIANT(w);
	world = w;
	w->now_us = 1;
	http1_case_conf(&w->conf, mode, flags);
	w->model.conf = &w->conf;
	user = edit_user_new(APP_FD, &w->conf, &w->stats, NULL);
	w->inner = edit_watch_new(user, &w->conf, see_head, w, NULL);
	INVARIANT(user && w->inner);
	w->spy = (struct edit){
		.ops = &spy_ops, .note = user->note, .stats = &w->stats, .fd = APP_FD};
	w->record = (struct record){.ops = &record_ops, .fd = CLIENT_FD};
	w->m = (struct mover){.buf = malloc(buf),
			      .buf_size = buf,
			      .stats = &w->stats,
			      .metrics = &w->metrics,
			      .now_us = &w->now_us};
	INVARIANT(w->m.buf);
	w->leg = (struct leg){.edit = &w->spy, .fd = APP_FD};
	w->f = (struct flow){.record = &w->record, .leg = &w->leg};
	return w;
}

static void end_free(struct flow_end *e)
{
	free(e->says.data);
	free(e->got.data);
}

void flow_world_free(struct flow_world *w)
{
	mover_forget(&w->f);
	edit_free(&w->spy);
	http1_model_free(&w->model);
	end_free(&w->client);
	end_free(&w->app);
	free(w->heads);
	free(w->arrival);
	free(w->m.buf);
	free(w);
	world = NULL;
}

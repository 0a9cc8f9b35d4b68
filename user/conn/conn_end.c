/* SPDX-License-Identifier: BSD-2-Clause */
/* How a connection ends: the wait for the client's end, the close. */
#include "conn/conn_end.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "access/access.h"
#include "base/reset_on_close.h"
#include "base/trace.h"
#include "conn/conn_header.h"
#include "conn/conn_leg.h"
#include "conn/mover.h"
#include "tls/record_plain.h"

/* After so many reads, or the bytes of so many buffers, other connections have their turn. */
#define LINGER_READS_PER_TURN   64
#define LINGER_BUFFERS_PER_TURN 2

/*
 * A connection that its address has no room for lingers this long at most: its answer has arrived
 * by then.
 */
#define REFUSED_LINGER_MS 1000

static void access_end(struct conn *c)
{
	access_flow_end(c->access);
	c->access = c->flow.access = NULL;
}

/* --- LINGER ----------------------------------------------------------------------------------- */

static uint64_t linger_due(const struct conn *c)
{
	uint32_t ms = conn_conf(c)->linger_timeout_ms;

	return c->active_ms +
	       (c->refused_source && ms > REFUSED_LINGER_MS ? REFUSED_LINGER_MS : ms);
}

/* After a fault of the record layer there may be more to take without an event that tells. */
static void set_timer(struct conn *c)
{
	uint64_t now = c->worker->loop.now_ms;
	uint64_t due = linger_due(c);
	uint64_t left = due > now ? due - now : 0;

	if (c->flow.record && c->flow.record->told && left > CONN_QUIET_LOOK_MS)
		left = CONN_QUIET_LOOK_MS;
	loop_timer_set(&c->worker->loop, &c->timer, left);
}

struct conn_verdict conn_linger_enter(struct conn *c, bool alert)
{
	conn_leg_close(c, alert && flow_is_joined(&c->flow));
	if (alert) {
		mover_forget(&c->flow);
		shutdown(c->client_fd, SHUT_WR);
		c->flow.client_shut = true;
	}
	access_end(c);
	c->active_ms = c->worker->loop.now_ms;
	if (c->flow.client_eof)
		return verdict_next(CONN_CLOSED);
	set_timer(c);
	return conn_linger_run(c);
}

/*
 * Reads and drops what the client still sends. A close(2) with unread bytes would send a RST, which
 * can take our last bytes from the client.
 */
struct conn_verdict conn_linger_run(struct conn *c)
{
	struct mover *m = &c->worker->mover;
	struct record *r = c->flow.record;
	size_t left = LINGER_BUFFERS_PER_TURN * m->buf_size;

	for (int i = 0; i < LINGER_READS_PER_TURN; i++) {
		ssize_t n = r ? record_drain(r, m->buf, m->buf_size)
			      : record_socket_drain(c->client_fd, m->buf, m->buf_size);

		if (n == -EAGAIN)
			return verdict_stay();
		if (n <= 0)
			return verdict_next(CONN_CLOSED);
		if ((r && r->tired) || (size_t)n >= left)
			break;
		left -= (size_t)n;
	}
	loop_later(&c->worker->loop, &c->again);
	return verdict_stay();
}

struct conn_verdict conn_linger_expired(struct conn *c)
{
	if (c->worker->loop.now_ms >= linger_due(c))
		return verdict_next(CONN_CLOSED);
	set_timer(c);
	return conn_linger_run(c);
}

/* --- CLOSED ----------------------------------------------------------------------------------- */

void conn_closed_enter(struct conn *c, bool reset)
{
	struct worker *w = c->worker;

	loop_timer_stop(&w->loop, &c->timer);
	conn_leg_close(c, reset);
	mover_forget(&c->flow);
	record_free(c->flow.record);
	c->flow.record = NULL;
	if (reset)
		reset_on_close(c->client_fd);
	close(c->client_fd);
	c->client_fd = -1;
	conn_header_free(c);
	access_end(c);
	intern_put(&w->names, c->name);
	c->name = NULL;
	TRACE_CLOSE(&c->flow, c->responses);
	w->conns_count--;
	sources_leave(w->shared->limits->sources, c->source);
	sources_refuse_over(w->shared->limits->sources, c->refused_source);
	service_leave(c->service);
	/* Behind these: where it is counted as closed, its place is free. */
	w->stats->closed++;
	c->service->metrics->closed++;
	LIST_REMOVE(c, link);
	LIST_INSERT_HEAD(&w->graves, c, link);
	loop_later(&w->loop, &w->bury);
}

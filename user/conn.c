/*
 * A connection from accept to close. See conn.h for the state table; the functions below stand in
 * its order.
 */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/tcp.h>
#include <unistd.h>

#include "app.h"
#include "listener.h"
#include "proxy_proto.h"
#include "reply.h"
#include "tls.h"
#include "worker.h"
#include "xff.h"

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* While draining, a flow is looked at this often; one that has not begun its first request gets as
 * long. */
#define DRAIN_LOOK_MS 1000

#define EVENTS_IN  (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)
#define EVENTS_ALL (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static const struct conf *conf_of(const struct conn *c)
{
	return c->worker->shared->conf;
}

static void enter(struct conn *c, enum conn_state state, uint32_t timeout_ms)
{
	c->state = (uint8_t)state;
	loop_timer_set(&c->worker->loop, &c->timer, timeout_ms);
}

static void count_reason(struct conn *c, enum kedge_reason reason)
{
	/* The struct of counters is made of the same list as the enum, in the same order. */
	uint64_t *counters = (uint64_t *)&c->worker->stats->reasons;

	if (reason != KEDGE_REASON_NONE)
		counters[reason - 1]++;
}

/* --- end
 * ------------------------------------------------------------------------------------------ */

/* The next close(2) sends RST instead of FIN, so that the peer takes nothing unfinished for
 * finished. */
static void reset_on_close(int fd)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void app_leg_close(struct conn *c, bool reset)
{
	if (c->flow.app_fd < 0)
		return;
	if (reset)
		reset_on_close(c->flow.app_fd);
	edit_free(c->flow.edit);
	c->flow.edit = NULL;
	if (c->bpf_flow.cookie)
		bpf_flow_del(c->worker->shared->bpf, &c->bpf_flow);
	close(c->flow.app_fd);
	c->flow.app_fd = -1;
}

static void conn_close(struct conn *c)
{
	struct worker *w = c->worker;

	if (c->state == CONN_CLOSED)
		return;
	c->state = CONN_CLOSED;
	loop_timer_stop(&w->loop, &c->timer);
	mover_forget(&c->flow);
	app_leg_close(c, false);
	tls_conn_free(c->tls);
	c->tls = NULL;
	record_free(c->flow.record);
	c->flow.record = NULL;
	close(c->client_fd);
	c->client_fd = -1;
	w->stats->closed++;
	w->conns_count--;
	LIST_REMOVE(c, link);
	LIST_INSERT_HEAD(&w->graves, c, link);
	loop_later(&w->loop, &w->bury);
}

void conn_abort(struct conn *c, enum kedge_reason reason)
{
	count_reason(c, reason);
	reset_on_close(c->client_fd);
	if (c->flow.app_fd >= 0)
		reset_on_close(c->flow.app_fd);
	conn_close(c);
}

void conn_bury(struct worker *w)
{
	struct conn *c, *next;

	for (c = LIST_FIRST(&w->graves); c; c = next) {
		next = LIST_NEXT(c, link);
		if (c->again.queued) { /* still on the list of tasks: next turn */
			loop_later(&w->loop, &w->bury);
			continue;
		}
		LIST_REMOVE(c, link);
		free(c);
	}
}

/* Reads and drops what the client still sends, so that close(2) does not turn our last bytes into a
 * RST. */
static void linger_read(struct conn *c)
{
	struct mover *m = &c->worker->mover;

	for (int i = 0; i < 64; i++) {
		ssize_t n = recv(c->client_fd, m->buf, m->buf_size, MSG_DONTWAIT);

		if (n > 0)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		conn_close(c); /* the end, or (EIO) a control record: the client's close_notify */
		return;
	}
	loop_later(&c->worker->loop, &c->again);
}

static void linger_begin(struct conn *c)
{
	app_leg_close(c, false);
	enter(c, CONN_LINGER, conf_of(c)->linger_timeout_ms);
	if (c->flow.client_eof)
		conn_close(c);
	else
		linger_read(c);
}

/* A failed handshake has sent its alert: let it arrive. */
static void linger_after_alert(struct conn *c)
{
	tls_conn_free(c->tls);
	c->tls = NULL;
	shutdown(c->client_fd, SHUT_WR);
	linger_begin(c);
}

/* --- kedge's own answer
 * ---------------------------------------------------------------------------- */

/* Sends what is left of the answer, then ends our direction. */
static void reply_run(struct conn *c)
{
	struct flow *f = &c->flow;
	int r = record_flush(f->record);

	while (r == 0 && f->down.data) {
		ssize_t n = record_write(f->record, f->down.data + f->down.off,
					 f->down.len - f->down.off);

		r = n < 0 ? (int)n : 0;
		if (n > 0 && (f->down.off += (uint32_t)n) == f->down.len)
			mover_forget(f);
	}
	if (r == 0)
		r = record_close_write(f->record);
	if (r == 0)
		linger_begin(c);
	else if (r != -EAGAIN)
		conn_abort(c, KEDGE_REASON_client_reset);
}

/* Ends our direction of the client leg in order, with nothing more to say. */
static void conn_finish(struct conn *c)
{
	app_leg_close(c, false);
	enter(c, CONN_REPLY, conf_of(c)->linger_timeout_ms);
	reply_run(c);
}

/* Answers the client with the status that belongs to the reason, where one does, and ends. */
static void conn_reply(struct conn *c, enum kedge_reason reason)
{
	char text[REPLY_BYTES_MAX];
	size_t len;

	count_reason(c, reason);
	app_leg_close(c, true);
	mover_forget(&c->flow);
	if (reply_status(reason)) {
		len = reply_format(text, reason);
		c->flow.down.data = malloc(len);
		if (!c->flow.down.data) {
			conn_abort(c, KEDGE_REASON_NONE);
			return;
		}
		memcpy(c->flow.down.data, text, len);
		c->flow.down.len = (uint32_t)len;
		c->worker->stats->responses_own++;
	}
	enter(c, CONN_REPLY, conf_of(c)->linger_timeout_ms);
	reply_run(c);
}

/* --- moving
 * ------------------------------------------------------------------------------------------ */

/* A deadline nearer than the idle one exists only while the client owes the rest of a head. */
static void move_deadline(struct conn *c)
{
	const struct conf *conf = conf_of(c);
	const struct kedge_note *note = c->flow.edit->note;
	struct loop *loop = &c->worker->loop;

	c->active_ms = loop->now_ms;
	if (note->standing != KEDGE_HEAD || !mover_awaits_client(&c->flow)) {
		c->head_ms = 0;
		loop_timer_set(loop, &c->timer,
			       c->worker->draining ? DRAIN_LOOK_MS : conf->idle_timeout_ms);
	} else if (!c->head_ms || c->head_index != note->requests) {
		c->head_ms = loop->now_ms;
		c->head_index = note->requests;
		loop_timer_set(loop, &c->timer, conf->head_timeout_ms);
	}
}

static void move_expired(struct conn *c)
{
	const struct conf *conf = conf_of(c);
	uint64_t now = c->worker->loop.now_ms;

	if (c->worker->draining && mover_idle(&c->flow)) {
		conn_finish(c);
	} else if (c->head_ms && now >= c->head_ms + conf->head_timeout_ms) {
		if (response_between(&c->flow.response) &&
		    !response_outstanding(&c->flow.response, c->flow.edit->note))
			conn_reply(c, KEDGE_REASON_head_timeout);
		else
			conn_abort(c, KEDGE_REASON_head_timeout);
	} else if (now >= c->active_ms + conf->idle_timeout_ms) {
		bool between = mover_idle(&c->flow);

		count_reason(c, KEDGE_REASON_idle_timeout);
		if (between)
			conn_finish(c);
		else
			conn_abort(c, KEDGE_REASON_NONE);
	} else {
		loop_timer_set(&c->worker->loop, &c->timer,
			       c->active_ms + conf->idle_timeout_ms - now);
	}
}

static void move_run(struct conn *c)
{
	enum mover_verdict verdict = mover_run(&c->worker->mover, &c->flow);

	switch (verdict) {
	case MOVER_MORE:
		loop_later(&c->worker->loop, &c->again);
		move_deadline(c);
		break;
	case MOVER_WAIT:
		if (c->client_error && c->flow.client_in)
			conn_abort(c, KEDGE_REASON_client_reset);
		else if (c->worker->draining && c->flow.edit->note->requests &&
			 mover_idle(&c->flow))
			conn_finish(c);
		else
			move_deadline(c);
		break;
	case MOVER_END:
		if (!c->flow.edit->note->requests && c->flow.client_eof)
			c->worker->stats->health_checks++;
		count_reason(c, c->flow.reason);
		linger_begin(c);
		break;
	case MOVER_REPLY:
		conn_reply(c, c->flow.reason);
		break;
	case MOVER_ABORT:
		conn_abort(c, c->flow.reason);
		break;
	}
}

/* --- connecting to the application
 * -------------------------------------------------------------------- */

/* How this connection's requests are to be edited. */
static void http1_conf_of(const struct conn *c, struct http1_conf *out)
{
	const struct conf *conf = conf_of(c);
	bool drop = conf->xff_trust.count &&
		    !cidr_match(conf->xff_trust.set, conf->xff_trust.count, &c->client);

	xff_prepare(out, conf, &c->client, drop, c->listener->conf->tls, c->port);
}

static struct edit *edit_new(struct conn *c)
{
	const struct shared *shared = c->worker->shared;
	struct http1_conf http1;
	struct edit *e;

	if (c->bpf_flow.cookie && shared->edit_kernel) {
		e = edit_bpf_new(c->flow.app_fd, shared->bpf, &c->bpf_flow, c->worker->stats);
		if (e)
			c->bpf_flow.cookie = 0; /* the editor owns it now */
		return e;
	}
	http1_conf_of(c, &http1);
	return edit_user_new(c->flow.app_fd, &http1, c->worker->stats);
}

static void count_flow(struct conn *c)
{
	struct kedge_stats *s = c->worker->stats;
	const struct shared *shared = c->worker->shared;
	const char *record = c->flow.record->ops->name;

	s->flows++;
	s->flows_plain += !c->listener->tls;
	s->flows_record_kernel += c->listener->tls && !strcmp(record, "kernel");
	s->flows_record_user += c->listener->tls && !strcmp(record, "user");
	s->flows_edit_kernel += shared->edit_kernel;
	s->flows_edit_user += !shared->edit_kernel;
	s->flows_bypass += shared->bypass;
}

static void connect_finish(struct conn *c)
{
	const struct shared *shared = c->worker->shared;
	int err = app_connected(c->flow.app_fd);

	if (err < 0) {
		conn_reply(c,
			   err == -ETIMEDOUT ? KEDGE_REASON_app_timeout : KEDGE_REASON_app_refused);
		return;
	}
	if (c->bpf_flow.cookie) {
		err = bpf_flow_join(shared->bpf, &c->bpf_flow, c->flow.app_fd);
		if (err < 0) {
			conn_reply(c, err == -ECONNRESET ? KEDGE_REASON_app_gone
							 : KEDGE_REASON_internal_error);
			return;
		}
	}
	c->flow.edit = edit_new(c);
	if (!c->flow.edit) {
		conn_reply(c, KEDGE_REASON_no_memory);
		return;
	}
	count_flow(c);
	c->state = CONN_MOVE;
	c->flow.client_in = true; /* bytes may have come before and with the handshake */
	move_run(c);
}

static int connect_register(struct conn *c)
{
	const struct shared *shared = c->worker->shared;
	struct http1_conf http1;

	if (!shared->bpf || (!shared->edit_kernel && !shared->bypass))
		return 0;
	http1_conf_of(c, &http1);
	return bpf_flow_add(shared->bpf, &c->bpf_flow, c->flow.app_fd, c->worker->index,
			    shared->edit_kernel ? &http1 : NULL, shared->bypass);
}

static void connect_begin(struct conn *c)
{
	const struct conf *conf = conf_of(c);
	int fd = app_socket(&conf->app);

	enter(c, CONN_CONNECT, conf->connect_timeout_ms);
	if (fd < 0) {
		conn_reply(c, KEDGE_REASON_no_memory);
		return;
	}
	c->flow.app_fd = fd;
	if (connect_register(c) < 0) {
		conn_reply(c, KEDGE_REASON_limit_connections);
		return;
	}
	if (app_connect(fd, &conf->app) < 0 ||
	    loop_add(&c->worker->loop, fd, &c->app_watch, EVENTS_ALL) < 0)
		conn_reply(c, KEDGE_REASON_app_refused);
}

/* --- handshake
 * ------------------------------------------------------------------------------------------ */

/* True when the client sent nothing but (perhaps) a PROXY prefix: a health check or a port scan. */
static bool sent_nothing(const struct conn *c)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(c->client_fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return false;
	return info.tcpi_bytes_received <= c->prefix_bytes + 1; /* a FIN counts as one */
}

static void handshake_failed(struct conn *c, enum kedge_reason reason)
{
	if (reason == KEDGE_REASON_tls_client_gone && sent_nothing(c)) {
		c->worker->stats->health_checks++;
		conn_abort(c, KEDGE_REASON_client_gone);
		return;
	}
	count_reason(c, reason);
	linger_after_alert(c);
}

static void count_handshake(struct conn *c, const struct tls_facts *facts)
{
	struct kedge_stats *s = c->worker->stats;

	s->handshakes_tls12 += facts->version == VERSION_TLS12;
	s->handshakes_tls13 += facts->version == VERSION_TLS13;
	s->handshakes_resumed += facts->resumed;
	s->handoffs += facts->kernel;
}

static void handshake_run(struct conn *c)
{
	enum kedge_reason reason = KEDGE_REASON_NONE;
	struct tls_facts facts = {0};

	switch (tls_handshake(c->tls, &reason)) {
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		return;
	case TLS_FAILED:
		handshake_failed(c, reason);
		return;
	case TLS_DONE:
		break;
	}
	if (tls_into_record(&c->tls, &c->flow.record, &facts, &reason) < 0) {
		conn_abort(c, reason);
		return;
	}
	count_handshake(c, &facts);
	connect_begin(c);
}

/* The client's address is known: TLS, or straight to the application. */
static void client_known(struct conn *c)
{
	struct worker *w = c->worker;

	if (!c->listener->tls) {
		c->flow.record = record_plain_new(c->client_fd, &w->scratch);
		if (c->flow.record)
			connect_begin(c);
		else
			conn_abort(c, KEDGE_REASON_no_memory);
		return;
	}
	c->tls = tls_conn_new(c->listener->tls, c->client_fd, &w->scratch);
	if (!c->tls) {
		conn_abort(c, KEDGE_REASON_no_memory);
		return;
	}
	enter(c, CONN_HANDSHAKE, conf_of(c)->handshake_timeout_ms);
}

/* --- PROXY prefix
 * ------------------------------------------------------------------------------------------ */

static void prefix_take(struct conn *c, const struct proxy_prefix *p)
{
	struct kedge_stats *s = c->worker->stats;

	s->prefix_v1 += p->version == 1;
	s->prefix_v2 += p->version == 2;
	if (p->local || p->src.family == AF_UNSPEC) {
		s->prefix_local++;
	} else {
		c->client = p->src;
		c->port = addr_port(&p->dst);
	}
	c->prefix_bytes = (uint32_t)p->len;
}

/* The verdict on the first bytes: 0 go on without a prefix, or why not. */
static enum kedge_reason prefix_judge(const struct conn *c, enum proxy_verdict verdict,
				      const struct proxy_prefix *p)
{
	if (verdict == PROXY_NONE)
		return c->listener->conf->proxy == PROXY_PREFIX_REQUIRE
			       ? KEDGE_REASON_prefix_missing
			       : KEDGE_REASON_NONE;
	if (!c->trusted)
		return KEDGE_REASON_prefix_forbidden;
	return verdict == PROXY_BAD ? p->reason : KEDGE_REASON_NONE;
}

static void prefix_run(struct conn *c, uint32_t events)
{
	struct mover *m = &c->worker->mover;
	struct proxy_prefix p = {0};
	enum proxy_verdict verdict;
	enum kedge_reason reason;
	ssize_t n = recv(c->client_fd, m->buf, PROXY_V2_BYTES_MAX, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		c->worker->stats->health_checks++;
		conn_abort(c, KEDGE_REASON_client_gone);
		return;
	}
	verdict = proxy_parse(&p, m->buf, (size_t)n);
	if (verdict == PROXY_MORE) {
		if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			conn_abort(c, KEDGE_REASON_prefix_bad);
		return;
	}
	reason = prefix_judge(c, verdict, &p);
	if (reason != KEDGE_REASON_NONE) {
		conn_abort(c, reason);
		return;
	}
	if (verdict == PROXY_DONE) {
		if (recv(c->client_fd, m->buf, p.len, MSG_DONTWAIT) != (ssize_t)p.len) {
			conn_abort(c, KEDGE_REASON_internal_error);
			return;
		}
		prefix_take(c, &p);
	}
	client_known(c);
	if (c->state == CONN_HANDSHAKE)
		handshake_run(c);
}

/* --- events
 * --------------------------------------------------------------------------------------------------
 */

static void move_client_ready(struct conn *c, uint32_t events)
{
	struct flow *f = &c->flow;

	if (events & EVENTS_IN)
		f->client_in = true;
	if (events & EPOLLOUT) {
		f->client_full = false;
		f->client_flush = true;
	}
	c->client_error |= !!(events & EPOLLERR);
	move_run(c);
}

static void client_ready(struct watch *watch, uint32_t events)
{
	struct conn *c = container_of(watch, struct conn, client_watch);

	switch ((enum conn_state)c->state) {
	case CONN_PREFIX:
		prefix_run(c, events);
		break;
	case CONN_HANDSHAKE:
		handshake_run(c);
		break;
	case CONN_CONNECT: /* remembered by the socket: read once the legs are joined */
		if (events & (EPOLLERR | EPOLLHUP))
			conn_abort(c, KEDGE_REASON_client_reset);
		break;
	case CONN_MOVE:
		move_client_ready(c, events);
		break;
	case CONN_REPLY:
		if (events & EPOLLOUT)
			reply_run(c);
		else if (events & (EPOLLERR | EPOLLHUP))
			conn_abort(c, KEDGE_REASON_client_reset);
		break;
	case CONN_LINGER:
		linger_read(c);
		break;
	case CONN_CLOSED:
		break;
	}
}

static void app_ready(struct watch *watch, uint32_t events)
{
	struct conn *c = container_of(watch, struct conn, app_watch);
	struct flow *f = &c->flow;

	if (c->state != CONN_CONNECT && c->state != CONN_MOVE)
		return;
	if (events & EVENTS_IN)
		f->app_in = true;
	if (events & EPOLLOUT) {
		f->app_full = false;
		f->app_flush = true;
	}
	if (c->state == CONN_CONNECT)
		connect_finish(c);
	else
		move_run(c);
}

static void again_run(struct task *task)
{
	struct conn *c = container_of(task, struct conn, again);

	if (c->state == CONN_MOVE)
		move_run(c);
	else if (c->state == CONN_LINGER)
		linger_read(c);
}

static void expired(struct timer *timer)
{
	struct conn *c = container_of(timer, struct conn, timer);

	switch ((enum conn_state)c->state) {
	case CONN_PREFIX:
		if (c->worker->draining)
			conn_close(c); /* see conn_drain() */
		else
			conn_abort(c, KEDGE_REASON_prefix_timeout);
		break;
	case CONN_HANDSHAKE:
		conn_abort(c, KEDGE_REASON_tls_handshake_timeout);
		break;
	case CONN_CONNECT:
		conn_reply(c, KEDGE_REASON_app_timeout);
		break;
	case CONN_MOVE:
		move_expired(c);
		break;
	case CONN_REPLY:
	case CONN_LINGER:
		conn_close(c);
		break;
	case CONN_CLOSED:
		break;
	}
}

/* --- begin
 * ----------------------------------------------------------------------------------------------------
 */

void conn_accept(struct worker *w, const struct listener *l, int fd, const union addr *peer)
{
	const struct conf_cidrs *trust = &l->conf->trust;
	struct conn *c = calloc(1, sizeof(*c));

	if (!c || loop_add(&w->loop, fd, &c->client_watch, EVENTS_ALL) < 0) {
		free(c);
		close(fd);
		return;
	}
	c->worker = w;
	c->listener = l;
	c->client_fd = fd;
	c->flow.app_fd = -1;
	c->client_watch.ready = client_ready;
	c->app_watch.ready = app_ready;
	c->again.run = again_run;
	c->timer.expired = expired;
	c->client = *peer;
	c->port = l->port;
	c->trusted = !trust->count || cidr_match(trust->set, trust->count, peer);
	LIST_INSERT_HEAD(&w->conns, c, link);
	w->conns_count++;
	w->stats->accepted++;
	if (l->conf->proxy == PROXY_PREFIX_OFF)
		client_known(c);
	else
		enter(c, CONN_PREFIX, w->shared->conf->prefix_timeout_ms);
}

void conn_drain(struct conn *c)
{
	if (c->state == CONN_PREFIX) /* its prefix, and with it a request, may be on the way */
		loop_timer_set(&c->worker->loop, &c->timer, DRAIN_LOOK_MS);
	else if (c->state == CONN_MOVE && mover_idle(&c->flow)) {
		if (c->flow.edit->note->requests)
			conn_finish(c);
		else
			loop_timer_set(&c->worker->loop, &c->timer, DRAIN_LOOK_MS);
	}
}

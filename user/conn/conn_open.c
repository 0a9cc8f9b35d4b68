/* SPDX-License-Identifier: BSD-2-Clause */
/* From the first byte to a client leg that is ready: PROXY prefix, TLS handshake. */
#include "conn/conn_open.h"

#include <errno.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/trace.h"
#include "conn/conn_connect.h"
#include "conn/conn_header.h"
#include "conn/conn_reply.h"
#include "http/proxy_proto.h"
#include "tls/record_plain.h"
#include "tls/tls.h"
#include "tls/tls_handoff.h"
#include "tls/tls_words.h"

/* True if the client sent nothing but (perhaps) a PROXY prefix: a health check or a port scan. */
static bool sent_nothing(const struct conn *c)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	const uint8_t *first;

	/* A unix socket does not count. */
	if (getsockopt(c->client_fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return c->tls && !tls_first_bytes(c->tls, &first);
	return info.tcpi_bytes_received <= c->prefix_bytes + 1u; /* a FIN counts as one */
}

/* --- PROXY prefix ----------------------------------------------------------------------------- */

struct conn_verdict conn_prefix_enter(struct conn *c)
{
	loop_timer_set(&c->worker->loop, &c->timer, conn_conf(c)->prefix_timeout_ms);
	return verdict_stay();
}

static enum kedge_reason prefix_take(struct conn *c, const struct proxy_prefix *p)
{
	struct kedge_stats *s = c->worker->stats;

	s->prefix_v1 += p->version == 1;
	s->prefix_v2 += p->version == 2;
	if (p->local || p->src.family == AF_UNSPEC) {
		s->prefix_local++;
		/* LOCAL is the balancer itself. The client of UNKNOWN, or
		 * of no family, is unknown. */
		c->nobody = p->version == 1 || !p->local;
	} else {
		c->client = addr_to_inet(&p->src);
		c->port = addr_port(&p->dst);
	}
	c->prefix_bytes = (uint16_t)p->len; /* at most PROXY_V2_BYTES_MAX */
	TRACE_PREFIX(&c->flow, p->version, &c->client);
	return conn_header_prefix(c, p);
}

/* NONE: goes on, with the prefix if there is one; or why it cannot. */
static enum kedge_reason prefix_judge(const struct conn *c, enum proxy_verdict verdict,
				      const struct proxy_prefix *p)
{
	if (verdict == PROXY_NONE)
		return c->service->conf->proxy == PROXY_PREFIX_REQUIRE ? KEDGE_REASON_prefix_missing
								       : KEDGE_REASON_NONE;
	if (!c->trusted)
		return KEDGE_REASON_prefix_forbidden;
	return verdict == PROXY_BAD ? p->reason : KEDGE_REASON_NONE;
}

struct conn_verdict conn_prefix_run(struct conn *c, uint32_t events)
{
	struct mover *m = &c->worker->mover;
	struct proxy_prefix p = {0};
	enum proxy_verdict verdict;
	enum kedge_reason reason;
	ssize_t n = recv(c->client_fd, m->buf, PROXY_V2_BYTES_MAX, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return verdict_stay();
	if (n <= 0) {
		c->worker->stats->health_checks++;
		return verdict_reset(KEDGE_REASON_client_gone);
	}
	verdict = proxy_parse(&p, m->buf, (size_t)n);
	if (verdict == PROXY_MORE)
		return events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)
			       ? verdict_reset(KEDGE_REASON_prefix_bad)
			       : verdict_stay();
	reason = prefix_judge(c, verdict, &p);
	if (reason != KEDGE_REASON_NONE)
		return verdict_reset(reason);
	if (verdict == PROXY_DONE) {
		/* It is all there, unless a reset has come since. */
		if (recv(c->client_fd, m->buf, p.len, MSG_DONTWAIT) != (ssize_t)p.len)
			return verdict_reset(KEDGE_REASON_client_reset);
		reason = prefix_take(c, &p);
		if (reason != KEDGE_REASON_NONE)
			return verdict_reset(reason);
	}
	return conn_client_known(c);
}

struct conn_verdict conn_prefix_expired(struct conn *c)
{
	if (c->worker->draining) /* it gets no more time: see conn_drain() */
		return verdict_next(CONN_CLOSED);
	return verdict_reset(KEDGE_REASON_prefix_timeout);
}

/* --- the client's address is known ------------------------------------------------------------ */

/*
 * The address has too many connections. Without TLS the client can be told so. Only so many at a
 * time, since they use up what others need.
 */
static struct conn_verdict source_refused(struct conn *c, int err)
{
	struct sources *sources = c->worker->shared->limits->sources;
	const union addr client = conn_client(c);

	if (err == -ENOMEM)
		return verdict_reset(KEDGE_REASON_no_memory);
	if (c->flow.record && !sources_refuse(sources, &c->refused_source, &client))
		return conn_tell(c, KEDGE_REASON_limit_address);
	return verdict_reset(KEDGE_REASON_limit_address);
}

/* `words` NULL: no TLS. In mode tcp, the application may have to speak first. */
static struct conn_verdict client_leg_ready(struct conn *c, const struct tls_words *words)
{
	enum kedge_reason reason = conn_header_make(c, words);

	if (reason != KEDGE_REASON_NONE)
		return verdict_reset(reason);
	return verdict_next(conn_is_tcp(c) ? CONN_CONNECT : CONN_IDLE);
}

struct conn_verdict conn_client_known(struct conn *c)
{
	struct sources *sources = c->worker->shared->limits->sources;
	unsigned max = conn_conf(c)->address_connections_max;
	const union addr client = conn_client(c);
	bool tls = c->service->tls != NULL;
	int err;

	if (!tls) {
		c->flow.record = record_plain_new(c->client_fd, &c->worker->scratch);
		if (!c->flow.record)
			return verdict_reset(KEDGE_REASON_no_memory);
	}
	err = max ? sources_enter(sources, &c->source, &client, max) : 0;
	if (err)
		return source_refused(c, err);
	return tls ? verdict_next(CONN_HANDSHAKE) : client_leg_ready(c, NULL);
}

/* --- TLS handshake ---------------------------------------------------------------------------- */

struct conn_verdict conn_handshake_enter(struct conn *c, bool bytes_wait)
{
	const struct conf *conf = conn_conf(c);

	c->handshaking = limits_enter(&c->worker->shared->limits->handshakes, conf->handshakes_max);
	if (!c->handshaking)
		return verdict_reset(KEDGE_REASON_limit_handshakes);
	c->tls = tls_conn_new(c->service->tls, c->client_fd, &c->worker->scratch);
	if (!c->tls)
		return verdict_reset(KEDGE_REASON_no_memory);
	c->active_ms = c->worker->loop.now_ms;
	c->handshake_began_us = c->worker->loop.now_us;
	loop_timer_set(&c->worker->loop, &c->timer,
		       c->worker->draining ? CONN_DRAIN_LOOK_MS : conf->handshake_timeout_ms);
	return bytes_wait ? conn_handshake_run(c) : verdict_stay();
}

/*
 * Did a balancer send a prefix that is not read here? Version 1 looks like HTTP, version 2 like
 * nothing known.
 */
static bool sent_a_prefix(const struct conn *c)
{
	const uint8_t *bytes;
	size_t n = tls_first_bytes(c->tls, &bytes);

	return proxy_begins(bytes, n);
}

static struct conn_verdict handshake_failed(struct conn *c, enum kedge_reason reason)
{
	if ((reason == KEDGE_REASON_tls_plain_http || reason == KEDGE_REASON_tls_not_tls) &&
	    sent_a_prefix(c))
		reason = KEDGE_REASON_prefix_unexpected;
	if (reason == KEDGE_REASON_tls_client_gone && sent_nothing(c)) {
		c->worker->stats->health_checks++;
		return verdict_reset(KEDGE_REASON_client_gone);
	}
	return verdict_of(CONN_LINGER, CONN_ALERT, reason);
}

static void count_handshake(struct conn *c, const struct tls_facts *facts)
{
	struct kedge_stats *s = c->worker->stats;

	c->tls_version = (uint8_t)facts->version;
	c->tls_suite = (uint8_t)facts->suite;
	c->service->metrics->handshakes++;
	/* It may have begun in this very turn: the turn's clock would say that it took no time. */
	histogram_take(&c->worker->metrics->handshake, monotonic_us() - c->handshake_began_us, 1);
	s->handshakes_tls12 += facts->version == VERSION_TLS12;
	s->handshakes_tls13 += facts->version == VERSION_TLS13;
	s->handshakes_resumed += facts->resumed;
	s->handoffs += facts->kernel;
}

/* It says which application the connection gets. Later hellos do not change it. */
static void take_route(struct conn *c)
{
	c->route = (uint16_t)(tls_conn_route(c->tls) + 1);
}

/* Without memory for it, what is logged of the connection has no name. */
static void take_name(struct conn *c)
{
	const char *name = tls_conn_name(c->tls);

	if (name)
		c->name = intern_get(&c->worker->names, name);
}

static struct conn_verdict handshake_done(struct conn *c)
{
	enum kedge_reason reason = KEDGE_REASON_NONE;
	struct tls_facts facts = {0};
	struct tls_words words = {0};

	TRACE_HANDSHAKE(&c->flow);
	take_route(c);
	take_name(c);
	if (conn_header_wanted(c)) /* the handshake is freed below */
		tls_words(c->tls, &words);
	if (tls_into_record(&c->tls, &c->flow.record, &facts, &reason) < 0)
		return verdict_reset(reason);
	TRACE_HANDOFF(&c->flow, facts.version, facts.suite, facts.kernel);
	count_handshake(c, &facts);
	conn_connect_early(c); /* for a client whose Finished was there before kedge waited */
	return client_leg_ready(c, &words);
}

struct conn_verdict conn_handshake_run(struct conn *c)
{
	enum kedge_reason reason = KEDGE_REASON_NONE;

	switch (tls_handshake(c->tls, &reason)) {
	case TLS_MORE:
		loop_later(&c->worker->loop, &c->again);
		break;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		if (tls_hello_taken(c->tls)) {
			take_route(c);
			conn_connect_early(c);
		}
		break;
	case TLS_FAILED:
		return handshake_failed(c, reason);
	case TLS_DONE:
		return handshake_done(c);
	}
	return verdict_stay();
}

/* While kedge drains, it looks earlier, and does not wait for a client that has sent nothing. */
struct conn_verdict conn_handshake_expired(struct conn *c)
{
	uint64_t now = c->worker->loop.now_ms;
	uint64_t due = c->active_ms + conn_conf(c)->handshake_timeout_ms;

	if (c->worker->draining && sent_nothing(c))
		return verdict_next(CONN_CLOSED);
	if (now >= due)
		return verdict_reset(KEDGE_REASON_tls_handshake_timeout);
	loop_timer_set(&c->worker->loop, &c->timer, due - now);
	return verdict_stay();
}

void conn_handshake_leave(struct conn *c)
{
	if (c->handshaking)
		limits_leave(&c->worker->shared->limits->handshakes);
	c->handshaking = false;
	tls_conn_free(c->tls);
	c->tls = NULL;
}

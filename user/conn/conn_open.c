/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection from its first byte to a client leg that is ready: PROXY prefix, TLS handshake. The
 * functions stand in this order from the end of the file up; conn_connect.c goes on.
 */
#include "conn/conn_private.h"

#include <errno.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include "listen/service.h"
#include "http/proxy_proto.h"
#include "tls/record_plain.h"
#include "tls/tls_handoff.h"
#include "tls/tls.h"
#include "base/clock.h"
#include "base/trace.h"

/* --- handshake -------------------------------------------------------------------------------- */

/* True when the client sent nothing but (perhaps) a PROXY prefix: a health check or a port scan. */
static bool sent_nothing(const struct conn *c)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(c->client_fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return false;
	return info.tcpi_bytes_received <= c->prefix_bytes + 1; /* a FIN counts as one */
}

/*
 * A balancer that sends prefixes where none is read: the older form looks like HTTP, the newer like
 * nothing.
 */
static bool sent_a_prefix(const struct conn *c)
{
	const uint8_t *bytes;
	size_t n = tls_first_bytes(c->tls, &bytes);

	return proxy_begins(bytes, n);
}

static void handshake_failed(struct conn *c, enum kedge_reason reason)
{
	if ((reason == KEDGE_REASON_tls_plain_http || reason == KEDGE_REASON_tls_not_tls) &&
	    sent_a_prefix(c))
		reason = KEDGE_REASON_prefix_unexpected;
	if (reason == KEDGE_REASON_tls_client_gone && sent_nothing(c)) {
		c->worker->stats->health_checks++;
		conn_abort(c, KEDGE_REASON_client_gone);
		return;
	}
	conn_count_reason(c, reason);
	conn_linger_after_alert(c);
}

static void count_handshake(struct conn *c, const struct tls_facts *facts)
{
	struct kedge_stats *s = c->worker->stats;

	c->tls_version = (uint8_t)facts->version;
	c->tls_suite = (uint8_t)facts->suite;
	c->service->metrics->handshakes++;
	/* It may have begun in this very turn: the turn's clock would say that it took no time. */
	histogram_take(&c->worker->metrics->handshake, monotonic_us() - c->stage_us, 1);
	s->handshakes_tls12 += facts->version == VERSION_TLS12;
	s->handshakes_tls13 += facts->version == VERSION_TLS13;
	s->handshakes_resumed += facts->resumed;
	s->handoffs += facts->kernel;
}

void conn_handshake_run(struct conn *c)
{
	enum kedge_reason reason = KEDGE_REASON_NONE;
	struct tls_facts facts = {0};

	switch (tls_handshake(c->tls, &reason)) {
	case TLS_MORE:
		loop_later(&c->worker->loop, &c->again);
		return;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		if (tls_hello_taken(c->tls))
			conn_connect_early(c);
		return;
	case TLS_FAILED:
		conn_handshake_over(c);
		handshake_failed(c, reason);
		return;
	case TLS_DONE:
		TRACE_HANDSHAKE(&c->flow);
		break;
	}
	conn_handshake_over(c);
	if (tls_into_record(&c->tls, &c->flow.record, &facts, &reason) < 0) {
		conn_abort(c, reason);
		return;
	}
	TRACE_HANDOFF(&c->flow, facts.version, facts.suite, facts.kernel);
	count_handshake(c, &facts);
	conn_connect(c);
}

void conn_handshake_over(struct conn *c)
{
	if (c->handshaking)
		limits_leave(&c->worker->shared->limits->handshakes);
	c->handshaking = false;
}

static void handshake_begin(struct conn *c)
{
	const struct conf *conf = conn_conf(c);

	c->handshaking = limits_enter(&c->worker->shared->limits->handshakes, conf->handshakes_max);
	if (!c->handshaking) {
		conn_abort(c, KEDGE_REASON_limit_handshakes);
		return;
	}
	c->tls = tls_conn_new(c->service->tls, c->client_fd, &c->worker->scratch);
	if (!c->tls) {
		conn_abort(c, KEDGE_REASON_no_memory);
		return;
	}
	c->active_ms = c->worker->loop.now_ms;
	c->stage_us = c->worker->loop.now_us;
	conn_enter(c, CONN_HANDSHAKE, conf->handshake_timeout_ms);
	if (c->worker->draining)
		conn_drain(c);
}

/* False when the address has too many, and the connection is ending. */
static bool source_enter(struct conn *c)
{
	unsigned max = conn_conf(c)->address_connections_max;
	struct sources *sources = c->worker->shared->limits->sources;
	int err = max ? sources_enter(sources, &c->source, &c->client, max) : 0;

	if (!err)
		return true;
	/* Without TLS it can be told why. Not any number at a time: they would use up what others
	 * need. */
	if (err == -ENOMEM)
		conn_abort(c, KEDGE_REASON_no_memory);
	else if (c->flow.record && !sources_refuse(sources, &c->refused_source, &c->client))
		conn_reply(c, KEDGE_REASON_limit_address);
	else
		conn_abort(c, KEDGE_REASON_limit_address);
	return false;
}

/*
 * While kedge drains, a client is looked at earlier: one that has sent nothing is not waited for.
 */
void conn_handshake_expired(struct conn *c)
{
	uint64_t now = c->worker->loop.now_ms;
	uint64_t due = c->active_ms + conn_conf(c)->handshake_timeout_ms;

	if (c->worker->draining && sent_nothing(c))
		conn_close(c);
	else if (now < due)
		loop_timer_set(&c->worker->loop, &c->timer, due - now);
	else
		conn_abort(c, KEDGE_REASON_tls_handshake_timeout);
}

/* The client's address is known: TLS, or straight to the application. */
void conn_client_known(struct conn *c)
{
	bool tls = c->service->tls != NULL;

	if (!tls) {
		c->flow.record = record_plain_new(c->client_fd, &c->worker->scratch);
		if (!c->flow.record) {
			conn_abort(c, KEDGE_REASON_no_memory);
			return;
		}
	}
	if (!source_enter(c))
		return;
	if (tls)
		handshake_begin(c);
	else
		conn_connect(c);
}

/* --- PROXY prefix ----------------------------------------------------------------------------- */

static void prefix_take(struct conn *c, const struct proxy_prefix *p)
{
	struct kedge_stats *s = c->worker->stats;

	s->prefix_v1 += p->version == 1;
	s->prefix_v2 += p->version == 2;
	if (p->local || p->src.family == AF_UNSPEC) {
		s->prefix_local++;
		/* LOCAL is the balancer itself; of UNKNOWN and of no family nobody knows. */
		c->nobody = p->version == 1 || !p->local;
	} else {
		c->client = p->src;
		c->port = addr_port(&p->dst);
	}
	c->prefix_bytes = (uint32_t)p->len;
	TRACE_PREFIX(&c->flow, p->version, &c->client);
}

/* The verdict on the first bytes: 0 go on without a prefix, or why not. */
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

void conn_prefix_run(struct conn *c, uint32_t events)
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
	conn_client_known(c);
	if (c->state == CONN_HANDSHAKE)
		conn_handshake_run(c);
}

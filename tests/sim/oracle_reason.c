/* SPDX-License-Identifier: BSD-2-Clause */
/* For each reason, what must have happened for it. */
#include <string.h>

#include "calls.h"
#include "oracle.h"
#include "conn/conn.h"
#include "sim_conf.h"
#include "worn.h"

#define NEEDS(what)                                                                             \
	do {                                                                                    \
		if (!(what))                                                                    \
			world_fail("client %u: reason %s, and not " #what " (it has read %zu)", \
				   c->id, __real_reason_name(reason), client_read(c));          \
	} while (0)

/* The client has ended, or is gone. */
static bool gone(const struct client *c)
{
	return c->s->in_fin || c->s->state == TCP_DEAD || c->shut;
}

static bool app_gone(const struct client *c)
{
	return c->leg && (c->leg->s->in_fin || c->leg->s->state == TCP_DEAD);
}

static bool has_odd(const struct client *c)
{
	for (unsigned i = 0; i < c->items; i++)
		if (c->item[i].odd || c->item[i].banned)
			return true;
	return false;
}

bool reason_is_refusal(enum kedge_reason reason)
{
	return (reason >= KEDGE_REASON_http_malformed &&
		reason <= KEDGE_REASON_http_xff_too_long) ||
	       reason == KEDGE_REASON_http_connection_malformed ||
	       reason == KEDGE_REASON_http_connection_too_long ||
	       reason == KEDGE_REASON_http_upgrade_body;
}

/* What has come of the body that kedge waits for, or been said about it. */
static bool body_was_asked(const struct client *c)
{
	size_t read = client_read(c);
	uint32_t heads = c->script.heads_at[read];
	const struct script_request *q = heads ? &c->script.request[heads - 1] : NULL;

	if (!q)
		return false;
	return read > q->say_head_end || c->items || !c->script.expects;
}

static bool before_http(struct client *c, enum kedge_reason reason)
{
	switch (reason) {
	case KEDGE_REASON_prefix_missing:
		NEEDS(c->reads_prefix && !c->script.prefix_good);
		break;
	case KEDGE_REASON_prefix_bad:
	case KEDGE_REASON_prefix_crc:
	case KEDGE_REASON_prefix_too_long:
		NEEDS(c->reads_prefix && !c->script.prefix_good);
		break;
	case KEDGE_REASON_prefix_forbidden:
		NEEDS(c->reads_prefix &&
		      (c->script.prefix.len || (c->tls && tls_client_garbage(c->t))));
		break;
	case KEDGE_REASON_prefix_timeout:
		NEEDS(c->reads_prefix && c->prefix_said < c->script.prefix.len + 13);
		break;
	case KEDGE_REASON_tls_plain_http:
	case KEDGE_REASON_tls_not_tls:
	case KEDGE_REASON_tls_no_shared:
	case KEDGE_REASON_tls_no_protocol:
	case KEDGE_REASON_tls_unknown_name:
	case KEDGE_REASON_tls_client_alert:
	case KEDGE_REASON_tls_handshake:
		NEEDS(c->tls && !c->plain);
		break;
	case KEDGE_REASON_tls_client_gone:
		NEEDS(c->tls && (gone(c) || world.memory_faults));
		break;
	case KEDGE_REASON_tls_handshake_timeout:
		/* A client of TLS 1.3 speaks behind its last flight. In that flight a record may
		 * have got another length, and kedge waits for the rest of it. */
		NEEDS(c->tls && (!c->said || tls_client_damaged(c->t)));
		break;
	case KEDGE_REASON_record_bad:
	case KEDGE_REASON_record_control:
	case KEDGE_REASON_key_update_refused:
	case KEDGE_REASON_key_update_flood:
	case KEDGE_REASON_record_flood:
	case KEDGE_REASON_renegotiation:
		NEEDS(c->tls && !c->plain);
		break;
	case KEDGE_REASON_key_exhausted:
		NEEDS(c->tls && (!c->plain || c->records >= SIM_KEY_RECORDS));
		break;
	case KEDGE_REASON_handoff_failed:
	case KEDGE_REASON_internal_error:
	case KEDGE_REASON_edit_failed:
	case KEDGE_REASON_edit_short_send:
	case KEDGE_REASON_capability_lost:
	case KEDGE_REASON_peername_family:
		NEEDS(!"possible here");
		break;
	default:
		return false;
	}
	return true;
}

static bool of_the_application(struct client *c, enum kedge_reason reason)
{
	switch (reason) {
	case KEDGE_REASON_app_refused:
		NEEDS(c->leg && (c->leg->connect_err || c->leg->s->self || app_gone(c)));
		break;
	case KEDGE_REASON_app_timeout:
		NEEDS(c->leg && (c->leg->connect_err || c->leg->s->given_up));
		break;
	case KEDGE_REASON_app_queue:
		NEEDS(sim_mood.limited);
		break;
	case KEDGE_REASON_app_none:
		NEEDS(sim_mood.taken_out);
		break;
	case KEDGE_REASON_app_gone:
	case KEDGE_REASON_app_reset:
		NEEDS(app_gone(c) || has_odd(c));
		break;
	case KEDGE_REASON_app_response_bad:
	case KEDGE_REASON_app_unasked:
	case KEDGE_REASON_app_response_lost:
		NEEDS(has_odd(c));
		break;
	case KEDGE_REASON_limit_ports:
		NEEDS(sim_mood.refused_ports);
		break;
	case KEDGE_REASON_limit_descriptors:
	case KEDGE_REASON_no_memory:
		NEEDS(sim_mood.faults);
		break;
	default:
		return false;
	}
	return true;
}

/* Even who does nothing wrong may be late. */
static bool time_is_odd(void)
{
	return sim_mood.silent || sim_mood.jumped;
}

static bool was_idle(const struct conn *conn)
{
	return world_ms() >= conn->active_ms + conn_conf(conn)->idle_timeout_ms;
}

/* A request was dropped, since none can get an answer any more: that alone ends a connection. */
static bool has_dropped(const struct client *c, const struct conn *conn)
{
	const struct flow *f = &conn->flow;

	return c->state == CONN_MOVE && f->leg && client_read_is_exact(c) && !f->up.data &&
	       !f->refused && f->leg->edit->note->standing == KEDGE_BETWEEN &&
	       f->leg->response.state == RESPONSE_LOST && c->used &&
	       c->used->want_begin + c->used->given < c->script.want_at[client_read(c)];
}

static bool of_time(struct client *c, const struct conn *conn, enum kedge_reason reason)
{
	size_t read = client_read(c);
	uint32_t heads = c->script.heads_at[read];

	switch (reason) {
	case KEDGE_REASON_head_timeout:
		NEEDS(!c->plain || time_is_odd());
		NEEDS(!client_read_is_exact(c) ||
		      read > (heads ? c->script.request[heads - 1].say_end : 0));
		break;
	case KEDGE_REASON_body_too_slow:
		NEEDS(!c->plain || time_is_odd());
		NEEDS(heads);
		NEEDS(body_was_asked(c) || was_idle(conn));
		break;
	case KEDGE_REASON_response_timeout:
		NEEDS(!c->leg || !c->leg->plain || time_is_odd());
		NEEDS(heads);
		break;
	case KEDGE_REASON_response_too_slow:
		NEEDS(!c->plain || time_is_odd());
		break;
	case KEDGE_REASON_idle_timeout:
		NEEDS(was_idle(conn));
		NEEDS(!has_dropped(c, conn));
		break;
	case KEDGE_REASON_drain_deadline:
		NEEDS(sim_mood.draining);
		break;
	default:
		return false;
	}
	return true;
}

/* How many other connections of the worker these are. */
#define OTHERS(conn, other, what)                                \
	({                                                       \
		const struct conn *other;                        \
		unsigned n_ = 0;                                 \
		LIST_FOREACH(other, &sim_worker.conns, link) {   \
			n_ += other != (conn) && (what) ? 1 : 0; \
		}                                                \
		n_;                                              \
	})

static bool is_of_address(const struct conn *conn, const union addr *address)
{
	union addr mine = conn_client(conn), other = *address;

	if (mine.family == AF_INET6 && other.family == AF_INET6) /* a /64 counts as one */
		return !memcmp(&mine.in6.sin6_addr, &other.in6.sin6_addr, 8);
	mine.in.sin_port = other.in.sin_port = 0; /* at the same place for IPv6 */
	return addr_equal(&mine, &other);
}

static bool of_a_limit(struct client *c, const struct conn *conn, enum kedge_reason reason)
{
	const struct conf *conf = conn_conf(conn);
	const union addr client = conn_client(conn);

	switch (reason) {
	case KEDGE_REASON_limit_address:
		NEEDS(conf->address_connections_max || sim_mood.faults);
		NEEDS(OTHERS(conn, k, is_of_address(k, &client)) >= conf->address_connections_max);
		break;
	case KEDGE_REASON_limit_handshakes:
		NEEDS(conf->handshakes_max);
		NEEDS(OTHERS(conn, k, k->handshaking) >= conf->handshakes_max);
		break;
	case KEDGE_REASON_limit_connections:
	case KEDGE_REASON_limit_listener:
		NEEDS(!"possible once there is a connection"); /* see oracle_turned_away() */
		break;
	default:
		return false;
	}
	return true;
}

void oracle_turned_away(const struct client *c)
{
	const struct conf *conf = sim_conf();
	const struct conf_listener *l = &conf->listeners[c->listener];
	const struct conn *conn;
	unsigned n = 0;

	LIST_FOREACH(conn, &sim_worker.conns, link) {
		n += ((struct client *)sock_of(conn->client_fd)->owner)->listener == c->listener;
	}
	if (!sim_mood.faults && sim_worker.conns_count < conf->connections_max &&
	    (!l->connections_max || n < l->connections_max))
		world_fail("client %u: turned away, and no limit is reached", c->id);
}

static bool of_the_client(struct client *c, enum kedge_reason reason)
{
	switch (reason) {
	case KEDGE_REASON_prefix_unexpected:
		NEEDS(!c->plain || time_is_odd());
		break;
	case KEDGE_REASON_client_gone:
	case KEDGE_REASON_client_truncated:
		NEEDS(gone(c));
		break;
	case KEDGE_REASON_client_reset:
		NEEDS(c->s->state == TCP_DEAD || world.memory_faults);
		break;
	default:
		if (!reason_is_refusal(reason))
			return false;
		NEEDS(c->script.refused_at <= client_read(c));
		NEEDS(c->script.reason == reason);
		break;
	}
	return true;
}

void oracle_reason(struct client *c, const struct conn *conn, enum kedge_reason reason)
{
	if (!of_the_client(c, reason) && !before_http(c, reason) &&
	    !of_the_application(c, reason) && !of_time(c, conn, reason) &&
	    !of_a_limit(c, conn, reason))
		world_fail("client %u: reason %s has no rule: add one to oracle_reason.c", c->id,
			   __real_reason_name(reason));
}

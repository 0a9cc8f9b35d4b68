/* SPDX-License-Identifier: BSD-2-Clause */
/* Judges each call of kedge when it is made. See oracle.h. */
#include "oracle.h"

#include <errno.h>
#include <string.h>

#include "cover.h"
#include "conn/conn.h"
#include "sim_conf.h"

struct sock *oracle_listener(unsigned index)
{
	const struct doors *d = sim_worker.doors;

	return index < d->count ? sock_of(d->doors[index]->fd) : NULL;
}

/* --- the application's leg -------------------------------------------------------------------- */

/* The connection that this socket was made for. */
static struct client *client_of(const struct sock *s)
{
	struct conn *c;

	LIST_FOREACH(c, &sim_worker.conns, link) {
		if (c->flow.leg && c->flow.leg->fd == s->fd)
			return sock_of(c->client_fd)->owner;
	}
	world_fail("#%u connects for no connection", s->id);
}

int oracle_connects(struct sock *s)
{
	static const int errors[] = {ECONNREFUSED, ENETUNREACH, EADDRNOTAVAIL};
	struct client *c = client_of(s);
	struct served *l = served_new(s, c);

	world_log("connects", s->id, c->id, 0);
	if (!l->plain && dice_rare(sim_mood.kept ? 100 : 16)) {
		errno = errors[dice(3)];
		sim_mood.refused_ports += errno == EADDRNOTAVAIL;
		l->connect_err = errno;
		s->state = TCP_DEAD;
		l->over = true;
		return -1;
	}
	if (!l->connect_err && !s->self && dice_rare(8)) {
		s->state = TCP_OPEN; /* at once */
		s->was_open = true;
		return 0;
	}
	errno = EINPROGRESS;
	return -1;
}

static void leg_gets(struct served *l, size_t n)
{
	const struct http1_bytes *out = &l->s->out, *want = &l->client->script.want;
	size_t from, at;

	if (l->s->self)
		world_fail("#%u: bytes for a socket that is connected to itself", l->s->id);
	if (l->pooled)
		world_fail("#%u: bytes on a leg that no client has", l->s->id);
	n = oracle_header_takes(l, n);
	if (!n)
		return;
	if (!l->used)
		oracle_leg_begins(l, n);
	if (oracle_at_boundary(l))
		oracle_leg_goes_on(l);
	from = out->len - n;
	l->given += n;
	l->sent_us = world.now_us;
	l->moved_ms = world_ms();
	at = l->want_begin + from;
	if (at + n <= want->len && !memcmp(out->data + from, want->data + at, n))
		return;
	if (oracle_leg_guesses(l))
		return;
	while (at < want->len && from < out->len && out->data[from] == want->data[at])
		from++, at++;
	world_fail(
		"client %u: the application gets other bytes than expected, at %zu of %zu: '%s', "
		"expected '%s'",
		l->client->id, from, out->len, world_show(out, from), world_show(want, at));
}

bool oracle_at_boundary(const struct served *l)
{
	const struct script *s = &l->client->script;
	size_t at = l->want_begin + l->given, last = l->want_begin;

	for (unsigned i = l->first; i < s->requests && s->request[i].say_end; i++)
		if (s->request[i].end <= at)
			last = s->request[i].end;
	return last == at;
}

static bool is_tunnel(const struct served *l)
{
	const struct item *it = served_last(l);

	return l->client->tcp || (it && it->tunnel);
}

/* A FIN: the application may take what it got for all there is. */
static void leg_ends(struct served *l)
{
	const struct client *c = l->client;
	bool app_first = l->s->in_fin || l->s->state == TCP_DEAD;

	if (l->s->state != TCP_OPEN || app_first || l->s->shut)
		return;
	if (is_tunnel(l)) {
		size_t whole = c->script.want_at[client_read(c)];

		if (!c->s->in_fin && !c->shut)
			world_fail("client %u: its tunnel ends before it does", c->id);
		if (l->want_begin + l->given < whole && (!c->tls || c->shut))
			world_fail("client %u: its tunnel ends with %zu of %zu bytes", c->id,
				   l->want_begin + l->given, whole);
		return;
	}
	if (!oracle_at_boundary(l))
		world_fail("client %u: the application sees an end within a request (%zu bytes)",
			   c->id, l->s->out.len);
}

/* Which request is this response for? See response.c: early ones are the last. */
static void judge(struct served *l, struct item *it)
{
	const struct client *c = l->client;
	size_t read = client_read(c);
	uint32_t heads = c->script.heads_at ? c->script.heads_at[read] : 0;
	uint32_t finals = 0;
	bool between;

	for (const struct item *i = c->item; i < it; i++) {
		finals += i->final;
		it->banned |= i->banned || (i->early && i->final);
		it->odd |= i->surplus;
	}
	between = read == (heads ? c->script.request[heads - 1].say_end : 0);
	it->judged = true;
	if (it->odd || l->client->tcp)
		return;
	it->early = finals >= heads;
	it->banned |= finals > heads || (finals == heads && heads && between);
	it->odd = it->surplus && !it->banned;
}

/* Which responses come, or are whole, with these n bytes, and their requests have not gone? */
static void judge_hurry(const struct served *l, size_t n)
{
	const struct client *c = l->client;
	size_t had = l->begin + l->s->in_taken;
	unsigned k = l->first;

	for (unsigned i = 0; l == c->used && i < c->items && k < c->script.requests; i++) {
		struct item *it = &c->item[i];

		if (it->begin < l->begin)
			continue;
		if (it->end > had && it->begin < had + n)
			it->crossed |= l->want_begin + l->given < c->script.want_at[client_read(c)];
		if (it->final && it->end > had && it->end <= had + n)
			it->premature = !c->script.request[k].say_end ||
					l->want_begin + l->given < c->script.request[k].end;
		k += it->final;
	}
}

static void leg_read(struct served *l, size_t n)
{
	if (l->pooled)
		world_fail("#%u: bytes are taken from a leg that no client has", l->s->id);
	l->moved_ms = world_ms();
	l->served_us = world.now_us;
	for (unsigned i = 0; i < l->client->items; i++) {
		struct item *it = &l->client->item[i];

		if (!it->judged && it->begin < l->begin + l->s->in_taken + n)
			judge(l, it);
	}
	judge_hurry(l, n);
}

/* --- the client's ----------------------------------------------------------------------------- */

void oracle_accepts(struct sock *listener, struct sock *s)
{
	struct client *c = s->owner;
	const struct conf *conf = sim_conf();
	const struct conf_listener *l = &conf->listeners[c->listener];
	const union addr *who = &c->from;
	uint16_t port = addr_port(&listener->near);

	sim_mood.accepted++;
	c->accepted = true;
	c->reuse = conf->apps[0].app_reuse != APP_REUSE_OFF;
	c->shares = conf->apps[0].app_reuse == APP_REUSE_SHARED;
	c->elsewhere = conf->apps->servers.count > 1 || conf->apps->connect_retry_ms;
	c->app_idle_ms = conf->app_idle_timeout_ms;
	if (c->reads_prefix && c->script.prefix_names) {
		who = &c->script.named;
		port = c->script.named_port;
	}
	oracle_header_expect(c, conf, who, port);
	script_expect(&c->script, conf, l, who, port);
}

/* OpenSSL answers a ClientHello of an unknown version with an alert that has this version. */
static bool is_alert_of_unknown(const struct client *c, const uint8_t *p, size_t n)
{
	return tls_client_damaged(c->t) && p[0] == 21 && n == 2;
}

/* Only records may go out. */
static void records_only(struct client *c)
{
	const struct http1_bytes *out = &c->s->out;

	while (c->records_at + 5 <= out->len) {
		const uint8_t *p = out->data + c->records_at;
		size_t n = (size_t)(p[3] << 8 | p[4]);
		bool known = p[1] == 3 && p[2] <= 3;

		if (p[0] < 20 || p[0] > 23 || n > 16384 + 256 ||
		    (!known && !is_alert_of_unknown(c, p, n)))
			world_fail("client %u: bytes that are no TLS record, at %zu: '%s'", c->id,
				   c->records_at, world_show(out, c->records_at));
		c->records_at += 5 + n;
		c->records++;
	}
}

/* --- the calls -------------------------------------------------------------------------------- */

void oracle_sends(struct sock *s, size_t n)
{
	struct client *c = s->owner;

	if (s->kind == SOCK_CLIENT)
		c->moved_ms = world_ms();
	if (s->kind == SOCK_APP)
		leg_gets(s->owner, n);
	else if (c->tls)
		records_only(c);
	else
		oracle_client_gets(c, s->out.data + s->out.len - n, n);
}

void oracle_reads(struct sock *s, size_t n)
{
	if (s->kind == SOCK_APP)
		leg_read(s->owner, n);
	else if (s->owner)
		((struct client *)s->owner)->moved_ms = world_ms();
}

void oracle_shuts(struct sock *s)
{
	struct client *c = s->owner;

	if (s->kind == SOCK_APP)
		leg_ends(s->owner);
	else if (!c->tls && !s->shut && s->state == TCP_OPEN)
		oracle_client_ends(c, true);
}

void oracle_closes(struct sock *s, bool reset)
{
	struct client *c = s->owner;

	if (s->kind == SOCK_CLIENT && !c->ended) { /* no connection was made of it */
		c->ended = true;
		c->dropped = !s->reset_on_close;
		c->turned_away = s->reset_on_close;
		sim_mood.dropped += c->dropped;
		if (c->dropped && !sim_mood.faults)
			world_fail("client %u: dropped without a reason", c->id);
		if (c->turned_away)
			oracle_turned_away(c);
		cover_count(COVER_TURNED_AWAY);
		return;
	}
	if (!reset && s->kind == SOCK_APP)
		leg_ends(s->owner);
	if (s->kind == SOCK_APP)
		oracle_pool_closes(s->owner);
	if (!reset && s->kind == SOCK_CLIENT && s->state == TCP_OPEN)
		oracle_shuts(s);
}

/* --- transitions ------------------------------------------------------------------------------ */

static struct client *enters(struct conn *conn)
{
	WORLD_RUNS();
	struct client *c = sock_of(conn->client_fd)->owner;

	if (conn->state <= c->state && conn->state != CONN_ACCEPTED &&
	    !(c->state == CONN_MOVE && conn->state == CONN_IDLE))
		world_fail("client %u goes from state %u to %u", c->id, c->state, conn->state);
	world_log("state", c->s->id, c->state, conn->state);
	cover_transition(c->state, conn->state);
	oracle_moves_to(c, conn->state);
	c->state_ms = world_ms();
	c->state = conn->state;
	return c;
}

#define ENTER(name, ...) __real_conn_##name##_enter(__VA_ARGS__)
#define WRAP(type, name, ...)                         \
	type __real_conn_##name##_enter(__VA_ARGS__); \
	type __wrap_conn_##name##_enter(__VA_ARGS__); \
	type __wrap_conn_##name##_enter(__VA_ARGS__)

WRAP(struct conn_verdict, prefix, struct conn *c)
{
	enters(c);
	return ENTER(prefix, c);
}

WRAP(struct conn_verdict, handshake, struct conn *c, bool bytes_wait)
{
	enters(c);
	return ENTER(handshake, c, bytes_wait);
}

WRAP(struct conn_verdict, connect, struct conn *c)
{
	enters(c);
	return ENTER(connect, c);
}

WRAP(struct conn_verdict, idle, struct conn *c, bool parts)
{
	struct client *p = enters(c);

	if (parts)
		oracle_parts(p, c);
	return ENTER(idle, c, parts);
}

WRAP(struct conn_verdict, move, struct conn *c)
{
	enters(c);
	oracle_joins();
	return ENTER(move, c);
}

WRAP(struct conn_verdict, reply, struct conn *c, enum conn_how how, enum kedge_reason reason)
{
	struct client *p = enters(c);

	if (how == CONN_ANSWER) {
		p->says = reason;
		p->says_read = client_read_is_exact(p) ? client_read(p) : SIZE_MAX;
		sim_mood.answers++;
		if (reason == KEDGE_REASON_app_gone)
			oracle_app_gone(p);
		cover_answer(reason);
	}
	return ENTER(reply, c, how, reason);
}

WRAP(struct conn_verdict, linger, struct conn *c, bool alert)
{
	enters(c);
	return ENTER(linger, c, alert);
}

WRAP(void, closed, struct conn *c, bool reset)
{
	struct client *p = enters(c);

	p->ended = true;
	p->drained = sim_mood.draining || sim_mood.closing;
	ENTER(closed, c, reset);
}

/* --- reasons ---------------------------------------------------------------------------------- */

const char *__real_reason_name(enum kedge_reason reason);
const char *__wrap_reason_name(enum kedge_reason reason);

/* conn.c asks for it when it counts a reason: of the one connection that is new among these. */
const char *__wrap_reason_name(enum kedge_reason reason)
{
	WORLD_RUNS();
	struct conn *conn;

	LIST_FOREACH(conn, &sim_worker.conns, link) {
		struct client *c = sock_of(conn->client_fd)->owner;

		if (!conn->counted || c->counted)
			continue;
		c->counted = true;
		c->reason = reason;
		world_log(__real_reason_name(reason), c->s->id, reason, 0);
		oracle_reason(c, conn, reason);
	}
	return __real_reason_name(reason);
}

/* --- after each turn -------------------------------------------------------------------------- */

void oracle_turn(void)
{
	struct conn *conn;
	unsigned n = 0;

	LIST_FOREACH(conn, &sim_worker.conns, link) {
		struct sock *s = sock_of(conn->client_fd);

		n++;
		if (!s || !s->owner || ((struct client *)s->owner)->ended)
			world_fail("a connection has no client");
	}
	if (n != sim_worker.conns_count)
		world_fail("%u connections, and %u are counted", n, sim_worker.conns_count);
	oracle_legs_turn();
}

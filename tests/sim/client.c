/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients: they follow their script, at their pace, and leave when they like. See people.h. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "oracle.h"
#include "people.h"

/* --- what it will do -------------------------------------------------------------------------- */

static void plan_script(struct client *c, const struct conf_listener *l, enum client_mood mood)
{
	enum script_kind kind = c->tcp                 ? SCRIPT_TCP
				: mood == CLIENT_FAULT ? SCRIPT_FAULT
				: mood == CLIENT_KEPT  ? SCRIPT_KEPT
						       : SCRIPT_HTTP;
	bool right = mood != CLIENT_ANY;
	bool prefix = l->proxy == PROXY_PREFIX_REQUIRE || (l->proxy != PROXY_PREFIX_OFF && dice(2));

	if (!right && dice_rare(12))
		prefix = !prefix;
	if (prefix && c->reads_prefix)
		script_prefix(&c->script, right);
	if (!c->script.prefix_cut)
		script_make(&c->script, kind, c->plain);
	if (c->reads_prefix && !c->tls && !c->script.prefix.len)
		script_find_prefix(&c->script);
}

static void plan_faults(struct client *c)
{
	uint32_t all = (uint32_t)c->script.say.len;

	c->drips = dice_rare(8);
	c->slow = dice_rare(8);
	c->never_reads = dice_rare(16);
	if (dice_rare(4)) {
		c->leaves_at = all ? dice(dice_rare(2) && all > 300 ? 300 : all + 1) : 0;
		c->leaves = (enum end_how)dice(4);
	}
	if (c->tls && dice_rare(24)) { /* within the handshake */
		c->leaves_at = 0;
		c->leaves = dice(2) ? END_CLOSE : END_RESET;
	}
}

/* Most of those with a theme follow it to the end. */
static void plan_theme(struct client *c)
{
	c->drips = c->never_reads = false;
	if (dice(2))
		c->leaves_at = SIZE_MAX;
	c->slow &= dice(2);
	c->ends = dice_rare(4) ? END_SHUT : END_STAY;
}

struct client *client_new(unsigned listener, const struct conf_listener *l, enum client_mood mood,
			  uint64_t ms)
{
	bool plain = mood == CLIENT_PLAIN;
	struct client *c = calloc(1, sizeof(*c));

	if (!c || people.clients == CLIENTS_MAX)
		world_fail("no room for another client");
	c->id = ++people.clients;
	people.client[c->id - 1] = c;
	c->listener = listener;
	c->tls = l->tls;
	c->tcp = l->mode == MODE_TCP;
	c->reads_prefix = l->proxy != PROXY_PREFIX_OFF;
	c->plain = plain;
	c->wake_ms = ms;
	c->leaves_at = SIZE_MAX;
	/* Some share an address. */
	c->from = (union addr){
		.in = {.sin_family = AF_INET,
		       .sin_addr.s_addr = htonl(0xc0000200 + (dice_rare(4) ? 1 : c->id)),
		       .sin_port = htons((uint16_t)(1024 + c->id))}};
	plan_script(c, l, mood);
	c->ends = (enum end_how)(!plain ? dice(4) : c->tcp ? END_SHUT : dice(2));
	if (mood == CLIENT_ANY || (mood == CLIENT_KEPT && dice_rare(6)))
		plan_faults(c);
	if (c->script.theme)
		plan_theme(c);
	if (c->tls)
		c->t = tls_client_new(mood != CLIENT_ANY);
	return c;
}

/* --- what it knows ---------------------------------------------------------------------------- */

unsigned client_heard(const struct client *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->items; i++)
		n += c->item[i].final && c->item[i].end <= c->heard;
	return n;
}

static bool heard_interim(const struct client *c, unsigned request)
{
	unsigned finals = 0;

	for (unsigned i = 0; i < c->items && finals < request; i++) {
		const struct item *it = &c->item[i];

		if (!it->final && finals + 1 == request && it->end <= c->heard)
			return true;
		finals += it->final;
	}
	return client_heard(c) >= request;
}

size_t client_read(const struct client *c)
{
	size_t prefix = c->script.prefix.len;

	if (c->tls)
		return c->said;
	return c->s->in_taken > prefix ? c->s->in_taken - prefix : 0;
}

bool client_read_is_exact(const struct client *c)
{
	/* In a damaged record, it may have got another length: kedge waits for the rest of it. */
	return !c->tls || (tls_client_ready(c->t) && !tls_client_waits(c->t) &&
			   !tls_client_damaged(c->t) && c->s->in_taken == c->s->in.len);
}

/* --- what it does ----------------------------------------------------------------------------- */

static void tell(const struct client *c)
{
	const struct script *s = &c->script;

	world_tell("\t#%u is client %u of listener %u; prefix '%s'", c->s->id, c->id, c->listener,
		   world_show(&s->prefix, 0));
	world_tell("\tit says %zu bytes: '%s'", s->say.len, world_show(&s->say, 0));
	if (c->leaves_at != SIZE_MAX)
		world_tell("\tat %zu it leaves, way %u", c->leaves_at, c->leaves);
	for (unsigned i = 0; i < s->pauses_count; i++)
		world_tell("\tbefore byte %zu it waits for %u responses%s, at most %u ms",
			   s->pauses[i].at, s->pauses[i].responses,
			   s->pauses[i].interim ? " or an interim one" : "", s->pauses[i].ms);
}

static bool connects(struct client *c)
{
	struct sock *l = oracle_listener(c->listener);

	c->s = listener_connect(l, &c->from);
	if (!c->s) {
		world_log("client is refused", 0, c->id, 0);
		c->over = c->ended = true;
		return true;
	}
	c->s->owner = c;
	world_log("client", c->s->id, c->id, c->plain);
	tell(c);
	return true;
}

static void sleeps(struct client *c)
{
	uint64_t now = world_ms();

	if (c->drips)
		c->wake_ms = now + dice(dice_rare(8) ? 5000 : 400);
	else if (!c->plain && dice_rare(16))
		c->wake_ms = now + dice(dice_rare(4) ? 30000 : 100);
	else if (dice_rare(32))
		c->wake_ms = now + dice(20);
}

static bool hears(struct client *c)
{
	size_t n = far_waiting(c->s);

	if (!n || c->never_reads)
		return false;
	if (c->slow)
		n = 1 + dice((uint32_t)(n < 2000 ? n : 2000));
	else if (dice_rare(8))
		n = 1 + dice((uint32_t)n);
	if (c->tls)
		return tls_client_hear(c, n);
	c->heard += far_take(c->s, n);
	world_log("client reads", c->s->id, n, c->heard);
	if (c->slow)
		c->wake_ms = world_ms() + dice(1000);
	return true;
}

static bool ends_like(struct client *c, enum end_how how)
{
	world_log("client ends", c->s->id, how, c->said);
	c->quiet_since_ms = world_ms();
	switch (how) {
	case END_SHUT:
		if (c->tls)
			tls_client_bye(c);
		c->shut = true;
		if (!c->tls)
			far_shut(c->s);
		break;
	case END_CLOSE:
		far_close(c->s, false);
		c->over = true;
		break;
	case END_RESET:
		far_close(c->s, true);
		c->over = true;
		break;
	case END_STAY:
		c->over = true;
		break;
	}
	return true;
}

/* All is said. */
static bool ends(struct client *c)
{
	if (c->shut) {
		if (c->tls && !c->s->in_fin) {
			far_shut(c->s);
			return true;
		}
		if (!far_sees_end(c->s) && !c->s->peer_reset)
			return false;
		return ends_like(c, END_CLOSE);
	}
	if (c->script.prefix_cut)
		return ends_like(c, dice_rare(2) ? END_STAY : END_SHUT);
	if (c->plain && !far_sees_end(c->s) && !c->s->peer_reset) {
		/* It waits for its answers. Then it may stay for a while. */
		if (!c->tcp && client_heard(c) < c->script.requests && !c->own)
			return false;
		if (c->ends == END_CLOSE && (far_waiting(c->s) || network_has(c->s)))
			return false;
	}
	return ends_like(c, c->ends);
}

static bool may_go_on(struct client *c, const struct script_pause *p)
{
	bool heard = p->interim ? heard_interim(c, p->responses) : client_heard(c) >= p->responses;

	if (!c->paused_ms)
		c->paused_ms = world_ms();
	c->alarm_ms = p->ms ? c->paused_ms + p->ms : 0;
	if (!heard && !(p->ms && world_ms() >= c->alarm_ms))
		return false;
	c->paused_ms = c->alarm_ms = 0;
	c->pause++;
	if (p->thinks_ms)
		c->wake_ms = world_ms() + p->thinks_ms;
	return !p->thinks_ms;
}

/* How far it may speak now. */
static size_t speaks_to(struct client *c)
{
	size_t to = c->script.say.len;

	if (c->leaves_at < to)
		to = c->leaves_at;
	while (c->pause < c->script.pauses_count) {
		const struct script_pause *p = &c->script.pauses[c->pause];

		if (p->at >= to)
			break;
		if (c->said < p->at)
			return p->at;
		if (!may_go_on(c, p))
			return c->said;
	}
	return to;
}

static size_t piece_of(const struct client *c, size_t n)
{
	if (c->drips)
		return 1 + dice((uint32_t)(n < 8 ? n : 8));
	if (c->script.theme == THEME_LINES || c->script.theme == THEME_PIPELINE)
		return n;
	switch (dice(4)) {
	case 1:
		return 1 + dice((uint32_t)n);
	case 2:
		return 1 + dice((uint32_t)(n < 40 ? n : 40));
	default:
		return n;
	}
}

static bool says_prefix(struct client *c)
{
	struct http1_bytes *p = &c->script.prefix;
	size_t n = piece_of(c, p->len - c->prefix_said);

	n = far_send(c->s, p->data + c->prefix_said, n);
	c->prefix_said += n;
	/* Then both come at once. */
	if (c->prefix_said == p->len && !c->leaves_at && c->leaves == END_RESET)
		ends_like(c, END_RESET);
	return n;
}

static bool says(struct client *c)
{
	size_t to, n;

	if (c->prefix_said < c->script.prefix.len)
		return says_prefix(c);
	if (c->tls && tls_client_waits(c->t))
		return tls_client_push(c);
	if (c->tls && !tls_client_ready(c->t)) {
		if (c->leaves_at || (c->leaves != END_CLOSE && c->leaves != END_RESET))
			return false;
		return dice(2) && ends_like(c, c->leaves);
	}
	to = speaks_to(c);
	if (c->said < to) {
		n = piece_of(c, to - c->said);
		if (c->tls)
			tls_client_say(c, c->script.say.data + c->said, n);
		else
			n = far_send(c->s, c->script.say.data + c->said, n);
		c->said += n;
		return n;
	}
	if (c->leaves_at <= c->said && !c->shut)
		return ends_like(c, c->leaves);
	return c->said == c->script.say.len && ends(c);
}

bool client_act(struct client *c)
{
	bool first, did;

	if (c->over || c->wake_ms > world_ms())
		return false;
	if (!c->s)
		return connects(c);
	/* Nobody answers any more. */
	if (c->s->peer_reset || c->s->state == TCP_DEAD) {
		if (c->s->peer_reset && hears(c))
			return true;
		c->over = true;
		world_log("client is gone", c->s->id, c->s->peer_reset, 0);
		return true;
	}
	first = !dice_rare(2);
	did = first ? hears(c) : says(c);
	if (!did)
		did = first ? says(c) : hears(c);
	if (!did && far_sees_end(c->s) && c->plain)
		did = ends_like(c, END_CLOSE);
	if (did)
		sleeps(c);
	return did;
}

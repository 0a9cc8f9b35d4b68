/* SPDX-License-Identifier: BSD-2-Clause */
/* When a flow gives its leg up, and what is sent again on the next one. See mover_lease.h. */
#include "conn/mover_lease.h"

#include <string.h>

#include "access/access.h"
#include "app/leg_proof.h"

/* A leg that was idle for longer is looked at before a request goes on it. */
#define LOOKED_AT_US 100000

/* --- between requests ------------------------------------------------------------------------- */

/* Else it waits for the end of its connection, as it has asked. */
static bool client_stays(const struct kedge_note *note)
{
	return !note->requests || note->last != note->requests;
}

/*
 * Half of an empty line before a request: the editor has it, and a fresh one would not. Only where
 * it is the client's first byte, or follows an empty line: elsewhere it may be the end of a body.
 */
static bool is_half_line(const struct flow *f)
{
	return !memcmp(f->tail, "\n\r\n\r", sizeof(f->tail)) ||
	       (f->first_len == 1 && f->first[0] == '\r');
}

bool lease_between(const struct flow *f)
{
	const struct leg *l = f->leg;

	return f->reuses && client_stays(l->edit->note) && !f->refused &&
	       f->reason == KEDGE_REASON_NONE && !f->lost_end && !f->client_eof && !f->unsent &&
	       !residue_any(&f->down) && l->edit->note->standing == KEDGE_BETWEEN &&
	       !is_half_line(f) && !l->edit->holds && !flow_outstanding(f) &&
	       l->response.state == RESPONSE_LINE && !response_was_last(&l->response) &&
	       !response_over(&l->response);
}

bool lease_doubted(const struct flow *f)
{
	return f->leg->served_us && !response_clean(&f->leg->response) && lease_between(f) &&
	       !residue_any(&f->up);
}

bool lease_unfinished(const struct flow *f)
{
	return f->tail[sizeof(f->tail) - 1] == '\r';
}

/* --- a request that may be repeated ----------------------------------------------------------- */

/* RFC 9110, section 9.2.2. CONNECT and unknown methods may not be. */
bool lease_repeatable(const uint8_t *p, size_t n)
{
	static const char methods[][8] = {"GET ", "HEAD ", "PUT ", "OPTIONS ", "TRACE ", "DELETE "};

	for (; n && (*p == '\r' || *p == '\n'); p++)
		n--;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		size_t len = strnlen(methods[i], sizeof(methods[i]));

		if (n > len && !memcmp(p, methods[i], len))
			return true;
	}
	return false;
}

/* Room for so many bytes. Keeps what is there. False when out of memory. */
static bool widen(struct flow *f, size_t room)
{
	struct sent *s = &f->sent, wide = {.len = s->len, .valid = s->valid};

	wide.size = room <= SENT_SMALL ? SENT_SMALL : LEASE_KEPT_MAX;
	wide.data =
		room <= SENT_SMALL ? brief_take(f->leg->brief, SENT_SMALL) : malloc(LEASE_KEPT_MAX);
	if (!wide.data)
		return false;
	if (s->len)
		memcpy(wide.data, s->data, s->len);
	sent_drop(s);
	*s = wide;
	return true;
}

static void keep(struct flow *f, const uint8_t *p, size_t n)
{
	struct sent *s = &f->sent;
	const size_t all = s->len + n;

	if (all > LEASE_KEPT_MAX) {
		sent_drop(s);
		return;
	}
	if (all > s->size && !widen(f, all)) {
		s->valid = false;
		return;
	}
	memcpy(s->data + s->len, p, n);
	s->len = (uint32_t)all;
}

/* The request's first bytes were read before there was a leg. */
static void keep_first(struct flow *f)
{
	if (f->sent.valid && f->up.data)
		keep(f, f->up.data + f->up.off, f->up.len - f->up.off);
}

void lease_begin(struct flow *f)
{
	f->up_asked = 0;
	f->up_rest = 0;
	f->request_us = 0;
	f->unsent = false;
	f->sent.len = 0;
	f->sent.valid = f->reuses && f->elsewhere && !f->again;
	keep_first(f);
}

void lease_go_on(struct mover *m, struct flow *f)
{
	lease_begin(f);
	f->sent.len = 0;
	f->sent.valid = true;
	keep_first(f);
	if (*m->now_us - f->leg->served_us >= LOOKED_AT_US)
		leg_mark(f->leg);
	else
		f->leg->acked = 0;
}

bool lease_take(struct mover *m, struct flow *f, const uint8_t *p, size_t n)
{
	struct leg *l = f->leg;

	if (!f->reuses)
		return true;
	if (l->served_us && lease_between(f)) {
		uint64_t idle_us = *m->now_us - l->served_us;

		if (idle_us >= LEASE_YOUNG_US && !lease_repeatable(p, n)) {
			m->stats->legs_old++;
			return false;
		}
		if (idle_us >= LOOKED_AT_US) {
			if (leg_is_stale(l)) {
				m->stats->legs_closed++;
				return false;
			}
			leg_mark(l);
		} else {
			l->acked = 0;
		}
		f->sent.len = 0;
		f->sent.valid = true;
	}
	if (f->sent.valid)
		keep(f, p, n);
	return true;
}

/* --- the leg has ended ------------------------------------------------------------------------ */

static bool may_repeat(const struct flow *f)
{
	const struct leg *l = f->leg;
	const struct sent *s = &f->sent;
	uint8_t standing = l->edit->note->standing;
	uint32_t outstanding = flow_outstanding(f);

	if (!f->reuses || !s->valid || !s->len || f->refused || f->client_eof ||
	    l->response.begun || l->response.interim || outstanding > 1 || residue_any(&f->down))
		return false;
	/* Where the bytes are that a dead leg has not taken, the editor may not have said. */
	if ((standing == KEDGE_HEAD || f->unsent) && !outstanding)
		return true;
	return ((standing == KEDGE_BETWEEN || f->unsent) && outstanding &&
		lease_repeatable(s->data, s->len)) ||
	       leg_unread(l);
}

bool lease_survives(struct mover *m, struct flow *f)
{
	struct sent *s = &f->sent;

	if (lease_between(f)) {
		m->stats->legs_closed++;
		return true;
	}
	if (!may_repeat(f))
		return false;
	residue_drop(&f->up);
	if (!residue_keep(&f->up, s->data, s->len))
		return false;
	sent_drop(s);
	f->again = true;
	m->stats->requests_again++;
	if (f->access)
		access_again(f->access);
	return true;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* flow_check.c: each thing that must hold of a flow, broken. */
#include <stdlib.h>

#include "conn/flow_check.h"
#include "tests/lib/breaks.h"
#include "tests/unit/conn/mover_fakes.h"

static uint8_t *one_byte(void)
{
	return malloc(1);
}

static struct pipe a_pipe;

static void check(void)
{
	flow_check(&f);
}

static void check_waits(void)
{
	flow_check_waits(&f);
}

/* --- at any time ------------------------------------------------------------------------------ */

static const char *residue_broken(unsigned row)
{
	BREAK("!residue_any(r) == !r->len", f.up.len = 1);
	BREAK("!residue_any(r) == !r->len", f.down.data = one_byte());
	BREAK("!r->data || !r->pipe", f.up.data = one_byte(), f.up.len = 1, f.up.pipe = &a_pipe);
	BREAK("r->off < r->len", f.up.data = one_byte(), f.up.len = f.up.off = 1);
	BREAK("!r->off", f.down.off = 1);
	return NULL;
}

static const char *flow_broken(unsigned row)
{
	BREAK("r->line_len <= RESPONSE_LINE_KEPT", f.leg->response.line_len = 65);
	BREAK("f->reason < KEDGE_REASON_COUNT", f.reason = KEDGE_REASON_COUNT);
	BREAK("f->first_len <= sizeof(f->first)", f.first_len = sizeof(f.first) + 1);
	BREAK("f->reason != KEDGE_REASON_NONE", f.refused = true);
	BREAK("f->leg->eof", f.leg->bad = true);
	BREAK("f->leg->write_dead", f.unsent = true);
	BREAK("f->record && f->leg->fd >= 0", f.leg->fd = -1);
	BREAK("f->record && f->leg->fd >= 0", f.record = NULL);
	return NULL;
}

static const char *joined_broken(unsigned row)
{
	BREAK("e->ops && e->note", edit.note = NULL);
	BREAK("e->fd == f->leg->fd", edit.fd++);
	BREAK("n->standing <= KEDGE_REFUSED", note.standing = KEDGE_REFUSED + 1);
	BREAK("flow_outstanding(f) <= ", note.requests = 2000);
	BREAK("flow_outstanding(f) <= ", f.leg->response.done = 1);
	BREAK("flow_outstanding(f)", note.standing = KEDGE_WAITING);
	BREAK("f->refused || f->leg->write_dead", note.standing = KEDGE_REFUSED, note.reason = 1);
	BREAK("f->client_eof", f.leg->shut = true);
	BREAK("!f->refused", f.up.data = one_byte(), f.up.len = 1, f.refused = true, f.reason = 1);
	BREAK("f->splices && f->up_asked", f.up_rest = 1);
	BREAK("f->splices && f->up_asked", f.up_rest = 1, f.splices = true);
	BREAK("f->splices && f->up_asked", f.up_rest = 1, f.splices = true, note.requests = 1,
	      note.standing = KEDGE_BODY);
	return NULL;
}

static void what_must_hold_at_any_time(void **state)
{
	(void)state;
	breaks(residue_broken, check);
	breaks(flow_broken, check);
	breaks(joined_broken, check);
}

/* --- of one that waits for an event ----------------------------------------------------------- */

static const char *down_broken(unsigned row)
{
	BREAK("f->client_full", f.down.data = one_byte(), f.down.len = 1);
	BREAK("!f->leg->in", f.leg->in = true);
	BREAK("!f->leg->eof", f.leg->eof = true);
	BREAK("!f->client_flush", f.client_flush = true);
	BREAK("f->leg->eof", f.leg->response.over = f.leg->response.said_close = true);
	BREAK("f->leg->eof", f.lost_end = true);
	BREAK("f->leg->eof", f.refused = true, f.leg->response.state = RESPONSE_LOST);
	return NULL;
}

static const char *up_broken(unsigned row)
{
	BREAK("!residue_any(&f->up)", f.up.data = one_byte(), f.up.len = 1);
	BREAK("!f->leg->flush", f.leg->flush = true);
	BREAK("f->record->answer_due", f.client_in = true);
	BREAK("f->leg->shut", f.client_eof = true);
	BREAK("!f->request_us == !flow_outstanding(f)", note.requests = 1);
	BREAK("!f->request_us == !flow_outstanding(f)", f.request_us = 1);
	return NULL;
}

static void what_must_hold_while_it_waits(void **state)
{
	(void)state;
	breaks(down_broken, check_waits);
	breaks(up_broken, check_waits);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_must_hold_at_any_time),
		TEST(what_must_hold_while_it_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

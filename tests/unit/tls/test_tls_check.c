/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.c, control_record.c, record_tls.c: each thing that must hold of a client leg,
 * broken. Those of record_aead.c are in its test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#undef fail /* of cmocka */
#include "tls/record_ktls.c"
#include "tls/wire.h"
#include "tests/lib/breaks.h"

static uint8_t in[32768], out[32768], heap[16];
static struct record_scratch scratch = {
	.in = in, .out = out, .in_size = sizeof(in), .out_size = sizeof(out)};

/* --- the wire --------------------------------------------------------------------------------- */

static struct wire w = {.scratch = &scratch};

static void check_wire(void)
{
	wire_check(&w);
}

static const char *wire_broken(unsigned row)
{
	BREAK("!u->bytes == !u->len", w.unsent.bytes = heap);
	BREAK("u->len <= UNSENT_MAX", w.unsent.bytes = heap, w.unsent.len = 1 << 20);
	BREAK("u->at < u->len", w.unsent.bytes = heap, w.unsent.len = w.unsent.at = 3);
	BREAK("w->first_len <= WIRE_FIRST_BYTES", w.first_len = 9);
	BREAK("w->err >= 0", w.err = -EPIPE);
	BREAK("w->in", w.in_len = 1);
	BREAK("!is_lent(w)", w.in = in + 5, w.in_len = 1);
	BREAK("w->in_len", w.in_kept = heap);
	BREAK("w->err && w->out_len", w.out_len = 1);
	BREAK("w->out_len <= w->scratch->out_size", w.err = EPIPE, w.out_len = 40000);
	return NULL;
}

static void a_wire(void **state)
{
	(void)state;
	breaks(wire_broken, check_wire);
}

/* --- control records -------------------------------------------------------------------------- */

static struct control c;

static void check_control(void)
{
	control_check(&c);
}

static const char *control12_broken(unsigned row)
{
	BREAK("c->message_len <", c.message_len = 4);
	BREAK("c->message[0] ==", c.message_len = 1);
	BREAK("c->warnings <= CONTROL_WARNINGS_MAX", c.warnings = 5);
	BREAK("c->renegotiations <= CONTROL_RENEGOTIATIONS_MAX", c.renegotiations = 5);
	BREAK("!c->updates", c.updates = 1);
	BREAK("c->skip <= CLIENT_HELLO_MAX", c.skip = 200000);
	BREAK("!c->message_len", c.skip = 1, c.message_len = 1, c.message[0] = 1);
	return NULL;
}

static const char *control13_broken(unsigned row)
{
	BREAK("c->message_len <", c.message_len = 5);
	BREAK("!c->skip && !c->renegotiations", c.skip = 1);
	BREAK("c->updates <=", c.updates = 33);
	return NULL;
}

static void control_records(void **state)
{
	(void)state;
	breaks(control12_broken, check_control);
	c.tls13 = true;
	breaks(control13_broken, check_control);
}

/* --- kernel records --------------------------------------------------------------------------- */

static struct record_ktls k = {.t = {.r = {.scratch = &scratch, .fd = -1}, .ops = &ktls_tls_ops}};

static void check_tls(void)
{
	record_tls_check(&k.t);
}

/* A leg that is over: its functions check as well. */
static void write_ktls(void)
{
	k.t.failed = 0; /* there is no socket */
	k.t.r.told = false;
	ktls_write(&k.t.r, "x", 1);
}

static void read_ktls(void)
{
	k.t.ended = true;
	ktls_read(&k.t.r, heap, sizeof(heap));
}

static const char *tls_broken(unsigned row)
{
	BREAK("t->failed <= 0", k.t.failed = 1);
	BREAK("t->r.reason != KEDGE_REASON_NONE", k.t.failed = -EPROTO);
	BREAK("t->failed", k.t.r.told = true);
	BREAK("t->answer_len <= sizeof(t->answer)", k.t.answer_len = 6);
	BREAK("t->answer_len", k.t.r.answer_due = true);
	BREAK("t->answer_type == TLS_CONTENT_ALERT", k.t.answer_len = 1);
	BREAK("t->alerted", k.t.shut = true);
	BREAK("t->ended", k.t.r.clean_end = true, k.t.ended = false);
	BREAK("t->traffic.len <= KEYS_SECRET_MAX", k.t.traffic.len = 49);
	BREAK("t->control.tls13", k.t.traffic.len = 32);
	BREAK("t->suite < SUITE_COUNT", k.t.suite = SUITE_COUNT);
	BREAK("c->warnings", k.t.control.warnings = 9);
	return NULL;
}

static const char *ktls_call_broken(unsigned row)
{
	BREAK("c->warnings", k.t.control.warnings = 9);
	return NULL;
}

static void kernel_records(void **state)
{
	(void)state;
	breaks(tls_broken, check_tls);
	breaks(ktls_call_broken, read_ktls);
	breaks(ktls_call_broken, write_ktls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wire),
		cmocka_unit_test(control_records),
		cmocka_unit_test(kernel_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

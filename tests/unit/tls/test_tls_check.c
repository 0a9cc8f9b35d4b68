/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.c, control_record.c, record_ktls.c, record_openssl.c: each thing that must hold of a client
 * leg, broken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#undef fail /* of cmocka */
#include "tls/record_ktls.c"
#include "tls/record_openssl.c"
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
	BREAK("!k->bytes == !k->len", w.kept_out.bytes = heap);
	BREAK("k->len <= WIRE_RESIDUE_MAX", w.kept_out.bytes = heap, w.kept_out.len = 1 << 20);
	BREAK("k->at < k->len", w.kept_out.bytes = heap, w.kept_out.len = w.kept_out.at = 3);
	BREAK("w->first_len <= WIRE_FIRST_BYTES", w.first_len = 9);
	BREAK("w->err >= 0", w.err = -EPIPE);
	BREAK("w->header_len < SSL3_RT_HEADER_LENGTH", w.header_len = 5);
	BREAK("!w->body_len", w.header_len = w.body_len = 1);
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

static struct record_ktls k = {.r = {.scratch = &scratch, .fd = -1}};
static struct keys_traffic traffic;

static void check_ktls(void)
{
	ktls_check(&k);
}

/* A leg that is over: its functions check as well. */
static void write_ktls(void)
{
	k.failed = 0; /* there is no socket */
	k.r.told = false;
	ktls_write(&k.r, "x", 1);
}

static void read_ktls(void)
{
	k.ended = true;
	ktls_read(&k.r, heap, sizeof(heap));
}

static const char *ktls_broken(unsigned row)
{
	BREAK("k->failed <= 0", k.failed = 1);
	BREAK("k->r.reason != KEDGE_REASON_NONE", k.failed = -EPROTO);
	BREAK("k->failed", k.r.told = true);
	BREAK("k->answer_len <= sizeof(k->answer)", k.answer_len = 6);
	BREAK("k->answer_len", k.r.answer_due = true);
	BREAK("k->answer_type == TLS_CONTENT_ALERT", k.answer_len = 1);
	BREAK("k->alerted", k.shut = true);
	BREAK("k->ended", k.r.clean_end = true, k.ended = false);
	BREAK("k->control.tls13", k.traffic = &traffic);
	BREAK("(unsigned)k->suite < SUITE_COUNT", k.suite = SUITE_COUNT);
	BREAK("c->warnings", k.control.warnings = 9);
	return NULL;
}

static const char *ktls_call_broken(unsigned row)
{
	BREAK("c->warnings", k.control.warnings = 9);
	return NULL;
}

static void kernel_records(void **state)
{
	(void)state;
	breaks(ktls_broken, check_ktls);
	breaks(ktls_call_broken, read_ktls);
	breaks(ktls_call_broken, write_ktls);
}

/* --- OpenSSL's records ------------------------------------------------------------------------ */

static struct record_openssl o = {.r = {.scratch = &scratch, .fd = -1},
				  .ssl = (SSL *)heap,
				  .wire = {.scratch = &scratch, .fd = -1},
				  .out_limit = sizeof(out)};

static void check_openssl(void)
{
	openssl_check(&o);
}

static const char *openssl_broken(unsigned row)
{
	BREAK("o->wire.fd == o->r.fd", o.wire.fd = 1);
	BREAK("o->failed <= 0", o.failed = 1);
	BREAK("o->r.reason != KEDGE_REASON_NONE", o.failed = -EPROTO);
	BREAK("o->failed == -EPROTO", o.r.told = true);
	BREAK("o->alerted", o.shut = true);
	BREAK("o->ended", o.r.clean_end = true);
	BREAK("!o->ended && !o->failed", o.r.drained = o.ended = true);
	BREAK("o->over < KEDGE_REASON_COUNT", o.over = KEDGE_REASON_COUNT);
	BREAK("o->out_limit >= PLAINTEXT_MAX", o.out_limit = 100);
	BREAK("o->out_limit <= o->r.scratch->out_size", o.out_limit = 40000);
	BREAK("w->first_len", o.wire.first_len = 9);
	return NULL;
}

static void records_of_openssl(void **state)
{
	(void)state;
	breaks(openssl_broken, check_openssl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wire),
		cmocka_unit_test(control_records),
		cmocka_unit_test(kernel_records),
		cmocka_unit_test(records_of_openssl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

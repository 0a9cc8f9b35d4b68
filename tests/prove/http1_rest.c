/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run: http1_init short
 * Run: http1_body short
 * Run: http1_resume short
 * Run: http1_note short
 *
 * The rest of http1.h: each function keeps the invariant, and a new flow has it. Complete: no
 * loop, no bound.
 */
#include "any_http1.h"

void prove_http1_init(void)
{
	struct http1_conf c;
	struct http1 h;

	any_http1(&h, &c);
	http1_init(&h);
	PROVE(http1_holds(&h, &c));
	REACH("the end");
}

/* A block ends no later than its body, and only its last byte ends it. */
void prove_http1_body(void)
{
	struct http1_conf c;
	struct http1 h;
	__u64 n, taken, left;
	__u8 state;

	any_http1(&h, &c);
	INPUT(n);
	left = h.left;
	state = h.state;
	taken = http1_body(&h, n);
	PROVE(http1_holds(&h, &c));
	PROVE(taken <= n);
	if (state != HTTP1_BODY && state != HTTP1_CHUNK)
		PROVE(h.state == state && (taken == 0 || state == HTTP1_TUNNEL));
	else
		PROVE(taken == (n < left ? n : left) && h.left == left - taken &&
		      (h.state == state) == (n < left));
	if (state == HTTP1_CHUNK && h.state == HTTP1_CHUNK_CR)
		REACH("a chunk ends");
}

void prove_http1_resume(void)
{
	struct http1_conf c;
	struct http1 h;
	bool tunnel;
	__u8 state;

	any_http1(&h, &c);
	state = h.state;
	http1_resume(&h, tunnel);
	PROVE(http1_holds(&h, &c));
	PROVE(state == HTTP1_WAITING || h.state == state);
	if (h.state != state)
		REACH("it goes on");
}

/* A request changes its own bit and no other. */
void prove_http1_note(void)
{
	struct http1 h;
	struct kedge_note note, before = note;
	__u32 i, other;

	INPUT(i);
	INPUT(other);
	ASSUME(other < KEDGE_NOTE_RING && other != i % KEDGE_NOTE_RING);
	http1_note_method(&h, &note, i);
	i %= KEDGE_NOTE_RING;
	PROVE((note.head_bits[i / 64] >> i % 64 & 1) == http1_is_head(&h));
	PROVE((note.head_bits[other / 64] >> other % 64 & 1) ==
	      (before.head_bits[other / 64] >> other % 64 & 1));
	REACH("the end");
}

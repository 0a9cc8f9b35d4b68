/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * both sides: the HTTP/1.1 boundary automaton. It reads the request stream of one connection a byte
 * at a time, tells where a head ends so that the client's address can be put there, which lines
 * must be taken out, and refuses what two servers might read in two ways (RFC 9112; http1_line.h,
 * http1_field.h, http1_option.h and http1_body.h have the rules). Pure: no allocation, no call out,
 * bounded, may stop and go on at any byte. The same code runs in the BPF program, in the daemon and
 * in the fuzzers.
 *
 * A driver feeds bytes and does what enum http1_act says with them. What it must keep to:
 *
 *  - A held run begins with the byte that gave HTTP1_HOLD and ends with HTTP1_KEEP, HTTP1_CUT or
 *    HTTP1_END; bytes between give HTTP1_PASS and belong to the run. Begun and ended within one
 *    input a kept run costs nothing.
 *  - Where the input ends inside a run (h->hold != HTTP1_LOOSE) the driver takes the run's bytes
 *    out of its output. At the start of the next input the run is still open and http1_owed(h) says
 *    how many bytes of h->token stand for what was taken out (0 when the run is being cut).
 *    HTTP1_KEEP then means: first h->token[0..owed), at the start of this input, before any further
 *    http1_byte(). HTTP1_END means: text, then "\r", then this byte.
 *  - HTTP1_REFUSE: what belongs to requests that were complete within this input goes on, nothing
 *    else of this input; the stream is finished. note->requests must then say how many heads have
 *    gone on.
 *  - After HTTP1_END look at http1_standing(): with KEDGE_WAITING no byte may be fed before
 *    http1_resume().
 *  - http1_between() is true right after the byte (or block) that ended a request.
 *  - Before a byte, http1_body() and http1_take() may be asked for more at a time.
 */
#pragma once

#ifndef __bpf__
#include <assert.h>
#endif

#include "abi.h"
#include "http1_state.h"
#include "http1_char.h"

enum http1_act {
	HTTP1_PASS,   /* the byte goes on */
	HTTP1_HOLD,   /* it begins a held run */
	HTTP1_KEEP,   /* the held run was ordinary: it and this byte go on */
	HTTP1_CUT,    /* the held run, up to and with this byte, is taken out */
	HTTP1_END,    /* this LF ends a head, the held run is its CR: text, CR, LF go on */
	HTTP1_REFUSE, /* h->reason */
};

#include "http1_line.h"
#include "http1_field.h"
#include "http1_option.h"
#include "http1_body.h"
#include "http1_word.h"
#include "http1_take.h"

/* A zeroed struct is a new flow as well. */
static __always_inline void http1_init(struct http1 *h)
{
	__builtin_memset(h, 0, sizeof(*h));
}

/* Reads one byte. Any byte is allowed at any time; after HTTP1_REFUSE all are refused. */
static __always_inline enum http1_act http1_byte(struct http1 *h, const struct http1_conf *c,
						 __u8 b)
{
	if (h->state >= HTTP1_METHOD && h->state <= HTTP1_END_LF) {
		h->head++;
		if (h->state <= HTTP1_LINE_LF && h->head > KEDGE_LINE_BYTES_MAX)
			return http1_refuse(h, KEDGE_REASON_http_line_too_long);
		if (h->head > c->head_bytes_max)
			return http1_refuse(h, KEDGE_REASON_http_head_too_large);
	}
	switch (h->state) {
	case HTTP1_VALUE:
		return http1_at_value(h, b);
	case HTTP1_NAME:
		return http1_at_name(h, c, b);
	case HTTP1_FIELD:
		return http1_at_field(h, c, b);
	case HTTP1_VALUE_LF:
		return http1_at_value_lf(h, b);
	case HTTP1_PATH:
		return http1_at_path(h, b);
	case HTTP1_XFF:
		return http1_at_xff(h, b);
	case HTTP1_HOST:
		return http1_at_host(h, b);
	case HTTP1_LENGTH:
		return http1_at_length(h, b);
	case HTTP1_CODING:
		return http1_at_coding(h, b);
	case HTTP1_OPTIONS:
		return http1_at_options(h, c, b);
	case HTTP1_PROTOCOLS:
		return http1_at_protocols(h, b);
	case HTTP1_H2C:
		return http1_at_h2c(h, b);
	case HTTP1_END_LF:
		return http1_at_end_lf(h, c, b);
	case HTTP1_START:
	case HTTP1_START_REQ:
		return http1_at_start(h, b);
	case HTTP1_START_LF:
		return http1_at_start_lf(h, b);
	case HTTP1_METHOD:
		return http1_at_method(h, b);
	case HTTP1_TARGET:
		return http1_at_target(h, b);
	case HTTP1_SCHEME:
		return http1_at_scheme(h, b);
	case HTTP1_AUTHORITY:
		return http1_at_authority(h, b);
	case HTTP1_TARGET_END:
		return http1_at_target_end(h, b);
	case HTTP1_VERSION:
		return http1_at_version(h, b);
	case HTTP1_LINE_CR:
		return http1_at_line_cr(h, b);
	case HTTP1_LINE_LF:
		return http1_at_line_lf(h, b);
	case HTTP1_BODY:
	case HTTP1_CHUNK:
		return http1_at_data(h);
	case HTTP1_SIZE:
		return http1_at_size(h, b);
	case HTTP1_EXTENSION:
		return http1_at_extension(h, b);
	case HTTP1_SIZE_LF:
		return http1_at_size_lf(h, b);
	case HTTP1_CHUNK_CR:
		return http1_at_chunk_cr(h, b);
	case HTTP1_CHUNK_LF:
		return http1_at_chunk_lf(h, b);
	case HTTP1_TUNNEL:
		return HTTP1_PASS;
	case HTTP1_REFUSED:
		return HTTP1_REFUSE;
	}
	/* HTTP1_WAITING: the driver fed a byte that it should have kept. */
	return http1_refuse(h, KEDGE_REASON_internal_error);
}

/*
 * How many of the next n bytes go on unread: a block of a body, of a chunk or of a tunnel. They are
 * accounted for. 0 where bytes must be read.
 */
static __always_inline __u64 http1_body(struct http1 *h, __u64 n)
{
	if (h->state == HTTP1_TUNNEL)
		return n;
	if (h->state != HTTP1_BODY && h->state != HTTP1_CHUNK)
		return 0;
	if (n < h->left) {
		h->left -= n;
		return n;
	}
	n = h->left;
	h->left = 0;
	h->state = h->state == HTTP1_BODY ? HTTP1_START : HTTP1_CHUNK_CR;
	return n;
}

static __always_inline enum kedge_standing http1_standing(const struct http1 *h)
{
	if (h->state <= HTTP1_START_REQ)
		return KEDGE_BETWEEN;
	if (h->state <= HTTP1_END_LF)
		return h->flags & HTTP1_F_TRAILER ? KEDGE_BODY : KEDGE_HEAD;
	if (h->state < HTTP1_WAITING)
		return KEDGE_BODY;
	if (h->state == HTTP1_WAITING)
		return KEDGE_WAITING;
	return h->state == HTTP1_TUNNEL ? KEDGE_TUNNEL : KEDGE_REFUSED;
}

/* No request is begun, and none but an empty line is held. */
static __always_inline bool http1_between(const struct http1 *h)
{
	return h->state <= HTTP1_START_REQ;
}

/* The held run will be taken out whatever follows. */
static __always_inline bool http1_cutting(const struct http1 *h)
{
	return h->hold == HTTP1_BEING_CUT;
}

/* At the start of an input: bytes of h->token that were taken out of earlier ones and may have to
 * come back; at most HTTP1_CUT_NAME_MAX. */
static __always_inline __u32 http1_owed(const struct http1 *h)
{
	return h->hold == HTTP1_HELD ? h->len : 0;
}

/* The request whose head ended last was a HEAD: its response has no body. */
static __always_inline bool http1_is_head(const struct http1 *h)
{
	return h->flags & HTTP1_F_HEAD;
}

/*
 * What goes in before the CR of HTTP1_END, in this order: c->text[0..head), h->list[0..list),
 * c->text[from..c->text_len) without its gaps, which is `tail` bytes, h->options[0..options). Valid
 * until the next http1_byte(). Usually it is all in the first piece, the others are 0. All 0:
 * nothing goes in.
 */
struct http1_text {
	__u16 head;
	__u16 list;
	__u16 from;
	__u16 tail;
	__u16 options;
	__u16 at[HTTP1_GAPS]; /* of a gap in c->text, ascending, none before `from` */
	__u16 gap[HTTP1_GAPS];
};

static __always_inline void http1_text(const struct http1 *h, const struct http1_conf *c,
				       struct http1_text *t)
{
	const __u16 kept = HTTP1_F_PROTO | HTTP1_F_PORT | HTTP1_F_REAL;
	__u32 i;

	t->head = c->text_len;
	t->list = h->list_len;
	t->from = c->text_len;
	t->tail = 0;
	t->options = h->flags & HTTP1_F_COLLECT ? h->options_len : 0;
	for (i = 0; i < HTTP1_GAPS; i++) {
		t->at[i] = c->line[i];
		t->gap[i] = h->flags & HTTP1_F_PROTO << i ? c->line[i + 1] - c->line[i] : 0;
	}
	if (t->list) {
		t->head = HTTP1_PREFIX_LEN;
		t->from = HTTP1_PREFIX_LEN;
		if (c->mode == HTTP1_XFF_IF_NONE)
			t->from += c->ours_len;
	} else if (h->flags & kept) {
		t->head = c->xff_len;
		t->from = c->xff_len;
	} else {
		return;
	}
	t->tail = c->text_len - t->from - t->gap[0] - t->gap[1] - t->gap[2];
}

/* The place of byte i of the tail in c->text. */
static __always_inline __u32 http1_tail_at(const struct http1_text *t, __u32 i)
{
	__u32 k;

	i += t->from;
	for (k = 0; k < HTTP1_GAPS; k++)
		if (i >= t->at[k])
			i += t->gap[k];
	return i;
}

/* Was request i, the one at hand, a HEAD? */
static __always_inline void http1_note_method(const struct http1 *h, struct kedge_note *note,
					      __u32 i)
{
	__u64 bit, bits;

	i %= KEDGE_NOTE_RING;
	bit = 1ULL << (i % 64);
	bits = note->head_bits[i / 64];
	note->head_bits[i / 64] = http1_is_head(h) ? bits | bit : bits & ~bit;
}

/*
 * The head at hand is not complete, or was refused: an answer that kedge gives in its place has no
 * body if its method, as far as it is known, is HEAD.
 */
static __always_inline void http1_note_begun(const struct http1 *h, struct kedge_note *note)
{
	if (note->standing == KEDGE_HEAD || h->state == HTTP1_REFUSED)
		http1_note_method(h, note, h->requests);
}

/* Right after HTTP1_END: counts the request in the note. */
static __always_inline void http1_note_request(const struct http1 *h, struct kedge_note *note)
{
	http1_note_method(h, note, h->requests - 1);
	note->requests = h->requests;
}

/* The answer to an upgrade request came; nothing happens in other states. */
static __always_inline void http1_resume(struct http1 *h, bool tunnel)
{
	if (h->state == HTTP1_WAITING)
		h->state = tunnel ? HTTP1_TUNNEL : HTTP1_START;
}

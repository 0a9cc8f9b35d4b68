/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * both sides: the HTTP/1.1 boundary automaton. It reads the request stream of one connection byte
 * by byte. It finds the end of each head, where the client's address is inserted, and the lines
 * that must be taken out. It refuses everything that two servers might read differently (RFC 9112).
 * Pure: no allocation, no outside calls, bounded. It may stop and continue at any byte. The same
 * code runs in the BPF program, in the daemon and in the fuzzers.
 *
 * The rules:
 *   http1_line.h    request lines: method, target, version
 *   http1_field.h   field lines: Host, framing, X-Forwarded-For and its relatives, trailers
 *   http1_option.h  Connection and Upgrade
 *   http1_body.h    Content-Length and chunks
 * The tools:
 *   http1_state.h   types
 *   http1_char.h    sets of bytes, names
 *   http1_word.h    eight bytes at a time
 *   http1_take.h    the usual lines, many bytes at a time
 *
 * A driver feeds bytes and does with them what enum http1_act says. Its rules:
 *
 *  - A held run begins with the byte that gave HTTP1_HOLD. It ends with HTTP1_KEEP, HTTP1_CUT or
 *    HTTP1_END. Bytes between give HTTP1_PASS and belong to the run. A kept run that begins and
 *    ends within one input costs nothing.
 *  - If the input ends inside a run (h->hold != HTTP1_LOOSE), the driver takes the run's bytes out
 *    of its output. At the start of the next input the run is still open. http1_owed(h) says how
 *    many bytes of h->token replace the bytes that were taken out (0 when the run is being cut).
 *    HTTP1_KEEP then means: put h->token[0..owed) at the start of this input, before any further
 *    http1_byte(). HTTP1_END means: text, then "\r", then this byte.
 *  - HTTP1_REFUSE: requests that ended within this input go on, nothing else of it does. The stream
 *    is finished. note->requests must then say how many heads have gone on.
 *  - After HTTP1_END the driver checks http1_standing(). With KEDGE_WAITING it must feed no byte
 *    before http1_resume().
 *  - http1_between() is true right after the byte (or block) that ended a request.
 *  - Instead of a byte, the driver may first offer a block to http1_body() and http1_take().
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

/* A zeroed struct is a new flow, too. */
static __always_inline void http1_init(struct http1 *h)
{
	__builtin_memset(h, 0, sizeof(*h));
}

/* Reads one byte. Any byte may come at any time. After HTTP1_REFUSE all are refused. */
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
 * Takes up to n bytes that go on unread: a block of a body, of a chunk or of a tunnel. Returns how
 * many; 0 when the next byte must be read.
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

/* No request has begun. Only an empty line may be held. */
static __always_inline bool http1_between(const struct http1 *h)
{
	return h->state <= HTTP1_START_REQ;
}

/* The held run will be taken out, whatever follows. */
static __always_inline bool http1_cutting(const struct http1 *h)
{
	return h->hold == HTTP1_BEING_CUT;
}

/*
 * At the start of an input: how many bytes of h->token were taken out of earlier inputs and may
 * have to come back.
 */
static __always_inline __u32 http1_owed(const struct http1 *h)
{
	return h->hold == HTTP1_HELD ? h->len : 0;
}

/* The request whose head ended last was a HEAD, so its response has no body. */
static __always_inline bool http1_is_head(const struct http1 *h)
{
	return h->flags & HTTP1_F_HEAD;
}

/*
 * The text to insert before the CR of HTTP1_END, in this order: c->text[0..head), h->list[0..list),
 * c->text[from..c->text_len) without its gaps (`tail` bytes), h->options[0..options). Valid until
 * the next http1_byte(). Usually all is in the first piece and the others are 0. If all are 0,
 * nothing is inserted.
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

/* Records whether request i, the present one, is a HEAD. */
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
 * For a head that is not complete or was refused: records whether its method is HEAD, as far as it
 * is known. Then kedge's own answer has no body.
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
	if (h->flags & (HTTP1_F_OLD | HTTP1_F_CLOSE))
		note->last = h->requests;
}

/* What comes next is another client's. Does nothing within a request. */
static __always_inline void http1_renew(struct http1 *h)
{
	if (!http1_between(h))
		return;
	h->state = HTTP1_START;
	h->hold = HTTP1_LOOSE;
}

/* The answer to an upgrade request has come. Does nothing in other states. */
static __always_inline void http1_resume(struct http1 *h, bool tunnel)
{
	if (h->state == HTTP1_WAITING)
		h->state = tunnel ? HTTP1_TUNNEL : HTTP1_START;
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * BPF only: the functions that change a message: map a window of it, take bytes out, put bytes in.
 * Each keeps run->size right, counts the change, and sets run->error when the kernel has no memory
 * for it. Each invalidates pointers into the message that were taken before.
 */
#pragma once

#include <stdbool.h>

#include "kedge/http1.h"
#include "maps.bpf.h"

/* Bytes made linear at once. */
#define EDIT_WINDOW 16384

/* What the callbacks of bpf_loop() get. */
struct edit_ctx {
	struct sk_msg_md *msg;
	struct kedge_flow *flow;
	const struct http1_conf *conf; /* in the flow's row of kdg_text */
};

/* Makes n bytes from pos readable as msg->data. Usually this only moves the pointers. */
static __always_inline long room_window(struct sk_msg_md *msg, __u32 pos, __u32 n)
{
	__u64 linear = (__u64)(msg->data_end - msg->data);

	if (!pos && linear >= n)
		return 0;
	return bpf_msg_pull_data(msg, pos, pos + n, 0);
}

/* Takes the bytes from..to out. */
static __always_inline void room_close(struct kedge_run *run, struct sk_msg_md *msg, __u32 from,
				       __u32 to)
{
	if (from >= to)
		return;
	if (bpf_msg_pop_data(msg, from, to - from, 0)) {
		run->error = 1;
		return;
	}
	run->size -= to - from;
	run->edits++;
}

/* Ends the message `at`: takes out the bytes behind it, unused spare bytes included. */
static __always_inline void room_trim(struct kedge_run *run, struct sk_msg_md *msg, __u32 at)
{
	__u32 n = run->size + run->spare - at;

	if (n && bpf_msg_pop_data(msg, at, n, 0)) {
		run->error = 1;
		return;
	}
	run->size = at;
	run->spare = 0;
}

/* Makes n new bytes at `at`, readable and writable as msg->data. */
static __always_inline bool room_open(struct kedge_run *run, struct sk_msg_md *msg, __u32 at,
				      __u32 n)
{
	if (bpf_msg_push_data(msg, at, n, 0) || bpf_msg_pull_data(msg, at, at + n, 0)) {
		run->error = 1;
		return false;
	}
	run->size += n;
	run->edits++;
	return true;
}

/*
 * Writes the prepared text (at least one line) in words; the last two may overlap. False when there
 * is less room, which the caller has excluded. The length is loaded here on purpose: otherwise the
 * verifier may know things about it that contradict the comparisons below, and Linux 6.1 walks such
 * paths.
 */
static __always_inline bool room_put(const struct http1_conf *conf, __u8 *p, const __u8 *end)
{
	const __u8 *text = conf->text;
	__u32 n = conf->text_len, i;

	/*
	 * The compiler must not know that n is a byte. It would leave out the bound of i, and Linux
	 * 6.1 would walk the loop for values of i that n never has.
	 */
	asm volatile("" : "+r"(n));
	for (i = 0; i + 8 <= HTTP1_TEXT_MAX && i + 8 < n; i += 8) {
		if (p + i + 8 > end)
			return false;
		*(__u64 *)(p + i) = *(__u64 *)(text + i);
	}
	if (n < 8 || n > HTTP1_TEXT_MAX)
		return false;
	n -= 8;
	/* The verifier has forgotten the bound of n: say it again. */
	asm volatile("" : "+r"(n));
	n &= HTTP1_TEXT_MAX - 1;
	if (p + n + 8 > end)
		return false;
	*(__u64 *)(p + n) = *(__u64 *)(text + n);
	return true;
}

/* What room_put_byte() writes. */
struct room_pieces {
	struct edit_ctx *c;
	struct http1_text text;
	__u32 done;
};

/* bpf_loop() callback: byte i of the text in pieces; a CR after them. */
static long room_put_byte(__u32 i, struct room_pieces *r)
{
	struct sk_msg_md *msg = r->c->msg;
	struct kedge_flow *flow = r->c->flow;
	const struct http1_conf *conf = r->c->conf;
	__u8 *p = (void *)(long)msg->data, *end = (void *)(long)msg->data_end;
	__u32 at = i, list = r->text.list;

	if (i >= HTTP1_TEXT_MAX + KEDGE_XFF_BYTES_MAX + sizeof(flow->http.options))
		return 1;
	p += i;
	if (p + 1 > end)
		return 1;
	r->done++;
	if (at < r->text.head) {
		*p = conf->text[at % HTTP1_TEXT_MAX];
		return 0;
	}
	at -= r->text.head;
	if (at < list) {
		*p = flow->http.list[at % KEDGE_XFF_BYTES_MAX];
		return 0;
	}
	at -= list;
	if (at < r->text.tail) {
		*p = conf->text[http1_tail_at(&r->text, at) % HTTP1_TEXT_MAX];
		return 0;
	}
	at -= r->text.tail;
	if (at < r->text.options) {
		*p = flow->http.options[at & 0xff];
		return 0;
	}
	*p = '\r';
	return 0;
}

/*
 * Puts the text of a head at `at`, and the CR after it if that was held back. Returns the number of
 * bytes put.
 */
static __always_inline __u32 room_for_text(struct edit_ctx *c, __u32 at,
					   const struct http1_text *text, bool cr)
{
	struct room_pieces r = {.c = c, .text = *text};
	struct kedge_run *run = &c->flow->run;
	__u32 n = (__u32)text->head + text->list + text->tail + text->options + cr;

	if (!n || !room_open(run, c->msg, at, n))
		return 0;
	if (text->head == c->conf->text_len && !text->list && !text->options && !cr) {
		__u8 *p = (void *)(long)c->msg->data, *end = (void *)(long)c->msg->data_end;

		if (!room_put(c->conf, p, end))
			run->error = 1;
		return n;
	}
	bpf_loop(n, room_put_byte, &r, 0);
	if (r.done != n)
		run->error = 1;
	return n;
}

/*
 * The usual message is one request that ends with its head. Then the text overwrites the blank line
 * and the spare bytes, and the blank line follows it. The message stays one element and one
 * segment, without an allocation. Returns the number of bytes put, 0 when the message is not like
 * that.
 */
static __always_inline __u32 room_in_place(struct edit_ctx *c, const struct http1_text *text)
{
	struct kedge_run *run = &c->flow->run;
	__u8 *p = (void *)(long)c->msg->data, *end = (void *)(long)c->msg->data_end, *crlf;
	__u32 n = run->spare, at = run->off - 2;

	if (!n || n != text->head || text->list || text->options || run->owed ||
	    run->pos != run->size)
		return 0;
	if (at > EDIT_WINDOW)
		return 0;
	p += at;
	crlf = p + n;
	if (crlf + 2 > end)
		return 0;
	if (!room_put(c->conf, p, end))
		run->error = 1;
	crlf[0] = '\r';
	crlf[1] = '\n';
	run->size += n;
	run->spare = 0;
	return n;
}

/* Puts back the n bytes that earlier messages held back, at the start. */
static __always_inline void room_for_owed(struct edit_ctx *c, __u32 n)
{
	struct kedge_run *run = &c->flow->run;
	__u8 *p, *end;
	__u32 i;

	if (!room_open(run, c->msg, 0, n))
		return;
	p = (void *)(long)c->msg->data;
	end = (void *)(long)c->msg->data_end;
	for (i = 0; i < HTTP1_TOKEN_MAX && i < n && p + i + 1 <= end; i++)
		p[i] = c->flow->http.token[i];
	if (i != n)
		run->error = 1;
	run->pos += n;
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * BPF only: drives the automaton of http1.h over the messages of a flow. It makes room, writes the
 * text, and takes lines out. It follows the rules for drivers in http1.h, and these:
 *
 * I1  A message is judged in one run and passed or redirected whole, or it is judged in parts and
 *     no part is redirected: bpf_msg_apply_bytes() together with a redirect loses bytes.
 * I2  bpf_msg_apply_bytes() is set in every run, 0 meaning all: it sticks to the message.
 * I3  Each change splits an element of the message's ring of 17; when that is full the kernel
 *     copies whole elements. So a run ends at the first boundary after EDIT_CHANGES_MAX changes,
 *     and the kernel calls us again for the rest.
 * I4  A message that is refused or cannot be edited is dropped. It never goes on unedited.
 */
#pragma once

#include "kedge/http1.h"
#include "maps.bpf.h"
#include "room.bpf.h"

/* Words or bytes that are read in one call of edit_bytes(). */
#define EDIT_TURNS       2
/* I3 */
#define EDIT_CHANGES_MAX 7
/*
 * Steps of one run: one for each head if no text goes in, a last one without an end, and one for
 * each line that is cut from a head before the run ends at its boundary. The first step may put
 * back the owed bytes.
 */
#define EDIT_STEPS_MAX   (KEDGE_SEND_HEADS_MAX + KEDGE_FIELDS_MAX + EDIT_CHANGES_MAX + 2)

enum edit_verdict {
	EDIT_DROP,
	EDIT_PASS, /* not to be redirected */
	EDIT_DONE,
};

/* A request ends `at` bytes into the message. True when the run should end here. */
static __always_inline bool edit_boundary(struct kedge_flow *flow, __u32 at)
{
	flow->run.bound = at;
	flow->run.requests = flow->http.requests;
	flow->run.full = flow->run.edits >= EDIT_CHANGES_MAX;
	return flow->run.full;
}

/* What a call of edit_byte() asks for. */
enum edit_go {
	EDIT_NEXT, /* the next byte */
	EDIT_STOP, /* the end of this window, or a byte that must be acted on (run.act) */
};

/* One byte, or a whole block of a body, `off` bytes into the window. */
static __always_inline enum edit_go edit_byte(struct edit_ctx *c, __u32 off, const __u8 *p,
					      const __u8 *end)
{
	struct kedge_flow *flow = c->flow;
	struct kedge_run *run = &flow->run;
	struct http1 *h = &flow->http;
	__u32 n = http1_body(h, run->end - off);
	bool between;

	if (n) {
		off += n;
		run->off = off;
		between = http1_between(h);
		return between && edit_boundary(flow, run->pos + off) ? EDIT_STOP : EDIT_NEXT;
	}
	if (p + 1 > end)
		return EDIT_STOP;
	run->off = off + 1;
	run->act = http1_byte(h, c->conf, *p);
	switch (run->act) {
	case HTTP1_PASS:
		between = http1_between(h);
		return between && edit_boundary(flow, run->pos + off + 1) ? EDIT_STOP : EDIT_NEXT;
	case HTTP1_HOLD:
		run->hold = run->pos + off;
		return EDIT_NEXT;
	case HTTP1_KEEP:
		return run->owed ? EDIT_STOP : EDIT_NEXT;
	}
	return EDIT_STOP;
}

/*
 * bpf_loop() callback: takes as many bytes as possible at once, or one. It does so a few times,
 * since an empty call costs as much as a byte.
 */
static long edit_bytes(__u32 i, struct edit_ctx *c)
{
	struct kedge_flow *flow = c->flow;
	struct kedge_run *run = &flow->run;
	__u8 *data = (void *)(long)c->msg->data, *end = (void *)(long)c->msg->data_end, *p;
	__u32 off, turn, n;

	for (turn = 0; turn < EDIT_TURNS; turn++) {
		off = run->off;
		if (off >= EDIT_WINDOW)
			return 1;
		p = data + off;
		n = http1_take(&flow->http, c->conf, p, end);
		if (n) {
			run->off = off + n;
			continue;
		}
		if (off >= run->end || edit_byte(c, off, p, end) == EDIT_STOP)
			return 1;
	}
	return 0;
}

/* HTTP1_END: `after` is the position after the blank line's LF. */
static __always_inline void edit_head_end(struct edit_ctx *c, struct kedge_note *note, __u32 after)
{
	struct kedge_flow *flow = c->flow;
	struct kedge_run *run = &flow->run;
	struct http1_text text;
	__u32 n;

	http1_note_request(&flow->http, note);
	http1_text(&flow->http, c->conf, &text);
	run->pos = after;
	n = room_in_place(c, &text);
	if (!n)
		n = room_for_text(c, run->hold, &text, run->owed);
	if (run->error)
		return;
	run->owed = 0;
	after += n;
	run->pos = after;
	switch (flow->http.state) {
	case HTTP1_WAITING:
		note->withheld = run->size - after;
		room_trim(run, c->msg, after);
		break;
	case HTTP1_START:
		edit_boundary(flow, after);
		break;
	}
}

/* bpf_loop() callback: a block, or a window up to where the message must be changed. 1: done. */
static long edit_step(__u32 i, struct edit_ctx *c)
{
	struct kedge_flow *flow = c->flow;
	struct kedge_run *run = &flow->run;
	struct kedge_note *note;
	__u32 pos = run->pos, size = run->size, n;

	if (pos >= size || run->full || run->error)
		return 1;
	n = http1_body(&flow->http, size - pos);
	if (n) {
		run->pos = pos + n;
		return http1_between(&flow->http) && edit_boundary(flow, pos + n);
	}
	n = size - pos < EDIT_WINDOW ? size - pos : EDIT_WINDOW;
	if (room_window(c->msg, pos, pos + n < size ? n : n + run->spare)) {
		run->error = 1;
		return 1;
	}
	run->off = 0;
	run->end = n;
	run->act = HTTP1_PASS;
	bpf_loop(EDIT_WINDOW, edit_bytes, c, 0);
	pos += run->off;
	run->pos = pos;
	switch (run->act) {
	case HTTP1_REFUSE:
		return 1;
	case HTTP1_KEEP:
		n = run->owed;
		if (n)
			room_for_owed(c, n);
		run->owed = 0;
		return 0;
	case HTTP1_CUT:
		n = run->hold;
		room_close(run, c->msg, n, pos);
		run->owed = 0;
		run->pos = n;
		run->cuts++;
		return 0;
	case HTTP1_END:
		note = note_of(flow->slot);
		if (!note)
			return 1;
		edit_head_end(c, note, pos);
		return 0;
	}
	/* Spare bytes are not part of a request. */
	if (run->off > run->end)
		run->error = 1;
	return run->off == 0;
}

/*
 * The message is read to its end. Bytes that the automaton holds are taken out, and so are spare
 * bytes.
 */
static __always_inline void edit_end(struct edit_ctx *c)
{
	struct kedge_run *run = &c->flow->run;
	bool held = c->flow->http.hold != HTTP1_LOOSE && run->hold < run->size;

	if (held || run->spare)
		room_trim(run, c->msg, held ? run->hold : run->size);
}

/* In KEDGE_WAITING a message comes only after the daemon said how the upgrade was answered. */
static __always_inline bool edit_resumed(struct http1 *h, struct kedge_note *note)
{
	__u8 command = note->command;

	note->command = KEDGE_COMMAND_NONE;
	if (command == KEDGE_COMMAND_NONE)
		return false;
	http1_resume(h, command == KEDGE_COMMAND_TUNNEL);
	return true;
}

/* The leg has another client: the one before may have left an empty line, or half of one. */
static __always_inline void edit_renewed(struct http1 *h, struct kedge_note *note)
{
	if (note->command != KEDGE_COMMAND_NEXT)
		return;
	note->command = KEDGE_COMMAND_NONE;
	http1_renew(h);
}

/* The rest of the message is refused. Complete requests before it go on. */
static __always_inline enum edit_verdict edit_refused(struct sk_msg_md *msg,
						      struct kedge_flow *flow,
						      struct kedge_note *note,
						      struct kedge_stats *stats)
{
	stats->bpf_refused++;
	note->requests = flow->run.requests;
	note->reason = flow->http.reason;
	if (!flow->run.bound)
		return EDIT_DROP;
	bpf_msg_apply_bytes(msg, flow->run.bound);
	return EDIT_PASS;
}

static __always_inline enum edit_verdict
edit_failed(struct kedge_flow *flow, struct kedge_note *note, struct kedge_stats *stats)
{
	stats->bpf_errors++;
	http1_refuse(&flow->http, KEDGE_REASON_edit_failed);
	note->reason = KEDGE_REASON_edit_failed;
	note->standing = KEDGE_REFUSED;
	return EDIT_DROP;
}

/*
 * Takes over the spare bytes of a new message. False when the kernel made two messages of one send:
 * then their place is unknown.
 */
static __always_inline bool edit_spare(struct sk_msg_md *msg, struct kedge_flow *flow,
				       struct kedge_note *note)
{
	__u8 spare = note->spare;

	flow->run.spare = spare;
	note->spare = 0;
	return !spare || (msg->size == note->sending && msg->size >= spare);
}

/* Runs the editor over the message as far as it goes. */
static __always_inline void edit_run(struct sk_msg_md *msg, struct kedge_flow *flow,
				     const struct http1_conf *conf)
{
	struct edit_ctx c = {.msg = msg, .flow = flow, .conf = conf};
	struct kedge_run *run = &flow->run;

	run->pos = 0;
	run->size = msg->size - run->spare;
	run->hold = 0;
	run->bound = 0;
	run->requests = flow->http.requests;
	run->act = HTTP1_PASS;
	run->owed = http1_owed(&flow->http);
	run->edits = 0;
	run->cuts = 0;
	run->full = 0;
	run->error = 0;
	bpf_loop(EDIT_STEPS_MAX, edit_step, &c, 0);
	if (run->error || run->act == HTTP1_REFUSE)
		return;
	if (run->pos == run->size)
		edit_end(&c);
	else if (!run->full)
		run->error = 1;
}

/* One message, or the rest of one that an earlier run left. */
static __always_inline enum edit_verdict
edit_message(struct sk_msg_md *msg, struct kedge_flow *flow, struct kedge_stats *stats)
{
	struct kedge_note *note = note_of(flow->slot);
	const struct kedge_text *text = text_of(flow->slot);
	struct kedge_run *run = &flow->run;
	bool split = flow->split;

	if (!note || !text)
		return EDIT_DROP;
	edit_renewed(&flow->http, note);
	bpf_msg_apply_bytes(msg, 0);
	note->withheld = 0;
	note->runs++;
	if (flow->http.state == HTTP1_REFUSED)
		return EDIT_DROP;
	if (flow->http.state == HTTP1_WAITING && !edit_resumed(&flow->http, note))
		return edit_failed(flow, note, stats);
	if (!split && !edit_spare(msg, flow, note))
		return edit_failed(flow, note, stats);
	edit_run(msg, flow, &text->conf);
	flow->bytes += run->pos;
	if (run->error)
		return edit_failed(flow, note, stats);
	stats->bpf_cuts += run->cuts;
	note->standing = http1_standing(&flow->http);
	http1_note_begun(&flow->http, note);
	if (run->act == HTTP1_REFUSE) {
		stats->requests_bpf += run->requests - flow->requests;
		return edit_refused(msg, flow, note, stats);
	}
	note->requests = flow->http.requests;
	stats->requests_bpf += flow->http.requests - flow->requests;
	flow->requests = flow->http.requests;
	flow->split = run->pos < run->size;
	note->scattered = split || flow->split || run->edits;
	if (flow->split)
		bpf_msg_apply_bytes(msg, run->pos);
	return split || flow->split ? EDIT_PASS : EDIT_DONE;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* edit_user.c, edit_bpf.c, http1_edit.c: each thing that must hold of an editor, broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* http1_edit.c has another function of that name. */
#define has_room socket_has_room
#include "http/edit_bpf.c"
#undef has_room
#include "http/edit_user.c"
#include "http/http1_edit.c"
#include "tests/lib/breaks.h"

/* --- in user space ---------------------------------------------------------------------------- */

static struct edit_user u;
static uint8_t rest[4];

static void check_user(void)
{
	user_check(&u);
}

static const char *user_broken(unsigned row)
{
	BREAK("u->edit.note == &u->note", u.edit.note = NULL);
	BREAK("u->rest_off < u->rest_len", u.rest = rest);
	BREAK("u->edit.holds == !!u->rest", u.edit.holds = true);
	BREAK("h->state <= HTTP1_REFUSED", u.http1.state = HTTP1_REFUSED + 1);
	BREAK("!n->spare", u.note.spare = 1);
	BREAK("u->note.standing == http1_standing(&u->http1)", u.note.standing = KEDGE_BODY);
	BREAK("u->rest || u->note.reason == u->http1.reason", u.http1.state = HTTP1_REFUSED,
	      u.http1.reason = 1);
	BREAK("u->note.standing != KEDGE_REFUSED", u.http1.state = HTTP1_REFUSED,
	      u.http1.reason = u.note.reason = 1, u.note.standing = KEDGE_REFUSED, u.rest = rest,
	      u.rest_len = 4, u.edit.holds = true);
	BREAK("u->note.requests == u->http1.requests", u.note.requests = 1);
	BREAK("(int32_t)(u->http1.requests - u->note.requests) >= 0", u.note.requests = 1,
	      u.http1.state = HTTP1_REFUSED, u.http1.reason = u.note.reason = 1,
	      u.note.standing = KEDGE_REFUSED);
	return NULL;
}

static void an_editor_in_user_space(void **state)
{
	(void)state;
	u.edit.note = &u.note;
	u.conf.head_bytes_max = KEDGE_HEAD_BYTES_DEFAULT;
	breaks(user_broken, check_user);
}

/* --- in front of BPF -------------------------------------------------------------------------- */

static struct kedge_note note, before;
static struct edit_bpf eb = {.e = {.note = &note},
			     .flow = {.cookie = 1, .note = &note},
			     .send_max = 16,
			     .body_max = 16,
			     .room = 100000};

static void check_sent(void)
{
	sent_check(&eb, &before, 16);
}

static const char *bpf_broken(unsigned row)
{
	BREAK("eb->flow.cookie", eb.flow.cookie = 0);
	BREAK("eb->e.note == eb->flow.note", eb.flow.note = NULL);
	BREAK("eb->send_max <= KEDGE_SEND_BYTES_MAX", eb.send_max = 20000);
	BREAK("worst_cost(eb, eb->send_max) <= eb->room", eb.room = 10);
	BREAK("eb->body_max <= KEDGE_BODY_BYTES_MAX", eb.body_max = 50000);
	BREAK("body_cost(eb->body_max) <= eb->room", eb.body_max = 40000, eb.room = 50000);
	BREAK("eb->growth <= HTTP1_TEXT_MAX", eb.growth = 300);
	BREAK("n->standing <= KEDGE_REFUSED", note.standing = 7);
	BREAK("heads <= len / KEDGE_REQUEST_BYTES_MIN + 1", note.requests = 3, note.runs = 1);
	BREAK("after->runs != before->runs", note.requests = 1);
	BREAK("after->withheld <= len", note.withheld = 17, note.sending = 17);
	return NULL;
}

static void an_editor_in_front_of_bpf(void **state)
{
	(void)state;
	breaks(bpf_broken, check_sent);
}

/* --- the pieces ------------------------------------------------------------------------------- */

static struct http1 h;
static struct http1_conf conf;
static struct http1_edit out_list;
static struct walk walk;
static const uint8_t input[8] = "GET / H";

static void check_pieces(void)
{
	edit_check(&walk);
}

static const char *pieces_broken(unsigned row)
{
	BREAK("out->pieces <= HTTP1_EDIT_PIECES", out_list.pieces = 257);
	BREAK("out->copied <= HTTP1_EDIT_COPY", out_list.copied = 5000);
	BREAK("v->iov_len", out_list.piece[0].iov_len = 0);
	BREAK("is_within(v, w->in, w->len)", out_list.piece[0].iov_len = 9);
	BREAK("is_within(v, w->in, w->len)", out_list.piece[0].iov_base = &note);
	BREAK("out->bytes == bytes", out_list.bytes++);
	BREAK("w->at <= w->len", walk.at = 9);
	BREAK("h->reason <", h.reason = 200);
	BREAK("w->note->requests == w->h->requests", h.requests = 1);
	return NULL;
}

static void the_pieces_of_a_message(void **state)
{
	(void)state;
	walk = (struct walk){.out = &out_list, .h = &h, .c = &conf, .note = &note};
	walk.in = input;
	walk.len = 7;
	out_list.piece[0] = (struct iovec){(void *)input, 7};
	out_list.pieces = 1;
	out_list.bytes = 7;
	breaks(pieces_broken, check_pieces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_editor_in_user_space),
		cmocka_unit_test(an_editor_in_front_of_bpf),
		cmocka_unit_test(the_pieces_of_a_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

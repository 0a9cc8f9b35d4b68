/* SPDX-License-Identifier: BSD-2-Clause */
/* http1_check.c: each thing that must hold of an automaton, its conf and a note, broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "http/http1_check.h"
#include "http/http1_edit.h"
#include "tests/lib/breaks.h"

static struct http1 h;
static struct http1_conf conf;
static struct kedge_note note;

static void check(void)
{
	http1_check(&h, &conf);
}

static void check_conf(void)
{
	http1_conf_check(&conf);
}

static void check_note(void)
{
	note_check(&note);
}

/* The state after these bytes. */
static void read_bytes(__u16 flags, const char *bytes)
{
	static struct http1_edit out;

	h = (struct http1){0};
	note = (struct kedge_note){0};
	conf = (struct http1_conf){.flags = flags,
				   .text_len = 30,
				   .xff_len = 30,
				   .ours_len = 9,
				   .line = {30, 30, 30, 30},
				   .head_bytes_max = KEDGE_HEAD_BYTES_DEFAULT};
	assert_int_equal(http1_edit(&out, &h, &conf, &note, bytes, strlen(bytes)), strlen(bytes));
	check();
}

/* --- what is held ----------------------------------------------------------------------------- */

#define LINE "POST / HTTP/1.1\r\nHost: a\r\n"

static const char *name_broken(unsigned row)
{
	BREAK("h->hold <= HTTP1_BEING_CUT", h.hold = 3);
	BREAK("h->state == HTTP1_START_LF ||", h.state = HTTP1_BODY);
	BREAK("h->state == HTTP1_NAME ||", h.state = HTTP1_VALUE);
	BREAK("h->len <= HTTP1_TOKEN_MAX", h.len = 33);
	BREAK("h->len <= HTTP1_TOKEN_MAX", h.len = 0);
	BREAK("h->len <= HTTP1_CUT_NAME_MAX", h.len = 20);
	BREAK("h->len == 1", h.state = HTTP1_END_LF);
	BREAK("h->hold == HTTP1_BEING_CUT", h.state = HTTP1_START_LF, h.hold = HTTP1_LOOSE);
	BREAK("h->hold == HTTP1_BEING_CUT", h.state = HTTP1_XFF, h.hold = HTTP1_LOOSE);
	BREAK("h->hold == HTTP1_LOOSE", h.flags |= HTTP1_F_TRAILER);
	return NULL;
}

static void what_is_held(void **state)
{
	(void)state;
	read_bytes(0, LINE "X-For");
	breaks(name_broken, check);
}

/* --- what is kept ----------------------------------------------------------------------------- */

static const char *kept_broken(unsigned row)
{
	BREAK("h->list_len <= KEDGE_XFF_BYTES_MAX", h.list_len = 513);
	BREAK("h->list_fit <= h->list_len", h.list_fit = h.list_len + 1);
	BREAK("h->authority_len <= HTTP1_AUTHORITY_MAX", h.authority_len = 257);
	BREAK("h->options_len <= HTTP1_OPTIONS_MAX + OPTIONS_END", h.options_len = 252);
	BREAK("h->options_line <= HTTP1_OPTIONS_MAX", h.options_line = 241);
	BREAK("h->options_len >= HTTP1_OPTIONS_BEGIN", h.options_len = 0);
	BREAK("h->options_line <= h->options_len", h.options_line = h.options_len + 1);
	BREAK("h->option_len <= HTTP1_OPTIONS_MAX", h.option_len = 240);
	BREAK("!h->list_len", conf.mode = HTTP1_XFF_REPLACE);
	return NULL;
}

static void what_is_kept(void **state)
{
	(void)state;
	read_bytes(HTTP1_CUT_H2C, LINE "X-Forwarded-For: b\r\nConnection: close, x");
	breaks(kept_broken, check);
}

/* --- bounds ----------------------------------------------------------------------------------- */

static const char *head_broken(unsigned row)
{
	BREAK("h->fields <= KEDGE_FIELDS_MAX", h.fields = 129);
	BREAK("h->head <= c->head_bytes_max", h.head = conf.head_bytes_max + 1);
	BREAK("h->head <= KEDGE_LINE_BYTES_MAX", h.head = 8193);
	BREAK("h->head <= KEDGE_LINE_BYTES_MAX", h.head = 0);
	BREAK("h->len <= KEDGE_METHOD_BYTES_MAX", h.len = 25);
	BREAK("h->fields", h.state = HTTP1_VALUE);
	BREAK("h->state >= HTTP1_FIELD", h.flags |= HTTP1_F_TRAILER | HTTP1_F_CODING);
	return NULL;
}

static void the_bounds_of_a_head(void **state)
{
	(void)state;
	read_bytes(0, "POS");
	breaks(head_broken, check);
}

/* --- framing ---------------------------------------------------------------------------------- */

static const char *body_broken(unsigned row)
{
	BREAK("(HTTP1_F_LENGTH | HTTP1_F_CODING)", h.flags |= HTTP1_F_CODING);
	BREAK("!(h->left >> 63)", h.left = 1ULL << 63);
	BREAK("h->left && h->flags & HTTP1_F_LENGTH", h.left = 0);
	BREAK("h->left && h->flags & HTTP1_F_LENGTH", h.flags &= ~HTTP1_F_LENGTH);
	BREAK("h->flags & HTTP1_F_CODING &&", h.state = HTTP1_SIZE);
	BREAK("h->flags & HTTP1_F_UPGRADE", h.state = HTTP1_WAITING, h.left = 0);
	return NULL;
}

static const char *chunk_broken(unsigned row)
{
	BREAK("h->left", h.left = 0);
	BREAK("!h->left", h.state = HTTP1_CHUNK_CR);
	BREAK("h->len <= 16", h.state = HTTP1_SIZE, h.len = 17);
	BREAK("h->len <= KEDGE_CHUNK_EXT_BYTES_MAX", h.state = HTTP1_EXTENSION, h.len = 257);
	BREAK("!(h->flags & HTTP1_F_TRAILER)", h.flags |= HTTP1_F_TRAILER);
	BREAK("h->flags & HTTP1_F_CODING && !h->left", h.flags |= HTTP1_F_TRAILER,
	      h.state = HTTP1_VALUE);
	return NULL;
}

static void how_a_body_is_framed(void **state)
{
	(void)state;
	read_bytes(0, LINE "Content-Length: 9\r\n\r\nbody");
	breaks(body_broken, check);
	read_bytes(0, LINE "Transfer-Encoding: chunked\r\n\r\n9\r\nbody");
	breaks(chunk_broken, check);
}

/* --- any state, the conf, the note ------------------------------------------------------------ */

static const char *any_broken(unsigned row)
{
	BREAK("h->state <= HTTP1_REFUSED", h.state = HTTP1_REFUSED + 1);
	BREAK("h->reason < KEDGE_REASON_COUNT", h.reason = KEDGE_REASON_COUNT);
	BREAK("(h->state == HTTP1_REFUSED) ==", h.state = HTTP1_REFUSED);
	BREAK("(h->state == HTTP1_REFUSED) ==", h.reason = KEDGE_REASON_http_host);
	return NULL;
}

static const char *conf_broken(unsigned row)
{
	BREAK("c->mode <= HTTP1_XFF_NEVER", conf.mode = 4);
	BREAK("c->head_bytes_max >=", conf.head_bytes_max = 0);
	BREAK("c->head_bytes_max <=", conf.head_bytes_max = 1 << 20);
	BREAK("c->xff_len <= c->text_len", conf.xff_len = 31);
	BREAK("c->ours_len <= c->xff_len", conf.ours_len = 14);
	BREAK("c->line[i] <= c->line[i + 1]", conf.line[1] = 31);
	BREAK("c->line[HTTP1_GAPS] <= c->text_len", conf.line[3] = 31);
	return NULL;
}

static const char *note_broken(unsigned row)
{
	BREAK("n->standing <= KEDGE_REFUSED", note.standing = KEDGE_REFUSED + 1);
	BREAK("n->reason < KEDGE_REASON_COUNT", note.reason = KEDGE_REASON_COUNT);
	BREAK("n->command <= KEDGE_COMMAND_NEXT", note.command = 4);
	BREAK("(n->standing == KEDGE_REFUSED) ==", note.standing = KEDGE_REFUSED);
	BREAK("(n->standing == KEDGE_REFUSED) ==", note.reason = 1);
	BREAK("!n->spare", note.spare = 1);
	BREAK("n->withheld <= n->sending", note.withheld = 1);
	BREAK("n->sending <= ", note.sending = 100000);
	return NULL;
}

static void in_any_state(void **state)
{
	(void)state;
	read_bytes(0, "");
	breaks(any_broken, check);
	breaks(conf_broken, check_conf);
	breaks(note_broken, check_note);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_held),         cmocka_unit_test(what_is_kept),
		cmocka_unit_test(the_bounds_of_a_head), cmocka_unit_test(how_a_body_is_framed),
		cmocka_unit_test(in_any_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

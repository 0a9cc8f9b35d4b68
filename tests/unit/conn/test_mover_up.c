/* SPDX-License-Identifier: BSD-2-Clause */
/* mover_up.c: from the client to the application, step by step. */
#include "conn/mover_up.h"

#include "conn/mover_down.h"

#include "tests/unit/conn/mover_fakes.h"
#include "tests/lib/assert_reason.h"

/* I2: after a short read nothing is asked that is known, unless an end was told of. */
static void a_drained_leg_is_read_once(void **state)
{
	(void)state;
	record.drained = true;
	fake.in = "GET";
	client_event(true, false);
	turn(MOVER_WAIT, "rs");
	mover_client_event(&f, EPOLLRDHUP);
	turn(MOVER_WAIT, "r");
	answer();
	turn(MOVER_WAIT, "w");
	assert_false(f.leg->in);
	fake.in = "GET";
	mover_client_event(&f, EPOLLIN | EPOLLRDHUP);
	turn(MOVER_WAIT, "rsr");
}

/* I2 */
static void a_leg_is_read_until_it_has_nothing_more(void **state)
{
	(void)state;
	turn(MOVER_WAIT, "");
	client_event(true, false);
	turn(MOVER_WAIT, "r");
	turn(MOVER_WAIT, "");
	request();
}

/* I1, I2 */
static void a_full_application_is_flushed_before_it_is_sent_to(void **state)
{
	(void)state;
	fake.in = "GET";
	fake.send = -EAGAIN;
	client_event(true, false);
	turn(MOVER_WAIT, "rs");
	assert_true(f.leg->full && f.client_in);
	assert_int_equal(f.up.len, 3);
	turn(MOVER_WAIT, ""); /* neither sent to nor read from */
	fake.edit_flush = -EAGAIN;
	app_event(false, true);
	turn(MOVER_WAIT, "e");
	fake.edit_flush = fake.send = 0;
	app_event(false, true);
	turn(MOVER_WAIT, "esr");
	assert_null(f.up.data);
}

/* A turn has an end, also without a byte: other flows wait. */
static void a_turn_has_few_rounds(void **state)
{
	(void)state;
	fake.read = -EINTR;
	client_event(true, false);
	turn(MOVER_MORE, "rrrrrrrrrrrrrrrr");
}

static void a_tired_record_ends_the_turn(void **state)
{
	(void)state;
	fake.in = "GET";
	record.tired = true;
	client_event(true, false);
	turn(MOVER_MORE, "rs");
	assert_false(record.tired);
	turn(MOVER_WAIT, "r");
}

/* The error of a piece is not lost behind the pieces that went before it. */
static void an_error_behind_a_piece(void **state)
{
	static uint8_t kept[KEDGE_SEND_BYTES_MAX + 100];

	(void)state;
	assert_true(residue_keep(&f.up, kept, sizeof(kept)));
	fake.send = -ECONNRESET;
	fake.sends_left = 1;
	client_event(true, false);
	turn(MOVER_WAIT, "ss");
	assert_true(f.leg->write_dead);
	assert_null(f.up.data);
}

/* The bytes of a body go at once; those behind it, and all if it is not known, in pieces. */
static void a_body_is_not_cut_into_pieces(void **state)
{
	static uint8_t kept[5 * KEDGE_SEND_BYTES_MAX];

	(void)state;
	note.standing = KEDGE_BODY;
	fake.body_rest = 3 * KEDGE_SEND_BYTES_MAX;
	assert_true(residue_keep(&f.up, kept, sizeof(kept)));
	client_event(true, false);
	turn(MOVER_WAIT, "bssr");
	assert_int_equal(fake.longest, KEDGE_SEND_BYTES_MAX);
	assert_null(f.up.data);
}

static void a_body_of_unknown_length_is_cut_into_pieces(void **state)
{
	static uint8_t kept[2 * KEDGE_SEND_BYTES_MAX];

	(void)state;
	note.standing = KEDGE_BODY;
	assert_true(residue_keep(&f.up, kept, sizeof(kept)));
	client_event(true, false);
	turn(MOVER_WAIT, "ssr");
}

/* It fits a piece: that needs no question, which may take a system call. */
static void a_short_rest_of_a_body_is_a_piece(void **state)
{
	static uint8_t kept[KEDGE_SEND_BYTES_MAX];

	(void)state;
	note.standing = KEDGE_BODY;
	fake.body_rest = sizeof(kept);
	assert_true(residue_keep(&f.up, kept, sizeof(kept)));
	client_event(true, false);
	turn(MOVER_WAIT, "sr");
}

static void part_of_a_body(void **state)
{
	static uint8_t kept[3 * KEDGE_SEND_BYTES_MAX];

	(void)state;
	note.standing = KEDGE_BODY;
	fake.body_rest = sizeof(kept);
	fake.send_max = 2 * KEDGE_SEND_BYTES_MAX;
	assert_true(residue_keep(&f.up, kept, sizeof(kept)));
	client_event(true, false);
	turn(MOVER_WAIT, "b");
	assert_true(f.leg->full);
	assert_int_equal(f.up.len - f.up.off, KEDGE_SEND_BYTES_MAX);
}

/* Part of a piece was taken: the application is full. */
static void part_of_a_piece(void **state)
{
	(void)state;
	fake.in = "GET";
	fake.send_max = 1;
	client_event(true, false);
	turn(MOVER_WAIT, "rs");
	assert_true(f.leg->full);
	assert_int_equal(f.up.len, 2);
}

/* Not if an upgrade waits for its answer. The rest goes on behind that. */
static void part_of_a_piece_up_to_an_upgrade(void **state)
{
	(void)state;
	fake.in = "GET";
	fake.send_max = 1;
	fake.asks = true;
	client_event(true, false);
	turn(MOVER_WAIT, "rs");
	assert_false(f.leg->full);
	assert_int_equal(f.up.len, 2);
}

static void the_clients_end_waits_for_room(void **state)
{
	char byte;

	(void)state;
	fake.in = "";
	fake.edit_flush = -EAGAIN;
	client_event(true, false);
	turn(MOVER_WAIT, "re");
	assert_int_equal(recv(app, &byte, 1, 0), -1);
	turn(MOVER_WAIT, "");
	fake.edit_flush = 0;
	app_event(false, true);
	turn(MOVER_WAIT, "ee");
	assert_int_equal(recv(app, &byte, 1, 0), 0);
	app_event(false, true);
	turn(MOVER_WAIT, "e"); /* ended once */
}

static void a_dead_client_leg_says_why(void **state)
{
	(void)state;
	fake.read = -EPROTO;
	record.reason = KEDGE_REASON_record_bad;
	client_event(true, false);
	aborts_with(KEDGE_REASON_record_bad, "r");
}

static void a_dead_client_leg_without_a_reason(void **state)
{
	(void)state;
	fake.read = -ECONNRESET;
	client_event(true, false);
	aborts_with(KEDGE_REASON_client_reset, "r");
}

static void an_editor_that_fails_says_why(void **state)
{
	(void)state;
	fake.in = "GET";
	fake.send = -EIO;
	note.reason = KEDGE_REASON_edit_short_send;
	client_event(true, false);
	aborts_with(KEDGE_REASON_edit_short_send, "rs");
}

static void an_editor_that_fails_without_a_reason(void **state)
{
	(void)state;
	fake.in = "GET";
	fake.send = -EIO;
	client_event(true, false);
	aborts_with(KEDGE_REASON_internal_error, "rs");
}

/* Found dead by a flush: what it had answered before still goes to the client. */
static void a_dead_application_may_have_answered(void **state)
{
	(void)state;
	request();
	fake.edit_flush = -EPIPE;
	assert_int_equal(write(app, ANSWER, strlen(ANSWER)), strlen(ANSWER));
	app_event(false, true);
	turn(MOVER_WAIT, "ew");
	assert_string_equal(fake.out, ANSWER);
	assert_true(f.leg->write_dead);
	client_event(true, false);
	turn(MOVER_WAIT, ""); /* nobody would take it */
	shutdown(app, SHUT_WR);
	app_event(true, false);
	turn(MOVER_END, "c");
}

static void a_refusal_in_a_kept_piece(void **state)
{
	(void)state;
	fake.in = "BAD";
	fake.send = -EAGAIN;
	client_event(true, false);
	turn(MOVER_WAIT, "rs");
	fake.send = -EPROTO;
	note.standing = KEDGE_REFUSED;
	note.reason = KEDGE_REASON_http_host;
	app_event(false, true);
	turn(MOVER_REPLY, "es");
	assert_reason(f.reason, KEDGE_REASON_http_host);
	assert_null(f.up.data);
}

/* --- one step --------------------------------------------------------------------------------- */

static void nothing_is_done_in_vain(void **state)
{
	(void)state;
	assert_false(mover_up_may(&f));
	f.client_in = true;
	assert_true(mover_up_may(&f));
	f.leg->full = true;
	assert_false(mover_up_may(&f));
	f.leg->full = false;
	f.leg->write_dead = true;
	assert_false(mover_up_may(&f));
	f.leg->write_dead = false;
	f.refused = true;
	assert_false(mover_up_may(&f));
	leg = (struct leg){.edit = &edit, .fd = leg.fd, .flush = true};
	f = (struct flow){.record = &record, .leg = &leg};
	assert_true(mover_up_may(&f));
}

/* -EINTR: it may be read again at once, but others have their turn first. */
static void a_read_cut_for_its_pace_is_repeated(void **state)
{
	(void)state;
	fake.read = -EINTR;
	f.client_in = true;
	assert_int_equal(mover_up(&mover, &f), STEP_MOVED);
	assert_true(f.client_in);
	assert_false(f.client_eof);
	assert_int_equal(stats.bytes_up, 0);
}

/* I3 */
static void nothing_is_read_while_an_upgrade_waits(void **state)
{
	(void)state;
	note.standing = KEDGE_WAITING;
	f.client_in = true;
	fake.in = "more";
	assert_int_equal(mover_up(&mover, &f), STEP_IDLE);
	assert_true(residue_keep(&f.up, "kept", 4));
	assert_int_equal(mover_up(&mover, &f), STEP_IDLE);
	assert_string_equal(fake.log, "");
	/* The end is passed on: the application sees it behind the request. */
	residue_drop(&f.up);
	f.client_eof = true;
	assert_int_equal(mover_up(&mover, &f), STEP_MOVED);
	assert_true(f.leg->shut);
}

/* I4 */
static void an_end_within_a_request_is_not_passed_on(void **state)
{
	static const enum kedge_standing within[] = {KEDGE_HEAD, KEDGE_BODY};
	char byte;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		note.standing = within[i];
		f.client_eof = true;
		assert_int_equal(mover_up(&mover, &f), STEP_ABORT);
		assert_reason(f.reason, KEDGE_REASON_client_truncated);
		assert_false(f.leg->shut);
	}
	assert_int_equal(recv(app, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

/* One request beyond the limit is taken, no byte more. */
static void a_pipeline_has_a_limit(void **state)
{
	(void)state;
	f.client_in = true;
	note.requests = KEDGE_PIPELINE_MAX;
	fake.in = "GET";
	assert_int_equal(mover_up(&mover, &f), STEP_MOVED);
	assert_int_equal(note.requests, KEDGE_PIPELINE_MAX + 1);
	fake.in = "GET";
	assert_int_equal(mover_up(&mover, &f), STEP_IDLE);
	assert_string_equal(fake.log, "rs");
	f.leg->response.done = 1;
	assert_int_equal(mover_up(&mover, &f), STEP_MOVED);
}

/* The response that comes says that the connection ends: no other request may go on. */
static void nor_goes_one_behind_a_response_that_was_told(void **state)
{
	(void)state;
	f.client_in = f.leg->response.told = true;
	fake.in = "GET";
	assert_int_equal(mover_up(&mover, &f), STEP_MOVED);
	assert_string_equal(fake.log, "r");
	assert_false(f.lost_end);
	assert_int_equal(note.requests, 0);
	/* Where the response ends may become unknown: nothing else would end the flow then. */
	assert_false(mover_down_is_cut(&f));
	f.leg->response.state = RESPONSE_LOST;
	assert_true(mover_down_is_cut(&f));
}

/* Nobody can answer it any more: the client sends it again elsewhere. */
static void a_request_behind_the_end_is_dropped(void **state)
{
	(void)state;
	f.client_in = true;
	f.leg->response.state = RESPONSE_TO_END;
	fake.in = "GET";
	assert_int_equal(mover_up(&mover, &f), STEP_MOVED);
	assert_false(f.lost_end);
	f.leg->response.state = RESPONSE_LOST;
	fake.in = "GET";
	assert_int_equal(mover_up(&mover, &f), STEP_MOVED);
	assert_true(f.lost_end);
	assert_string_equal(fake.log, "rr");
	note.standing = KEDGE_BODY; /* the rest of the request before it goes on */
	fake.in = "x";
	assert_int_equal(mover_up(&mover, &f), STEP_MOVED);
	assert_string_equal(fake.log, "rrrs");
}

/* A prefix that is not read, in pieces: the refusal names it. */
static void a_prefix_that_is_not_read_is_named(void **state)
{
	static const char *const pieces[] = {"PRO", "XY TC", "P4 x"};

	(void)state;
	f.client_in = true;
	for (size_t i = 0; i < 3; i++) {
		fake.in = pieces[i];
		note.requests = 0;
		if (i == 2) {
			fake.send = -EPROTO;
			note.standing = KEDGE_REFUSED;
			note.reason = KEDGE_REASON_http_method;
		}
		assert_int_equal(mover_up(&mover, &f), STEP_MOVED);
		note.requests = 0;
	}
	assert_true(f.refused);
	assert_reason(f.reason, KEDGE_REASON_prefix_unexpected);
	note.requests = 1; /* behind a request it is none */
	f.refused = false;
	fake.in = "BAD";
	assert_int_equal(mover_up(&mover, &f), STEP_MOVED);
	assert_reason(f.reason, KEDGE_REASON_http_method);
}

/* The end of a head may come in any pieces. */
static void the_tail_of_what_the_client_sent(void **state)
{
	static const char *const pieces[] = {"abc", "\r", "\n\r", "\n"};

	(void)state;
	f.client_in = true;
	for (size_t i = 0; i < 4; i++) {
		fake.in = pieces[i];
		assert_int_equal(mover_up(&mover, &f), STEP_MOVED);
	}
	assert_memory_equal(f.tail, "\r\n\r\n", 4);
	fake.in = "12345";
	assert_int_equal(mover_up(&mover, &f), STEP_MOVED);
	assert_memory_equal(f.tail, "2345", 4);
}

/* Bytes of a request that the application did not take: perhaps no editor has counted it. */
static void a_dead_application_has_not_taken_all(void **state)
{
	(void)state;
	f.client_in = true;
	fake.in = "GET";
	fake.send = -EPIPE;
	assert_int_equal(mover_up(&mover, &f), STEP_MOVED);
	assert_true(f.leg->write_dead && f.unsent && f.leg->in);
	f.leg->write_dead = false;
	note.standing = KEDGE_BODY; /* of a request that is counted */
	fake.in = "x";
	assert_int_equal(mover_up(&mover, &f), STEP_MOVED);
	assert_true(f.leg->write_dead);
	assert_false(f.unsent);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_drained_leg_is_read_once),
		TEST(a_leg_is_read_until_it_has_nothing_more),
		TEST(a_full_application_is_flushed_before_it_is_sent_to),
		TEST(a_turn_has_few_rounds),
		TEST(a_tired_record_ends_the_turn),
		TEST(an_error_behind_a_piece),
		TEST(a_body_is_not_cut_into_pieces),
		TEST(a_body_of_unknown_length_is_cut_into_pieces),
		TEST(a_short_rest_of_a_body_is_a_piece),
		TEST(part_of_a_body),
		TEST(part_of_a_piece),
		TEST(part_of_a_piece_up_to_an_upgrade),
		TEST(the_clients_end_waits_for_room),
		TEST(a_dead_client_leg_says_why),
		TEST(a_dead_client_leg_without_a_reason),
		TEST(an_editor_that_fails_says_why),
		TEST(an_editor_that_fails_without_a_reason),
		TEST(a_dead_application_may_have_answered),
		TEST(a_refusal_in_a_kept_piece),
		TEST(nothing_is_done_in_vain),
		TEST(a_read_cut_for_its_pace_is_repeated),
		TEST(nothing_is_read_while_an_upgrade_waits),
		TEST(an_end_within_a_request_is_not_passed_on),
		TEST(a_pipeline_has_a_limit),
		TEST(a_request_behind_the_end_is_dropped),
		TEST(nor_goes_one_behind_a_response_that_was_told),
		TEST(a_prefix_that_is_not_read_is_named),
		TEST(the_tail_of_what_the_client_sent),
		TEST(a_dead_application_has_not_taken_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* mover_down.c: from the application to the client, step by step. */
#include "conn/mover_down.h"

#include "tests/unit/conn/mover_fakes.h"
#include "tests/lib/assert_reason.h"

/* I2: one recv() gives bytes of one way, like a packet: of the others it says nothing. */
static void a_leg_of_both_ways_is_read_to_the_end(void **state)
{
	static __u8 mixed;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(dup2(fds[0], f.leg->fd), f.leg->fd);
	assert_int_equal(dup2(fds[1], app), app);
	close(fds[0]);
	close(fds[1]);
	f.leg->mixed = &mixed;
	request();
	note.requests = 4;
	answer();
	answer();
	turn(MOVER_WAIT, "w");
	mixed = 1;
	answer();
	answer();
	turn(MOVER_WAIT, "www");
}

/* I1, I2 */
static void a_full_client_is_flushed_before_it_is_written(void **state)
{
	(void)state;
	request();
	answer();
	fake.write = -EAGAIN;
	turn(MOVER_WAIT, "w");
	assert_true(f.client_full);
	assert_int_equal(f.down.len, strlen(ANSWER));
	turn(MOVER_WAIT, ""); /* not tried again before there is room */
	fake.flush = -EAGAIN;
	client_event(false, true);
	turn(MOVER_WAIT, "f");
	fake.flush = 0;
	client_event(false, true);
	turn(MOVER_WAIT, "fw"); /* still full */
	turn(MOVER_WAIT, "");
	fake.write = 0;
	fake.write_max = 30;
	client_event(false, true);
	turn(MOVER_WAIT, "fww");
	assert_null(f.down.data);
	assert_string_equal(fake.out, ANSWER);
}

/* The beginning of a status line is held until it is known. It goes out with what follows. */
static void held_bytes_go_first(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n";
	static const char body[600];
	enum mover_verdict verdict = MOVER_MORE;

	(void)state;
	request();
	assert_int_equal(write(app, head, 8), 8);
	app_event(true, false);
	turn(MOVER_WAIT, "");
	memset(buf, 'x', sizeof(buf)); /* another flow used it */
	assert_int_equal(write(app, head + 8, strlen(head) - 8), strlen(head) - 8);
	assert_int_equal(write(app, body, sizeof(body)), sizeof(body));
	app_event(true, false);
	while (verdict == MOVER_MORE)
		verdict = mover_run(&mover, &f);
	assert_int_equal(verdict, MOVER_WAIT);
	assert_int_equal(fake.out_len, strlen(head) + sizeof(body));
	assert_memory_equal(fake.out, head, strlen(head));
}

/* What may go on waits for a full client. The end comes behind it. */
static void the_end_comes_behind_what_waits(void **state)
{
	(void)state;
	request();
	answer();
	answer(); /* nobody asked for this one */
	fake.write = -EAGAIN;
	turn(MOVER_WAIT, "w");
	assert_true(f.leg->eof);
	assert_int_equal(f.down.len, strlen(ANSWER));
	fake.write = 0;
	client_event(false, true);
	turn(MOVER_END, "fwc");
	assert_string_equal(fake.out, ANSWER);
}

static void what_a_partial_write_left_is_kept(void **state)
{
	(void)state;
	request();
	answer();
	fake.write_max = 10;
	turn(MOVER_WAIT, "wwww");
	assert_string_equal(fake.out, ANSWER);
}

static void the_end_waits_for_room(void **state)
{
	(void)state;
	request();
	answer();
	shutdown(app, SHUT_WR);
	app_event(true, false);
	fake.close = -EAGAIN;
	turn(MOVER_WAIT, "wc");
	turn(MOVER_WAIT, "");
	fake.close = 0;
	client_event(false, true);
	turn(MOVER_END, "fc");
}

static void a_client_leg_dies_in_write(void **state)
{
	(void)state;
	request();
	answer();
	fake.write = -EPIPE;
	aborts_with(KEDGE_REASON_client_reset, "w");
}

static void a_client_leg_dies_in_flush(void **state)
{
	(void)state;
	fake.flush = -ECONNRESET;
	client_event(false, true);
	aborts_with(KEDGE_REASON_client_reset, "f");
}

static void a_client_leg_dies_at_its_end(void **state)
{
	(void)state;
	close(app);
	app = dup(f.leg->fd);
	fake.close = -EPROTO;
	record.reason = KEDGE_REASON_record_control;
	app_event(true, false);
	aborts_with(KEDGE_REASON_record_control, "c");
}

static void an_editor_that_cannot_resume(void **state)
{
	(void)state;
	request();
	note.standing = KEDGE_WAITING;
	fake.resume = -EINVAL;
	answer();
	aborts_with(KEDGE_REASON_internal_error, "H");
}

/* --- one step --------------------------------------------------------------------------------- */

static void nothing_is_done_in_vain(void **state)
{
	(void)state;
	assert_false(mover_down_may(&f));
	f.leg->in = true;
	assert_true(mover_down_may(&f));
	f.client_full = true;
	assert_false(mover_down_may(&f));
	f.client_full = f.leg->in = false;
	f.lost_end = true;
	assert_true(mover_down_may(&f));
	f.lost_end = false;
	f.leg->response.over = true;
	assert_true(mover_down_may(&f));
	f.leg->response.over = false;
	f.leg->response.state = RESPONSE_LOST;
	assert_false(mover_down_may(&f));
	f.refused = true;
	assert_true(mover_down_may(&f));
}

/* Nothing more of the application may reach the client: as if it had ended. */
/* No event comes any more: the application waits, and so does the client. */
static void a_flow_is_cut_although_there_is_nothing_to_read(void **state)
{
	(void)state;
	f.refused = true;
	f.leg->response.state = RESPONSE_LOST;
	f.leg->in = true;
	assert_int_equal(mover_down(&mover, &f), STEP_MOVED);
	assert_true(f.leg->eof && f.leg->write_dead);
}

static void a_response_that_is_over_ends_the_flow(void **state)
{
	(void)state;
	f.leg->response.over = true;
	assert_int_equal(mover_down(&mover, &f), STEP_MOVED);
	assert_true(f.leg->eof && f.leg->write_dead);
	assert_int_equal(mover_down(&mover, &f), STEP_MOVED);
	assert_true(f.client_shut);
	assert_string_equal(fake.log, "c");
	assert_int_equal(mover_down(&mover, &f), STEP_IDLE);
}

#define TOLD "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"

static void a_response_tells_its_client_to_go(void **state)
{
	request();
	note.requests = 1;
	answer();
	mover.closing = true;
	turn(MOVER_END, "wc");
	assert_string_equal(fake.out, TOLD);
	assert_int_equal(stats.closes_told, 1);
	(void)state;
}

/* What waits for the leg is of another request, which gets an answer, too. */
static void it_does_not_if_more_is_to_come(void **state)
{
	for (int i = 0; i < 4; i++) {
		note.requests = 1;
		note.standing = i == 0 ? KEDGE_HEAD : KEDGE_BETWEEN;
		f.leg->edit->holds = i == 1;
		f.refused = i == 2;
		if (i == 3)
			assert_true(residue_keep(&f.up, "GET", 3));
		mover.closing = true;
		answer();
		assert_int_equal(mover_down(&mover, &f), STEP_MOVED);
		assert_string_equal(fake.out, ANSWER);
		assert_int_equal(stats.closes_told, 0);
		down(state);
		up(state);
	}
}

/* There is room for it in the fullest buffer. */
static void a_full_buffer_has_room_for_the_word(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n";
	char text[600];

	(void)state;
	mover.closing = true;
	note.requests = 1;
	memset(text, 'x', sizeof(text));
	memcpy(text, head, strlen(head));
	assert_int_equal(write(app, text, sizeof(text)), sizeof(text));
	app_event(true, false);
	assert_int_equal(mover_down(&mover, &f), STEP_MOVED);
	assert_int_equal(strlen(fake.out), sizeof(buf));
	assert_memory_equal(fake.out + 17, "Connection: close\r\nContent-Length: 900\r\n\r\nx", 43);
}

static void app_ends(void)
{
	f.leg->in = true;
	shutdown(app, SHUT_WR);
	assert_int_equal(mover_down(&mover, &f), STEP_MOVED);
	assert_true(f.leg->eof);
}

static void an_application_that_ends_without_an_answer(void **state)
{
	(void)state;
	note.requests = 1;
	app_ends();
	assert_int_equal(mover_down(&mover, &f), STEP_REPLY);
	assert_reason(f.reason, KEDGE_REASON_app_gone);
	f.client_eof = true; /* the client left first */
	assert_int_equal(mover_down(&mover, &f), STEP_REPLY);
	assert_reason(f.reason, KEDGE_REASON_client_gone);
	f.leg->bad = true;
	assert_int_equal(mover_down(&mover, &f), STEP_REPLY);
	assert_reason(f.reason, KEDGE_REASON_app_response_bad);
	f.leg->response.said_close = true; /* nothing is due behind the last response */
	assert_int_equal(mover_down(&mover, &f), STEP_MOVED);
	assert_true(f.client_shut);
	assert_string_equal(fake.log, "c");
}

/* No close_notify: the client sees that bytes are missing. */
static void a_response_that_is_cut_short_is_no_end_in_order(void **state)
{
	int fds[2];
	char byte;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	record.fd = fds[0];
	note.requests = 1;
	f.leg->response.state = RESPONSE_BODY;
	app_ends();
	fake.flush = -EAGAIN; /* what went before it goes out first */
	assert_int_equal(mover_down(&mover, &f), STEP_IDLE);
	assert_true(f.client_full);
	fake.flush = 0;
	assert_int_equal(mover_down(&mover, &f), STEP_MOVED);
	assert_string_equal(fake.log, "ff");
	assert_reason(f.reason, KEDGE_REASON_app_reset);
	assert_int_equal(recv(fds[1], &byte, 1, 0), 0);
	close(fds[0]);
	close(fds[1]);
}

/* These end with the stream. */
static void responses_that_the_end_completes(void **state)
{
	static const enum response_state states[] = {RESPONSE_TO_END, RESPONSE_TUNNEL,
						     RESPONSE_LOST};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		memset(fake.log, 0, sizeof(fake.log));
		f.client_shut = false;
		f.reason = KEDGE_REASON_NONE;
		f.leg->eof = true;
		f.leg->response.state = states[i];
		assert_int_equal(mover_down(&mover, &f), STEP_MOVED);
		assert_string_equal(fake.log, "c");
		assert_int_equal(f.reason, states[i] == RESPONSE_LOST
						   ? KEDGE_REASON_app_response_lost
						   : KEDGE_REASON_NONE);
	}
}

/* Of a refused request stream, the fault of the client came first. */
static void a_fault_of_the_client_is_not_blamed_on_the_application(void **state)
{
	(void)state;
	f.refused = true;
	f.reason = KEDGE_REASON_http_host;
	f.leg->eof = true;
	f.leg->response.state = RESPONSE_LOST;
	assert_int_equal(mover_down(&mover, &f), STEP_MOVED);
	assert_reason(f.reason, KEDGE_REASON_http_host);
}

static void when_a_refusal_is_due(void **state)
{
	(void)state;
	assert_false(mover_refusal_due(&f));
	f.refused = true;
	assert_true(mover_refusal_due(&f));
	note.requests = 1; /* one before it is owed */
	assert_false(mover_refusal_due(&f));
	edit.cut_off = true; /* unless the fault is in that one's body */
	assert_true(mover_refusal_due(&f));
	note.requests = 2;
	assert_false(mover_refusal_due(&f));
	f.leg->response.done = 1;
	f.leg->response.state = RESPONSE_BODY;
	assert_false(mover_refusal_due(&f));
	f.leg->response.state = RESPONSE_LINE;
	assert_true(residue_keep(&f.down, "x", 1));
	assert_false(mover_refusal_due(&f));
	residue_drop(&f.down);
	assert_true(mover_refusal_due(&f));
	f.leg->eof = true;
	assert_int_equal(mover_down(&mover, &f), STEP_REPLY);
	edit.cut_off = false;
}

/* The client is read again once the answer to its control record is out. */
static void a_flush_lets_the_client_be_read(void **state)
{
	(void)state;
	record.answer_due = true;
	f.client_flush = true;
	assert_int_equal(mover_down(&mover, &f), STEP_MOVED);
	assert_true(f.client_in);
	assert_false(f.client_flush);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_leg_of_both_ways_is_read_to_the_end),
		TEST(a_full_client_is_flushed_before_it_is_written),
		TEST(held_bytes_go_first),
		TEST(the_end_comes_behind_what_waits),
		TEST(what_a_partial_write_left_is_kept),
		TEST(the_end_waits_for_room),
		TEST(a_client_leg_dies_in_write),
		TEST(a_client_leg_dies_in_flush),
		TEST(a_client_leg_dies_at_its_end),
		TEST(an_editor_that_cannot_resume),
		TEST(nothing_is_done_in_vain),
		TEST(a_flow_is_cut_although_there_is_nothing_to_read),
		TEST(a_response_that_is_over_ends_the_flow),
		TEST(a_response_tells_its_client_to_go),
		TEST(it_does_not_if_more_is_to_come),
		TEST(a_full_buffer_has_room_for_the_word),
		TEST(an_application_that_ends_without_an_answer),
		TEST(a_response_that_is_cut_short_is_no_end_in_order),
		TEST(responses_that_the_end_completes),
		TEST(a_fault_of_the_client_is_not_blamed_on_the_application),
		TEST(when_a_refusal_is_due),
		TEST(a_flush_lets_the_client_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

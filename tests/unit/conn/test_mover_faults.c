/* SPDX-License-Identifier: BSD-2-Clause */
/* The mover when the application goes, or is at fault: what is still delivered, the verdict. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/lib/net.h"
#include "tests/unit/conn/mover_rig.h"
#include "tests/lib/assert_reason.h"

#define UPGRADE HEAD "Upgrade: x\r\nConnection: upgrade\r\n"
#define POST    "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

static void ends_with(enum mover_verdict verdict, enum kedge_reason reason)
{
	assert_int_equal(rig_end(&r), verdict);
	assert_int_equal(r.f.reason, reason);
}

/* --- the application goes --------------------------------------------------------------------- */

static void an_application_gone_without_an_answer(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET);
	rig_hear(&r, r.app, SEEN);
	rig_close(&r, &r.app);
	ends_with(MOVER_REPLY, KEDGE_REASON_app_gone);
}

static void an_application_reset_without_an_answer(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET);
	rig_hear(&r, r.app, SEEN);
	net_close_reset(r.app);
	r.app = -1;
	ends_with(MOVER_REPLY, KEDGE_REASON_app_gone);
}

static void an_interim_answer_is_no_answer(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET);
	rig_hear(&r, r.app, SEEN);
	rig_say(&r, r.app, "HTTP/1.1 103 Early Hints\r\n\r\n");
	rig_hear(&r, r.client, "HTTP/1.1 103 Early Hints\r\n\r\n");
	rig_close(&r, &r.app);
	ends_with(MOVER_REPLY, KEDGE_REASON_app_gone);
}

static void an_idle_application_may_go(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET);
	rig_hear(&r, r.app, SEEN);
	rig_say(&r, r.app, OK_HI);
	rig_close(&r, &r.app);
	assert_int_equal(rig_end(&r), MOVER_END);
	rig_hear(&r, r.client, OK_HI);
	rig_hear_end(&r, r.client);
}

static void an_application_gone_in_mid_answer(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET);
	rig_hear(&r, r.app, SEEN);
	rig_say(&r, r.app, OK "Content-Length: 20\r\n\r\nhalf");
	rig_close(&r, &r.app);
	assert_int_equal(rig_end(&r), MOVER_END);
	rig_hear(&r, r.client, OK "Content-Length: 20\r\n\r\nhalf");
	rig_hear_end(&r, r.client);
}

static void an_application_reset_in_mid_answer(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET);
	rig_hear(&r, r.app, SEEN);
	rig_say(&r, r.app, OK "Content-Length: 20\r\n\r\nhalf");
	rig_hear(&r, r.client, OK "Content-Length: 20\r\n\r\nhalf");
	net_close_reset(r.app);
	r.app = -1;
	ends_with(MOVER_ABORT, KEDGE_REASON_app_reset);
	rig_hear_nothing(&r, r.client); /* above all not the end */
}

/*
 * An answer before the end of a long request, then a close that the kernel makes a reset of,
 * because the rest of the request lies there unread. The answer must arrive, in order.
 */
/* Then recv(2) says that the stream has ended: the error was told to the send, and only once. */
static void a_reset_that_a_send_finds(void **state)
{
	(void)state;
	rig_say(&r, r.client, POST "Content-Length: 9\r\n\r\nx");
	rig_settle(&r);
	rig_say(&r, r.app, "HTTP/1.0 200 OK\r\n\r\nhalf");
	rig_hear(&r, r.client, "HTTP/1.0 200 OK\r\n\r\nhalf");
	net_close_reset(r.app);
	r.app = -1;
	assert_int_equal(send(r.client, "y", 1, MSG_NOSIGNAL), 1);
	assert_true(net_wait(r.client_leg, POLLIN, NET_PATIENCE_MS));
	assert_true(net_wait(r.app_leg, POLLHUP, NET_PATIENCE_MS));
	ends_with(MOVER_ABORT, KEDGE_REASON_app_reset);
}

static void early_answer(bool client_goes_on)
{
	static const char answer[] =
		"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";

	rig_up(&r, 16384, 0);
	rig_say(&r, r.client, POST "Content-Length: 100000\r\n\r\nsome");
	rig_hear(&r, r.app, POST);
	rig_settle(&r);
	assert_true(net_queued(r.app) > 0);
	assert_int_equal(send(r.app, answer, strlen(answer), 0), strlen(answer));
	rig_close(&r, &r.app);
	while (!net_wait(r.app_leg, POLLIN, 100))
		;
	if (client_goes_on)
		assert_int_equal(send(r.client, "more", 4, 0), 4);
	assert_int_equal(rig_end(&r), MOVER_END);
	rig_hear(&r, r.client, answer);
	rig_hear_end(&r, r.client);
	rig_down(&r);
}

static void an_early_answer_arrives(void **state)
{
	(void)state;
	early_answer(false);
	early_answer(true);
}

static void a_stuck_upload_gets_its_early_answer(void **state)
{
	static const char answer[] =
		"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";
	static char bytes[1000];

	(void)state;
	rig_say(&r, r.client, POST "Content-Length: 100000000\r\n\r\n");
	while (!r.f.leg->full) {
		rig_send(&r, r.client, bytes, sizeof(bytes));
		rig_settle(&r);
	}
	rig_say(&r, r.app, answer);
	rig_close(&r, &r.app);
	assert_int_equal(rig_end(&r), MOVER_END);
	rig_hear(&r, r.client, answer);
	rig_hear_end(&r, r.client);
}

static void a_101_that_nobody_asked_for_does_not_pass(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET);
	rig_hear(&r, r.app, SEEN);
	for (const char *p = "HTTP/1.1 101"; *p; p++)
		rig_send(&r, r.app, p, 1);
	ends_with(MOVER_REPLY, KEDGE_REASON_app_response_bad);
	rig_hear_nothing(&r, r.client);
	assert_int_equal(mover_may_say(&r.f), MOVER_SAY_ANSWER);
	assert_int_equal(r.stats.tunnels, 0);
}

/* What came before it goes on. */
/* Nobody can be told, so it is counted only. */
static void a_101_to_half_a_head_does_not_pass(void **state)
{
	(void)state;
	rig_say(&r, r.client, "GET / HTTP/1.1\r\nHo");
	rig_hear(&r, r.app, "GET / HTTP/1.1\r\nHo");
	rig_say(&r, r.app, "HTTP/1.1 101 S\r\n\r\nraw");
	ends_with(MOVER_END, KEDGE_REASON_app_response_bad);
	rig_hear_end(&r, r.client);
}

static void a_101_behind_an_answer_does_not_pass(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET GET);
	rig_hear(&r, r.app, SEEN SEEN);
	rig_say(&r, r.app, OK_HI "HTTP/1.1 103 E\r\n\r\nHTTP/1.1 101 S\r\n\r\nraw");
	ends_with(MOVER_REPLY, KEDGE_REASON_app_response_bad);
	rig_hear(&r, r.client, OK_HI "HTTP/1.1 103 E\r\n\r\n");
	rig_hear_nothing(&r, r.client);
}

/*
 * --- the application's framing is not kedge's ---------------------------------------------------
 */

/* Behind the answer comes `more`, which no client may see; the flow ends in order. */
static void ends_behind_an_answer(const char *more, enum kedge_reason reason, bool later)
{
	rig_up(&r, 16384, 0);
	rig_say(&r, r.client, GET);
	rig_hear(&r, r.app, SEEN);
	rig_say(&r, r.app, OK_HI);
	if (later)
		rig_settle(&r);
	assert_int_equal(send(r.app, more, strlen(more), MSG_NOSIGNAL), strlen(more));
	assert_int_equal(rig_end(&r), MOVER_END);
	assert_int_equal(r.f.reason, reason);
	rig_hear(&r, r.client, OK_HI);
	rig_hear_end(&r, r.client);
	rig_down(&r);
}

static void more_answers_than_requests(void **state)
{
	(void)state;
	for (int later = 0; later < 2; later++) {
		ends_behind_an_answer("HTTP/1.1 400 Bad Request\r\n\r\n", KEDGE_REASON_app_unasked,
				      later);
		ends_behind_an_answer("HTTP/1.0 501 X\r\n", KEDGE_REASON_app_unasked, later);
		ends_behind_an_answer("\r\n", KEDGE_REASON_app_response_lost, later);
		ends_behind_an_answer("garbage", KEDGE_REASON_app_response_lost, later);
		/* It says that it ends an idle connection. */
		ends_behind_an_answer("HTTP/1.1 408 T\r\n\r\n", KEDGE_REASON_NONE, later);
	}
}

/* The body was left unread, and was taken for a request. */
static void an_answer_to_a_body(void **state)
{
	(void)state;
	rig_say(&r, r.client, POST "Content-Length: 5\r\n\r\nGE");
	rig_hear(&r, r.app, POST "Content-Length: 5\r\n" RIG_XFF "\r\nGE");
	rig_say(&r, r.app, OK_HI);
	rig_settle(&r);
	rig_say(&r, r.app, "HTTP/1.1 400 Bad Request\r\n\r\n");
	ends_with(MOVER_END, KEDGE_REASON_app_unasked);
	rig_hear(&r, r.client, OK_HI);
	rig_hear_end(&r, r.client);
}

/* An application may answer half a head, and may speak before it was asked anything. */
static void answers_that_come_early(void **state)
{
	static const char answer[] = "HTTP/1.1 503 Busy\r\nContent-Length: 1\r\n\r\nx";
	static const char *const before[] = {"", "GET /half"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		rig_up(&r, 16384, 0);
		rig_say(&r, r.client, before[i]);
		rig_hear(&r, r.app, before[i]);
		rig_say(&r, r.app, answer);
		rig_hear(&r, r.client, answer);
		rig_close(&r, &r.app);
		assert_int_equal(rig_end(&r), MOVER_END);
		assert_reason(r.f.reason, KEDGE_REASON_NONE);
		rig_hear_end(&r, r.client);
		rig_down(&r);
	}
}

/*
 * The application stays, but what the client asks for next might find the answer to something else.
 */
static void early_and_last(const char *before, const char *more, enum kedge_reason reason)
{
	static const char answer[] = "HTTP/1.1 401 No\r\nContent-Length: 1\r\n\r\nx";

	rig_up(&r, 16384, 0);
	rig_say(&r, r.client, before);
	rig_hear(&r, r.app, before);
	assert_int_equal(send(r.app, answer, strlen(answer), MSG_NOSIGNAL), strlen(answer));
	assert_int_equal(send(r.app, more, strlen(more), MSG_NOSIGNAL), strlen(more));
	assert_int_equal(rig_end(&r), MOVER_END);
	assert_int_equal(r.f.reason, reason);
	rig_hear(&r, r.client, answer);
	rig_hear_end(&r, r.client);
	rig_down(&r);
}

static void an_answer_that_comes_early_is_the_last(void **state)
{
	static const char *const before[] = {"", "GET /half", "GET / HTTP/1.1\r\nHo"};

	(void)state;
	for (int i = 0; i < 3; i++) {
		early_and_last(before[i], "", KEDGE_REASON_NONE);
		early_and_last(before[i], OK_HI, KEDGE_REASON_app_unasked);
		early_and_last(before[i], "garbage", KEDGE_REASON_app_response_lost);
	}
}

/* Nobody knows where it ends, but the client, which goes on: there the connection ends in order. */
static void a_response_that_can_not_be_followed(void **state)
{
	static const char *const answers[] = {
		"\r\n" OK_HI,
		OK "Content-Length: 2, 2\r\n\r\nhi",
		OK "Content-Length: +2\r\n\r\nhi",
		OK "Content-Length : 2\r\n\r\nhi",
		OK CHUNKED "\r\n 2\r\nhi\r\n0\r\n\r\n",
		"HTTP/3 200 OK\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		rig_up(&r, 16384, 0);
		rig_say(&r, r.client, GET);
		rig_hear(&r, r.app, SEEN);
		rig_say(&r, r.app, answers[i]);
		rig_hear(&r, r.client, answers[i]);
		rig_settle(&r);
		assert_int_equal(r.verdict, MOVER_WAIT);
		rig_say(&r, r.client, GET);
		ends_with(MOVER_END, KEDGE_REASON_app_response_lost);
		rig_hear_end(&r, r.client);
		rig_hear_nothing(&r, r.app); /* the other request is the client's to repeat */
		rig_down(&r);
	}
}

/* The client may go, and the application may end, behind such a response. */
static void a_response_that_can_not_be_followed_and_an_end(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET);
	rig_hear(&r, r.app, SEEN);
	rig_say(&r, r.app, OK "Content-Length: 2, 2\r\n\r\nhi");
	shutdown(r.client, SHUT_WR);
	rig_hear_end(&r, r.app);
	assert_int_equal(r.verdict, MOVER_WAIT);
	rig_close(&r, &r.app);
	ends_with(MOVER_END, KEDGE_REASON_app_response_lost);
	rig_hear(&r, r.client, OK "Content-Length: 2, 2\r\n\r\nhi");
	rig_hear_end(&r, r.client);
}

/* Requests behind a response that ends with the connection are dropped, and do not cut it. */
static void a_response_without_end_is_not_cut_by_requests(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET);
	rig_hear(&r, r.app, SEEN);
	rig_say(&r, r.app, OK "\r\nsome");
	rig_hear(&r, r.client, OK "\r\nsome");
	for (int i = 0; i < 2 * KEDGE_PIPELINE_MAX; i++)
		rig_say(&r, r.client, GET);
	shutdown(r.client, SHUT_WR);
	rig_hear_end(&r, r.app);
	rig_say(&r, r.app, " more");
	rig_close(&r, &r.app);
	ends_with(MOVER_END, KEDGE_REASON_NONE);
	rig_hear(&r, r.client, " more");
	rig_hear_end(&r, r.client);
}

/*
 * --- whose fault it is --------------------------------------------------------------------------
 */

/* The client has ended, and the application, told so, leaves its answer: nobody wants a 502. */
static void a_client_that_goes_is_no_fault_of_the_application(void **state)
{
	static const char *const answers[] = {"", "HTTP/1.1 103 E\r\n\r\n",
					      OK "Content-Length: 9\r\n\r\nh", OK CHUNKED "\r\n"};

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		rig_up(&r, 16384, 0);
		rig_say(&r, r.client, GET);
		rig_hear(&r, r.app, SEEN);
		rig_say(&r, r.app, answers[i / 2]);
		shutdown(r.client, SHUT_WR);
		rig_hear_end(&r, r.app);
		if (i % 2) {
			net_close_reset(r.app);
			r.app = -1;
		} else {
			rig_close(&r, &r.app);
		}
		rig_end(&r);
		assert_reason(r.f.reason, KEDGE_REASON_client_gone);
		rig_down(&r);
	}
}

static void a_tunnel_that_is_reset_is_reset(void **state)
{
	(void)state;
	rig_say(&r, r.client, UPGRADE "\r\n");
	rig_hear(&r, r.app, UPGRADE RIG_XFF "\r\n");
	rig_say(&r, r.app, "HTTP/1.1 101 S\r\n\r\n");
	rig_hear(&r, r.client, "HTTP/1.1 101 S\r\n\r\n");
	net_close_reset(r.app);
	r.app = -1;
	ends_with(MOVER_ABORT, KEDGE_REASON_app_reset);
}

#define TEST(name)       cmocka_unit_test_setup_teardown(name, up, down)
#define TEST_SMALL(name) cmocka_unit_test_setup_teardown(name, up_small, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_application_gone_without_an_answer),
		TEST(an_application_reset_without_an_answer),
		TEST(an_interim_answer_is_no_answer),
		TEST(an_idle_application_may_go),
		TEST(an_application_gone_in_mid_answer),
		TEST(an_application_reset_in_mid_answer),
		TEST(a_reset_that_a_send_finds),
		cmocka_unit_test(an_early_answer_arrives),
		TEST_SMALL(a_stuck_upload_gets_its_early_answer),
		TEST(a_101_that_nobody_asked_for_does_not_pass),
		TEST(a_101_to_half_a_head_does_not_pass),
		TEST(a_101_behind_an_answer_does_not_pass),
		cmocka_unit_test(more_answers_than_requests),
		TEST(an_answer_to_a_body),
		cmocka_unit_test(answers_that_come_early),
		cmocka_unit_test(an_answer_that_comes_early_is_the_last),
		cmocka_unit_test(a_response_that_can_not_be_followed),
		TEST(a_response_that_can_not_be_followed_and_an_end),
		TEST(a_response_without_end_is_not_cut_by_requests),
		cmocka_unit_test(a_client_that_goes_is_no_fault_of_the_application),
		TEST(a_tunnel_that_is_reset_is_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The mover when the client is at fault: what is still delivered, and the verdict. */
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

static int up_tight(void **state)
{
	(void)state;
	rig_up(&r, 16384, 8192);
	return 0;
}

static void ends_with(enum mover_verdict verdict, enum kedge_reason reason)
{
	assert_int_equal(rig_end(&r), verdict);
	assert_int_equal(r.f.reason, reason);
}

/* --- the client ends in the middle: I4 -------------------------------------------------------- */

static void truncated(const char *request, const char *seen)
{
	rig_up(&r, 16384, 0);
	rig_say(&r, r.client, request);
	shutdown(r.client, SHUT_WR);
	ends_with(MOVER_ABORT, KEDGE_REASON_client_truncated);
	rig_hear(&r, r.app, seen);
	rig_hear_nothing(&r, r.app); /* above all not the end */
	rig_down(&r);
}

static void a_truncated_request_is_no_end(void **state)
{
	(void)state;
	truncated("GET / HT", "GET / HT");
	truncated(HEAD, HEAD);
	truncated(POST "Content-Length: 5\r\n\r\n1234",
		  POST "Content-Length: 5\r\n" RIG_XFF "\r\n1234");
	truncated(POST CHUNKED "\r\n4\r\n1234\r\n", POST CHUNKED RIG_XFF "\r\n4\r\n1234\r\n");
	truncated(POST CHUNKED "\r\n0\r\n", POST CHUNKED RIG_XFF "\r\n0\r\n");
	truncated(GET HEAD, SEEN HEAD);
}

/* Version 2 is refused at its third byte, of which the first two may come before any request. */
static void a_prefix_byte_by_byte_is_told_as_one(void **state)
{
	static const char *const prefixes[] = {"\r\n\r\n\1", "PROXY TCP4 "};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		rig_up(&r, 16384, 0);
		for (const char *p = prefixes[i]; *p && r.verdict == MOVER_WAIT; p++) {
			rig_send(&r, r.client, p, 1);
			rig_settle(&r);
		}
		ends_with(MOVER_REPLY, KEDGE_REASON_prefix_unexpected);
		rig_down(&r);
	}
}

static void a_client_reset_ends_the_flow(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET);
	rig_hear(&r, r.app, SEEN);
	net_close_reset(r.client);
	r.client = -1;
	ends_with(MOVER_ABORT, KEDGE_REASON_client_reset);
}

/* --- a request is refused --------------------------------------------------------------------- */

static void a_refused_request_is_answered(void **state)
{
	(void)state;
	rig_say(&r, r.client, "GET / HTTP/1.1\r\nHost : a\r\n\r\n");
	ends_with(MOVER_REPLY, KEDGE_REASON_http_field_name);
	rig_hear_nothing(&r, r.client);
	rig_hear_nothing(&r, r.app);
}

static void answers_owed_go_first(const char *first, const char *second, const char *seen,
				  enum kedge_reason reason)
{
	rig_up(&r, 16384, 0);
	rig_say(&r, r.client, first);
	rig_settle(&r);
	rig_say(&r, r.client, second);
	rig_hear(&r, r.app, seen);
	rig_settle(&r);
	assert_int_equal(r.verdict, MOVER_WAIT);
	rig_say(&r, r.app, OK "Content-Length: 2\r\n\r\nh");
	rig_settle(&r);
	assert_int_equal(r.verdict, MOVER_WAIT);
	rig_say(&r, r.app, "i");
	ends_with(MOVER_REPLY, reason);
	rig_hear(&r, r.client, OK_HI);
	rig_hear_nothing(&r, r.app);
	rig_down(&r);
}

static void answers_owed_go_before_the_refusal(void **state)
{
	(void)state;
	answers_owed_go_first("", GET "GET / HTTP/9.0\r\n\r\n", SEEN, KEDGE_REASON_http_version);
	answers_owed_go_first(GET, "GET / HTTP/9.0\r\n\r\n", SEEN, KEDGE_REASON_http_version);
	/* head and fault in one segment: nothing of the second request has gone on */
	answers_owed_go_first("", GET POST CHUNKED "\r\nzz\r\n", SEEN, KEDGE_REASON_http_chunk);
	answers_owed_go_first(GET, POST CHUNKED "\r\nzz\r\n", SEEN, KEDGE_REASON_http_chunk);
	/* the end of one body, then a fault in the next one, or in the next head */
	answers_owed_go_first(POST "Content-Length: 2\r\n\r\na", "b" POST CHUNKED "\r\nzz\r\n",
			      POST "Content-Length: 2\r\n" RIG_XFF "\r\nab",
			      KEDGE_REASON_http_chunk);
	answers_owed_go_first(POST "Content-Length: 2\r\n\r\na", "bGET / HTTP/9.0\r\n\r\n",
			      POST "Content-Length: 2\r\n" RIG_XFF "\r\nab",
			      KEDGE_REASON_http_version);
}

/* The request's head has gone on; no answer to it will come. */
static void fault_in_body(const char *head, const char *fault, const char *seen,
			  enum kedge_reason reason)
{
	rig_up(&r, 16384, 0);
	rig_say(&r, r.client, head);
	rig_hear(&r, r.app, seen);
	rig_say(&r, r.client, fault);
	ends_with(MOVER_REPLY, reason);
	rig_hear_nothing(&r, r.app);
	rig_down(&r);
}

static void a_fault_in_a_body_is_answered_at_once(void **state)
{
	(void)state;
	fault_in_body(POST CHUNKED "\r\n1\r\na", "b\r\n", POST CHUNKED RIG_XFF "\r\n1\r\na",
		      KEDGE_REASON_http_chunk);
	fault_in_body(POST CHUNKED "\r\n0\r\n", "Content-Length: 1\r\n\r\n",
		      POST CHUNKED RIG_XFF "\r\n0\r\n", KEDGE_REASON_http_trailer);
	fault_in_body(POST CHUNKED "\r\n0\r\nA: b\r\n", " folded\r\n\r\n",
		      POST CHUNKED RIG_XFF "\r\n0\r\nA: b\r\n", KEDGE_REASON_http_fold);
	fault_in_body(POST CHUNKED "\r\n0\r\nA: b", "\n\n", POST CHUNKED RIG_XFF "\r\n0\r\nA: b",
		      KEDGE_REASON_http_bare_cr_lf);
}

static void a_fault_in_a_body_waits_for_answers_before_it(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET POST CHUNKED "\r\n1\r\na");
	rig_hear(&r, r.app, SEEN POST CHUNKED RIG_XFF "\r\n1\r\na");
	rig_say(&r, r.client, "b\r\n");
	rig_settle(&r);
	assert_int_equal(r.verdict, MOVER_WAIT);
	rig_say(&r, r.app, OK_HI);
	ends_with(MOVER_REPLY, KEDGE_REASON_http_chunk);
	rig_hear(&r, r.client, OK_HI);
}

/* The answer would be taken for that to the first request, which had no fault. */
static void a_refusal_is_not_told_in_the_place_of_an_answer(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET "GET / HTTP/9.0\r\n\r\n");
	rig_hear(&r, r.app, SEEN);
	rig_close(&r, &r.app);
	ends_with(MOVER_REPLY, KEDGE_REASON_app_gone);
}

/* Its head has gone on, and the application answers it before the fault is found. */
static void a_request_that_was_answered_is_not_answered_again(void **state)
{
	(void)state;
	rig_say(&r, r.client, POST CHUNKED "\r\n1\r\na");
	rig_hear(&r, r.app, POST CHUNKED RIG_XFF "\r\n1\r\na");
	rig_say(&r, r.app, OK "Content-Length: 2\r\n\r\nh");
	rig_hear(&r, r.client, OK "Content-Length: 2\r\n\r\nh");
	rig_say(&r, r.client, "b\r\n");
	rig_settle(&r);
	assert_int_equal(r.verdict, MOVER_WAIT);
	assert_int_equal(mover_may_say(&r.f), MOVER_SAY_RESET);
	rig_say(&r, r.app, "i");
	ends_with(MOVER_REPLY, KEDGE_REASON_http_chunk);
	rig_hear(&r, r.client, "i");
	assert_int_equal(mover_may_say(&r.f), MOVER_SAY_NOTHING);
}

/* kedge says nothing behind a response after which nothing can come. */
static void nothing_is_said_behind_the_last_response(void **state)
{
	static const char *const last[] = {
		OK "Connection: close\r\nContent-Length: 0\r\n\r\n",
		OK "Content-Length: 0\r\nCONNECTION: a, keep-alive ,\tClose\r\n\r\n",
		OK "Connection: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		OK "Connection:\r\n close\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0 204 OK\r\nConnection: keep-alive, close\r\n\r\n",
	};
	static const char *const others[] = {
		OK "Connection: closed, x-close\r\nContent-Length: 0\r\n\r\n",
		OK "Content-Length: 0\r\nX-Connection: close\r\nConnection: \r\n\r\n",
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n",
		"HTTP/1.1 103 Early\r\nConnection: close\r\n\r\n" OK "Content-Length: 0\r\n\r\n",
	};
	const size_t lasts = sizeof(last) / sizeof(last[0]);

	(void)state;
	for (size_t i = 0; i < lasts + sizeof(others) / sizeof(others[0]); i++) {
		const char *answer = i < lasts ? last[i] : others[i - lasts];

		rig_up(&r, 16384, 0);
		rig_say(&r, r.client, GET "GET / HTTP/9.0\r\n\r\n");
		rig_hear(&r, r.app, SEEN);
		rig_say(&r, r.app, answer);
		ends_with(MOVER_REPLY, KEDGE_REASON_http_version);
		rig_hear(&r, r.client, answer);
		assert_int_equal(mover_may_say(&r.f),
				 i < lasts ? MOVER_SAY_NOTHING : MOVER_SAY_ANSWER);
		rig_down(&r);
	}
}

/* Two pipelined, of which the application answers one, and says that it was the last. */
static void nobody_waits_behind_the_last_response(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET GET);
	rig_hear(&r, r.app, SEEN SEEN);
	rig_say(&r, r.app, OK "Connection: close\r\nContent-Length: 0\r\n\r\n");
	rig_close(&r, &r.app);
	assert_int_equal(rig_end(&r), MOVER_END);
	assert_reason(r.f.reason, KEDGE_REASON_NONE);
	rig_hear(&r, r.client, OK "Connection: close\r\nContent-Length: 0\r\n\r\n");
	rig_hear_end(&r, r.client);
}

/* What a client has not taken of earlier responses comes first, whatever kedge has to say. */
static void a_refusal_waits_until_the_client_has_taken(void **state)
{
	enum { BODY = 4 << 20 };
	static const char head[] = OK "Content-Length: 4194304\r\n\r\n";
	char *body = calloc(1, BODY);
	size_t sent = 0;
	ssize_t n = 1;

	(void)state;
	rig_say(&r, r.client, GET "GET / HT");
	rig_hear(&r, r.app, SEEN);
	rig_say(&r, r.app, head);
	while (sent < BODY && (n > 0 || rig_turn(&r, NET_QUIET_MS))) {
		n = send(r.app, body + sent, BODY - sent, MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
	}
	rig_settle(&r);
	assert_non_null(r.f.down.data);
	assert_int_equal(mover_may_say(&r.f), MOVER_SAY_RESET);
	mover_refuse(&r.f, KEDGE_REASON_head_timeout, false);
	assert_int_equal(mover_run(&r.m, &r.f), MOVER_WAIT);
	rig_hear(&r, r.client, head);
	for (size_t got = 0; got < BODY;) {
		n = send(r.app, body + sent, BODY - sent, MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		n = recv(r.client, body, 65536, 0);
		got += n > 0 ? (size_t)n : 0;
		rig_turn(&r, 0);
	}
	ends_with(MOVER_REPLY, KEDGE_REASON_head_timeout);
	assert_int_equal(mover_may_say(&r.f), MOVER_SAY_ANSWER);
	rig_hear_nothing(&r, r.client);
	free(body);
}

/*
 * The application's socket is nearly full when the fault is found behind complete requests: these
 * go on first, and only then is the fault told.
 */
static void a_refusal_waits_for_room(void **state)
{
	char one[4000], seen[4100], last[12100];
	int sent = 3;

	(void)state;
	snprintf(one, sizeof(one), "GET /%03500d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
	snprintf(seen, sizeof(seen), "GET /%03500d HTTP/1.1\r\nHost: a\r\n" RIG_XFF "\r\n", 0);
	snprintf(last, sizeof(last), "%s%s%sGET / HTTP/9.0\r\n\r\n", one, one, one);
	for (; net_wait(r.app_leg, POLLOUT, 0); sent++) {
		rig_say(&r, r.client, one);
		rig_settle(&r);
	}
	rig_say(&r, r.client, last);
	rig_settle(&r);
	assert_false(r.f.refused);
	assert_int_equal(r.verdict, MOVER_WAIT);
	for (int i = 0; i < sent; i++)
		rig_hear(&r, r.app, seen);
	for (int i = 0; i < 100 && !r.f.refused; i++)
		rig_turn(&r, 100); /* a delayed ACK makes the room */
	assert_true(r.f.refused);
	rig_hear_nothing(&r, r.app);
	assert_int_equal(r.verdict, MOVER_WAIT);
	for (int i = 0; i < sent; i++)
		rig_say(&r, r.app, "HTTP/1.1 204 N\r\n\r\n");
	ends_with(MOVER_REPLY, KEDGE_REASON_http_version);
}

#define TEST(name)       cmocka_unit_test_setup_teardown(name, up, down)
#define TEST_TIGHT(name) cmocka_unit_test_setup_teardown(name, up_tight, down)
#define TEST_SMALL(name) cmocka_unit_test_setup_teardown(name, up_small, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_truncated_request_is_no_end),
		cmocka_unit_test(a_prefix_byte_by_byte_is_told_as_one),
		TEST(a_client_reset_ends_the_flow),
		TEST(a_refused_request_is_answered),
		cmocka_unit_test(answers_owed_go_before_the_refusal),
		cmocka_unit_test(a_fault_in_a_body_is_answered_at_once),
		TEST(a_fault_in_a_body_waits_for_answers_before_it),
		TEST(a_refusal_is_not_told_in_the_place_of_an_answer),
		TEST(a_request_that_was_answered_is_not_answered_again),
		cmocka_unit_test(nothing_is_said_behind_the_last_response),
		TEST(nobody_waits_behind_the_last_response),
		TEST_SMALL(a_refusal_waits_until_the_client_has_taken),
		TEST_TIGHT(a_refusal_waits_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

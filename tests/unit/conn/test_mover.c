/* SPDX-License-Identifier: BSD-2-Clause */
/* mover.c in good order: edits, half-closes, back-pressure, pipelines, upgrades. Over real TCP. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/lib/net.h"
#include "tests/unit/conn/mover_rig.h"

#define UPGRADE  HEAD "Upgrade: x\r\nConnection: upgrade\r\n\r\n"
#define UPGRADED HEAD "Upgrade: x\r\nConnection: upgrade\r\n" RIG_XFF "\r\n"
#define SWITCH   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"

static int up_tiny(void **state)
{
	(void)state;
	rig_up(&r, 2500, 0);
	return 0;
}

static void every_request_is_edited_and_answered(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		rig_say(&r, r.client, GET);
		rig_hear(&r, r.app, SEEN);
		rig_say(&r, r.app, OK_HI);
		rig_hear(&r, r.client, OK_HI);
	}
	assert_int_equal(r.verdict, MOVER_WAIT);
	assert_int_equal(r.stats.requests_user, 3);
	assert_int_equal(r.stats.responses, 3);
	assert_int_equal(r.stats.bytes_up, 3 * strlen(GET));
	assert_int_equal(r.stats.bytes_down, 3 * strlen(OK_HI));
	assert_true(mover_idle(&r.f));
}

static void idle_only_between_requests(void **state)
{
	(void)state;
	assert_true(mover_idle(&r.f));
	rig_say(&r, r.client, HEAD);
	rig_hear(&r, r.app, HEAD);
	assert_false(mover_idle(&r.f)); /* in a head */
	rig_say(&r, r.client, "\r\n");
	rig_hear(&r, r.app, RIG_XFF "\r\n");
	assert_false(mover_idle(&r.f)); /* unanswered */
	rig_say(&r, r.app, OK "Content-Length: 2\r\n\r\nh");
	rig_settle(&r);
	assert_false(mover_idle(&r.f)); /* in an answer */
	rig_say(&r, r.app, "i");
	rig_hear(&r, r.client, OK_HI);
	assert_true(mover_idle(&r.f));
}

static void client_half_close_reaches_the_application(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET);
	shutdown(r.client, SHUT_WR);
	rig_hear(&r, r.app, SEEN);
	rig_hear_end(&r, r.app);
	rig_say(&r, r.app, OK_HI);
	rig_hear(&r, r.client, OK_HI);
	assert_int_equal(r.verdict, MOVER_WAIT);
	rig_close(&r, &r.app);
	assert_int_equal(rig_end(&r), MOVER_END);
	rig_hear_end(&r, r.client);
}

static void response_without_length_ends_with_the_application(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET);
	rig_hear(&r, r.app, SEEN);
	rig_say(&r, r.app, OK "\r\nall there is");
	rig_close(&r, &r.app);
	assert_int_equal(rig_end(&r), MOVER_END);
	rig_hear(&r, r.client, OK "\r\nall there is");
	rig_hear_end(&r, r.client);
}

static void continue_and_final_answer(void **state)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
				   "Expect: 100-continue\r\n";

	(void)state;
	rig_say(&r, r.client, head);
	rig_say(&r, r.client, "\r\n");
	rig_hear(&r, r.app, head);
	rig_hear(&r, r.app, RIG_XFF "\r\n");
	rig_say(&r, r.app, "HTTP/1.1 100 Continue\r\n\r\n");
	rig_hear(&r, r.client, "HTTP/1.1 100 Continue\r\n\r\n");
	assert_false(mover_idle(&r.f));
	rig_say(&r, r.client, "body");
	rig_hear(&r, r.app, "body");
	rig_say(&r, r.app, OK_HI);
	rig_hear(&r, r.client, OK_HI);
	assert_true(mover_idle(&r.f));
	assert_int_equal(r.stats.responses, 1);
}

/* --- back-pressure, I1 ------------------------------------------------------------------------ */

#define BULK (8u << 20)

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 2654435761u >> 13);
}

/* Sends from a far end what goes without anybody reading; how much that was. */
static size_t stuff(int far, const uint8_t *bytes, size_t n)
{
	size_t at = 0;

	while (at < n) {
		ssize_t sent = send(far, bytes + at, n - at, MSG_NOSIGNAL);

		if (sent > 0)
			at += (size_t)sent;
		else if (!rig_turn(&r, 0) && !net_wait(far, POLLOUT, NET_QUIET_MS) &&
			 !rig_turn(&r, NET_QUIET_MS))
			break;
	}
	rig_settle(&r);
	return at;
}

/* After a stall the rest of bytes[0..n) goes from one end to the other; it must all be there. */
static void drain_and_compare(int from, int to, const uint8_t *bytes, size_t sent, size_t n)
{
	uint8_t *piece = malloc(4096);
	uint64_t until = net_now_ms() + NET_PATIENCE_MS;
	size_t got = 0;

	assert_non_null(piece);
	while (got < n && net_now_ms() < until) {
		ssize_t x = sent < n ? send(from, bytes + sent, n - sent, MSG_NOSIGNAL) : 0;

		sent += x > 0 ? (size_t)x : 0;
		x = recv(to, piece, 4096, 0);
		assert_int_not_equal(x, 0);
		if (x > 0)
			assert_memory_equal(piece, bytes + got, x);
		got += x > 0 ? (size_t)x : 0;
		if (!rig_turn(&r, 0) && x < 0)
			net_wait(to, POLLIN, 2);
	}
	assert_int_equal(got, n);
	free(piece);
}

static void an_application_that_does_not_read_stops_the_client(void **state)
{
	uint8_t *body = malloc(BULK);
	size_t sent;
	uint64_t read;

	(void)state;
	for (size_t i = 0; i < BULK; i++)
		body[i] = pattern(i);
	rig_say(&r, r.client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\n");
	sent = stuff(r.client, body, BULK);
	assert_true(sent < BULK / 2);
	assert_non_null(r.f.up.data);
	assert_true(r.f.client_in && r.f.leg->full);
	read = r.stats.bytes_up;
	rig_settle(&r);
	assert_int_equal(r.stats.bytes_up, read);

	rig_hear(&r, r.app,
		 "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n" RIG_XFF "\r\n");
	drain_and_compare(r.client, r.app, body, sent, BULK);
	assert_null(r.f.up.data);
	free(body);
}

static void a_client_that_does_not_read_stops_the_application(void **state)
{
	uint8_t *body = malloc(BULK);
	size_t sent;
	uint64_t read;

	(void)state;
	for (size_t i = 0; i < BULK; i++)
		body[i] = pattern(i);
	rig_say(&r, r.client, GET);
	rig_hear(&r, r.app, SEEN);
	rig_say(&r, r.app, OK "Content-Length: 8388608\r\n\r\n");
	rig_settle(&r);
	sent = stuff(r.app, body, BULK);
	assert_true(sent < BULK / 2);
	assert_non_null(r.f.down.data);
	assert_true(r.f.leg->in && r.f.client_full);
	read = r.stats.bytes_down;
	rig_settle(&r);
	assert_int_equal(r.stats.bytes_down, read);

	rig_hear(&r, r.client, OK "Content-Length: 8388608\r\n\r\n");
	drain_and_compare(r.app, r.client, body, sent, BULK);
	assert_null(r.f.down.data);
	assert_true(mover_idle(&r.f));
	free(body);
}

static void one_turn_has_an_end(void **state)
{
	static const uint8_t body[1 << 16];
	uint64_t before;

	(void)state;
	rig_say(&r, r.client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n");
	assert_int_equal(send(r.client, body, sizeof(body), 0), sizeof(body));
	while (net_queued(r.client_leg) < sizeof(body))
		assert_true(net_wait(r.client_leg, POLLIN, NET_PATIENCE_MS));
	r.f.client_in = true;
	before = r.stats.bytes_up;
	assert_int_equal(mover_run(&r.m, &r.f), MOVER_MORE);
	assert_true(r.f.client_in);
	assert_true(net_queued(r.client_leg) > 0);
	assert_in_range(r.stats.bytes_up - before, r.m.buf_size, 3 * r.m.buf_size);
	while (mover_run(&r.m, &r.f) == MOVER_MORE)
		;
	assert_int_equal(net_queued(r.client_leg), 0);
}

/* --- pipelines -------------------------------------------------------------------------------- */

#define SHORT      "GET / HTTP/1.0\r\n\r\n"
#define SHORT_SEEN "GET / HTTP/1.0\r\n" RIG_XFF "\r\n"

/* A client that pipelines without end is read no more, and again after answers. */
static void too_many_outstanding_wait(void **state)
{
	enum { REQUESTS = 5000 };
	char *all = malloc(REQUESTS * strlen(SHORT) + 1), *at = all;
	unsigned answered = 0, seen = 0;
	uint64_t until = net_now_ms() + NET_PATIENCE_MS;

	(void)state;
	for (int i = 0; i < REQUESTS; i++)
		at = stpcpy(at, SHORT);
	assert_int_equal(stuff(r.client, (uint8_t *)all, strlen(all)), strlen(all));
	assert_true(response_outstanding(&r.f.leg->response, r.f.leg->edit->note) >
		    KEDGE_PIPELINE_MAX);
	assert_true(response_outstanding(&r.f.leg->response, r.f.leg->edit->note) <
		    KEDGE_NOTE_RING);
	assert_true(r.f.up.data || net_queued(r.client_leg));

	while (answered < REQUESTS && net_now_ms() < until) {
		seen = r.f.leg->edit->note->requests;
		while (answered < seen) {
			rig_hear(&r, r.app, SHORT_SEEN);
			rig_say(&r, r.app, "HTTP/1.1 204 N\r\n\r\n");
			rig_hear(&r, r.client, "HTTP/1.1 204 N\r\n\r\n");
			answered++;
		}
		rig_turn(&r, 2);
	}
	assert_int_equal(answered, REQUESTS);
	assert_true(mover_idle(&r.f));
	free(all);
}

/* One send of the shortest requests does not lap what is kept of the oldest: that it was a HEAD. */
static void the_shortest_requests_do_not_lap(void **state)
{
	static const char shortest[KEDGE_REQUEST_BYTES_MIN + 1] = "A / HTTP/1.0\r\n\r\n";
	char all[KEDGE_SEND_BYTES_MAX + 1], *at = all;

	(void)state;
	rig_say(&r, r.client, "HEAD / HTTP/1.0\r\n\r\n");
	for (int i = 1; i < KEDGE_PIPELINE_MAX; i++)
		rig_say(&r, r.client, SHORT);
	rig_settle(&r);
	assert_int_equal(response_outstanding(&r.f.leg->response, r.f.leg->edit->note),
			 KEDGE_PIPELINE_MAX);
	while (at < all + KEDGE_SEND_BYTES_MAX)
		at = stpcpy(at, shortest);
	assert_int_equal(stuff(r.client, (uint8_t *)all, KEDGE_SEND_BYTES_MAX),
			 KEDGE_SEND_BYTES_MAX);
	assert_true(response_outstanding(&r.f.leg->response, r.f.leg->edit->note) > 1024);

	rig_say(&r, r.app, OK "Content-Length: 2\r\n\r\n");
	rig_hear(&r, r.client, OK "Content-Length: 2\r\n\r\n");
	assert_true(response_between(&r.f.leg->response));
	assert_int_equal(r.f.leg->response.done, 1);
}

/* --- upgrades --------------------------------------------------------------------------------- */

static void a_tunnel_both_ways_with_bytes_sent_ahead(void **state)
{
	(void)state;
	rig_say(&r, r.client, UPGRADE "ahead of time");
	rig_hear(&r, r.app, UPGRADED);
	rig_hear_nothing(&r, r.app);
	assert_false(mover_idle(&r.f));
	rig_say(&r, r.app, SWITCH "welcome");
	rig_hear(&r, r.client, SWITCH "welcome");
	rig_hear(&r, r.app, "ahead of time");
	rig_say(&r, r.client, GET);
	rig_hear(&r, r.app, GET); /* unread, unedited */
	rig_say(&r, r.app, "HTTP/1.1 101 is nothing special now\r\n\r\n");
	rig_hear(&r, r.client, "HTTP/1.1 101 is nothing special now\r\n\r\n");
	assert_int_equal(r.stats.tunnels, 1);
	assert_int_equal(r.stats.requests_user, 1);
	assert_false(mover_idle(&r.f));
}

/* I3 */
static void nothing_is_read_while_an_upgrade_waits(void **state)
{
	(void)state;
	rig_say(&r, r.client, UPGRADE);
	rig_hear(&r, r.app, UPGRADED);
	rig_say(&r, r.client, "more");
	rig_settle(&r);
	assert_int_equal(net_queued(r.client_leg), 4);
	assert_null(r.f.up.data);
	rig_say(&r, r.app, SWITCH);
	rig_hear(&r, r.app, "more");
	assert_int_equal(net_queued(r.client_leg), 0);
}

static void an_upgrade_waits_for_earlier_answers(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET UPGRADE "x");
	rig_hear(&r, r.app, SEEN UPGRADED);
	rig_say(&r, r.app, OK_HI);
	rig_hear(&r, r.client, OK_HI);
	rig_hear_nothing(&r, r.app);
	rig_say(&r, r.app, SWITCH);
	rig_hear(&r, r.client, SWITCH);
	rig_hear(&r, r.app, "x");
}

static void after_a_declined_upgrade_requests_are_edited(void **state)
{
	(void)state;
	rig_say(&r, r.client, UPGRADE GET);
	rig_hear(&r, r.app, UPGRADED);
	rig_hear_nothing(&r, r.app);
	rig_say(&r, r.app, OK_HI);
	rig_hear(&r, r.client, OK_HI);
	rig_hear(&r, r.app, SEEN);
	rig_say(&r, r.app, OK_HI);
	rig_hear(&r, r.client, OK_HI);
	rig_say(&r, r.client, UPGRADE);
	rig_hear(&r, r.app, UPGRADED);
	rig_say(&r, r.app, SWITCH);
	rig_hear(&r, r.client, SWITCH);
	assert_int_equal(r.stats.tunnels, 1);
}

static void a_tunnel_ends_when_both_ends_have_ended(void **state)
{
	(void)state;
	rig_say(&r, r.client, UPGRADE);
	rig_hear(&r, r.app, UPGRADED);
	rig_say(&r, r.app, SWITCH "bye");
	shutdown(r.app, SHUT_WR);
	rig_hear(&r, r.client, SWITCH "bye");
	rig_hear_end(&r, r.client);
	rig_settle(&r);
	assert_int_equal(r.verdict, MOVER_WAIT);
	rig_say(&r, r.client, "not yet");
	rig_hear(&r, r.app, "not yet");
	shutdown(r.client, SHUT_WR);
	rig_hear_end(&r, r.app);
	assert_int_equal(rig_end(&r), MOVER_END);
}

static void a_tunnel_ends_the_other_way_round(void **state)
{
	(void)state;
	rig_say(&r, r.client, UPGRADE);
	rig_hear(&r, r.app, UPGRADED);
	rig_say(&r, r.app, SWITCH);
	rig_hear(&r, r.client, SWITCH);
	shutdown(r.client, SHUT_WR);
	rig_hear_end(&r, r.app);
	rig_say(&r, r.app, "not yet");
	rig_hear(&r, r.client, "not yet");
	assert_int_equal(r.verdict, MOVER_WAIT);
	rig_close(&r, &r.app);
	assert_int_equal(rig_end(&r), MOVER_END);
	rig_hear_end(&r, r.client);
}

/* The client's last bytes, and its end, wait for an application that reads slowly. */
static void the_end_of_a_tunnel_waits_for_its_last_bytes(void **state)
{
	uint8_t *bytes = malloc(BULK);
	size_t sent, all;

	(void)state;
	for (size_t i = 0; i < BULK; i++)
		bytes[i] = pattern(i);
	rig_say(&r, r.client, UPGRADE);
	rig_hear(&r, r.app, UPGRADED);
	rig_say(&r, r.app, SWITCH);
	rig_hear(&r, r.client, SWITCH);
	/* Up to where the editor has something left to send, and the mover nothing. */
	for (all = 0; !r.f.leg->full; all += 1000) {
		assert_true(all + 1000 < BULK);
		rig_send(&r, r.client, bytes + all, 1000);
		rig_settle(&r);
	}
	sent = all;
	shutdown(r.app, SHUT_WR);
	rig_hear_end(&r, r.client);
	shutdown(r.client, SHUT_WR);
	rig_settle(&r);
	assert_int_equal(r.verdict, MOVER_WAIT);
	drain_and_compare(r.client, r.app, bytes, sent, all);
	rig_hear_end(&r, r.app);
	assert_int_equal(rig_end(&r), MOVER_END);
	free(bytes);
}

#define TEST(name)       cmocka_unit_test_setup_teardown(name, up, down)
#define TEST_TINY(name)  cmocka_unit_test_setup_teardown(name, up_tiny, down)
#define TEST_SMALL(name) cmocka_unit_test_setup_teardown(name, up_small, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_request_is_edited_and_answered),
		TEST(idle_only_between_requests),
		TEST(client_half_close_reaches_the_application),
		TEST(response_without_length_ends_with_the_application),
		TEST(continue_and_final_answer),
		TEST_SMALL(an_application_that_does_not_read_stops_the_client),
		TEST_SMALL(a_client_that_does_not_read_stops_the_application),
		TEST_TINY(one_turn_has_an_end),
		TEST(too_many_outstanding_wait),
		TEST(the_shortest_requests_do_not_lap),
		TEST(a_tunnel_both_ways_with_bytes_sent_ahead),
		TEST(nothing_is_read_while_an_upgrade_waits),
		TEST(an_upgrade_waits_for_earlier_answers),
		TEST(after_a_declined_upgrade_requests_are_edited),
		TEST(a_tunnel_ends_when_both_ends_have_ended),
		TEST(a_tunnel_ends_the_other_way_round),
		TEST_SMALL(the_end_of_a_tunnel_waits_for_its_last_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

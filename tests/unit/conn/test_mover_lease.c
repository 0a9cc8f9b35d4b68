/* SPDX-License-Identifier: BSD-2-Clause */
/* mover_lease.c: when a flow gives its leg up, and what is sent again on the next one. */
#include "conn/mover_lease.h"

#include <fcntl.h>

#include "tests/unit/conn/mover_fakes.h"
#include "tests/lib/assert_reason.h"

#define GET  "GET / HTTP/1.1\r\n\r\n"
#define POST "POST / HTTP/1.1\r\n\r\n"

/* A leg that has served one request, `idle_us` ago. */
static void served(uint64_t idle_us)
{
	f.reuses = true;
	note.requests = leg.response.done = 1;
	leg.served_us = 1000;
	now_us = 1000 + idle_us;
}

static void client_says(const char *text)
{
	fake.in = text;
	client_event(true, false);
}

static void app_closes(void)
{
	close(app);
	app = open("/dev/null", O_RDONLY | O_CLOEXEC);
	app_event(true, false);
}

static void kept(const char *text)
{
	assert_non_null(f.up.data);
	assert_int_equal(f.up.len - f.up.off, strlen(text));
	assert_memory_equal(f.up.data + f.up.off, text, strlen(text));
}

/* --- between requests ------------------------------------------------------------------------- */

static void an_idle_leg_that_ends(void **state)
{
	(void)state;
	served(0);
	app_closes();
	turn(MOVER_PART, "");
	assert_int_equal(stats.legs_closed, 1);
	assert_false(residue_any(&f.up));
}

static void without_reuse_it_ends_the_flow(void **state)
{
	(void)state;
	served(0);
	f.reuses = false;
	app_closes();
	turn(MOVER_END, "c");
	assert_int_equal(stats.legs_closed, 0);
}

/* Where the client cannot go on, the flow ends with the leg. */
static void nor_does_the_flow_survive_it_if(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		served(0);
		note.last = i == 4;
		f.client_eof = i == 0;
		leg.response.said_close = i == 1;
		f.lost_end = i == 2;
		f.reason = i == 3 ? KEDGE_REASON_app_unasked : KEDGE_REASON_NONE;
		assert_false(lease_survives(&mover, &f));
		down(state);
		up(state);
	}
}

/* Its application may take part of a body for a request, for example. */
static void a_leg_in_doubt_is_given_up(void **state)
{
	(void)state;
	served(0);
	leg.response.done = 0;
	leg.served_us = 0;
	assert_int_equal(write(app, "HTTP/1.1 400 B\r\nContent-Length: 0\r\n\r\n", 37), 37);
	app_event(true, false);
	turn(MOVER_PART, "w");
	assert_int_equal(stats.legs_doubted, 1);
}

/* Some of its request waits for room; behind it there may be half of another one. */
static void so_is_one_that_answers_before_it_has_the_request(void **state)
{
	static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
					      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"};

	for (unsigned i = 0; i < 8; i++) {
		const char *answer = answers[i & 1];
		const bool holds = i & 2, another = i & 4;

		served(0);
		leg.response.done = 0;
		note.requests = another ? 2 : 1;
		edit.holds = holds;
		assert_int_equal(write(app, answer, strlen(answer)), strlen(answer));
		app_event(true, false);
		turn(MOVER_WAIT, "w");
		assert_int_equal(response_clean(&leg.response), !holds || another);
		down(state);
		up(state);
	}
}

/* --- which leg a request gets ----------------------------------------------------------------- */

static void what_may_be_lost_on(const char *request, uint64_t idle_us, bool may)
{
	const uint64_t old = stats.legs_old;

	served(idle_us);
	client_says(request);
	if (may) {
		turn(MOVER_WAIT, "rsr");
	} else {
		turn(MOVER_PART, "r");
		kept(request);
	}
	assert_int_equal(stats.legs_old - old, !may);
	mover_forget(&f);
	close(leg.fd);
	close(app);
	up(NULL);
}

static void a_request_that_may_not_be_repeated_gets_a_young_leg(void **state)
{
	(void)state;
	what_may_be_lost_on(GET, 5000000, true);
	what_may_be_lost_on("\r\nHEAD / HTTP/1.1\r\n\r\n", 5000000, true);
	what_may_be_lost_on("PUT / HTTP/1.1\r\n\r\n", 5000000, true);
	what_may_be_lost_on("DELETE / HTTP/1.1\r\n\r\n", 5000000, true);
	what_may_be_lost_on("OPTIONS * HTTP/1.1\r\n\r\n", 5000000, true);
	what_may_be_lost_on("TRACE / HTTP/1.1\r\n\r\n", 5000000, true);
	what_may_be_lost_on(POST, LEASE_YOUNG_US - 1, true);
	what_may_be_lost_on(POST, LEASE_YOUNG_US, false);
	what_may_be_lost_on("PATCH / HTTP/1.1\r\n\r\n", 5000000, false);
	what_may_be_lost_on("get / HTTP/1.1\r\n\r\n", 5000000, false);
	what_may_be_lost_on("GETS / HTTP/1.1\r\n\r\n", 5000000, false);
	what_may_be_lost_on("GE", 5000000, false); /* nobody knows yet */
}

/* The event of its end is in the same turn, behind the client's. */
static void a_leg_is_looked_at_before_it_is_used(void **state)
{
	(void)state;
	for (int what = 0; what < 2; what++) {
		served(200000);
		if (what)
			assert_int_equal(write(app, "x", 1), 1);
		else
			close(app);
		client_says(POST);
		turn(MOVER_PART, "r");
		kept(POST);
		assert_int_equal(stats.legs_closed, 1);
		if (!what)
			app = open("/dev/null", O_RDONLY | O_CLOEXEC);
		down(state);
		up(state);
	}
}

/* --- again ------------------------------------------------------------------------------------ */

static void again(const char *request, bool is)
{
	const uint64_t before = stats.requests_again;

	served(0);
	client_says(request);
	turn(MOVER_WAIT, "rsr");
	app_closes();
	turn(is ? MOVER_PART : MOVER_REPLY, "");
	assert_int_equal(stats.requests_again - before, is);
	if (is)
		kept(request);
	else
		assert_reason(f.reason, KEDGE_REASON_app_gone);
	mover_forget(&f);
	close(leg.fd);
	close(app);
	up(NULL);
}

static void a_request_that_may_be_repeated_is_sent_again(void **state)
{
	(void)state;
	again(GET, true);
	again(POST, false);
}

/* A fresh leg has no reason to end: the request itself may be it. */
static void not_if_the_leg_was_fresh(void **state)
{
	(void)state;
	f.reuses = true;
	client_says(GET);
	turn(MOVER_WAIT, "rsr");
	app_closes();
	turn(MOVER_REPLY, "");
	assert_int_equal(stats.requests_again, 0);
}

/*
 * Another server may not fail at it. The request was read before there was a leg. Then it is the
 * second time, and there is no third.
 */
static void or_if_there_is_another_server(void **state)
{
	(void)state;
	f.reuses = f.elsewhere = true;
	assert_true(residue_keep(&f.up, GET, strlen(GET)));
	lease_begin(&f);
	turn(MOVER_WAIT, "s");
	app_closes();
	turn(MOVER_PART, "");
	assert_int_equal(stats.requests_again, 1);
	kept(GET);
	assert_true(f.again);
	lease_begin(&f);
	assert_false(f.sent.valid);
}

/* Once it is answered, the next request on a fresh leg has its second time, too. */
static void each_request_has_a_second_time(void **state)
{
	(void)state;
	f.reuses = f.elsewhere = f.again = true;
	lease_begin(&f);
	assert_false(f.sent.valid);
	lease_forget(&f); /* a response comes */
	lease_begin(&f);
	assert_true(f.sent.valid);
	assert_int_equal(f.sent.len, 0);
}

/* A POST that a fresh leg has lost is lost: nobody knows what has become of it. */
static void but_not_every_method(void **state)
{
	(void)state;
	f.reuses = f.elsewhere = true;
	lease_begin(&f);
	client_says(POST);
	turn(MOVER_WAIT, "rsr");
	app_closes();
	turn(MOVER_REPLY, "");
	assert_int_equal(stats.requests_again, 0);
}

static void not_behind_a_byte_of_its_response(void **state)
{
	(void)state;
	served(0);
	client_says(GET);
	turn(MOVER_WAIT, "rsr");
	assert_int_equal(write(app, "H", 1), 1);
	app_event(true, false);
	turn(MOVER_WAIT, "");
	app_closes();
	turn(MOVER_REPLY, "");
	assert_int_equal(stats.requests_again, 0);
}

/* Which of two the application has acted on is not known. */
static void not_if_there_are_two(void **state)
{
	(void)state;
	served(0);
	client_says(GET);
	turn(MOVER_WAIT, "rsr");
	client_says(GET);
	turn(MOVER_WAIT, "rsr");
	app_closes();
	turn(MOVER_REPLY, "");
	assert_int_equal(stats.requests_again, 0);
}

/* The application cannot have acted on half a head. */
static void half_a_head_is_sent_again_whatever_it_is(void **state)
{
	(void)state;
	served(0);
	client_says("POST / HT");
	turn(MOVER_WAIT, "rsr");
	note.requests--; /* the fake editor takes each send for a request */
	note.standing = KEDGE_HEAD;
	client_says("TP/1.1\r\n");
	turn(MOVER_WAIT, "rsr");
	note.requests--;
	app_closes();
	turn(MOVER_PART, "");
	kept("POST / HTTP/1.1\r\n");
	assert_int_equal(stats.requests_again, 1);
}

/*
 * A leg that is dead takes nothing, and the editor may say where the requests were before, or
 * behind these bytes.
 */
static void lost_with_the_leg(const char *request, uint8_t standing, bool counted, bool again)
{
	served(0);
	assert_true(lease_take(&mover, &f, (const uint8_t *)request, strlen(request)));
	note.requests += counted;
	note.standing = standing;
	f.unsent = leg.write_dead = true;
	assert_false(lease_between(&f));
	assert_int_equal(lease_survives(&mover, &f), again);
	if (again)
		kept(request);
	mover_forget(&f);
	close(leg.fd);
	close(app);
	up(NULL);
}

static void what_a_dead_leg_did_not_take_is_not_lost(void **state)
{
	(void)state;
	lost_with_the_leg("POST / HT", KEDGE_BETWEEN, false, true);
	lost_with_the_leg(POST, KEDGE_BETWEEN, false, true);
	lost_with_the_leg(GET, KEDGE_BETWEEN, true, true);
	lost_with_the_leg(GET, KEDGE_HEAD, true, true); /* half of it has gone */
	lost_with_the_leg(POST, KEDGE_BETWEEN, true, false);
}

static void a_long_request_is_not_kept(void **state)
{
	static char text[LEASE_KEPT_MAX + 2];
	struct sent *s = &f.sent;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "GET ", 4);
	served(0);
	assert_true(lease_take(&mover, &f, (uint8_t *)text, 100));
	assert_true(s->valid && s->len == 100);
	note.standing = KEDGE_HEAD;
	assert_true(lease_take(&mover, &f, (uint8_t *)text + 100, LEASE_KEPT_MAX - 100));
	assert_true(s->valid && s->len == LEASE_KEPT_MAX);
	assert_memory_equal(s->data, text, LEASE_KEPT_MAX);
	assert_true(lease_take(&mover, &f, (uint8_t *)text, 1));
	assert_false(s->valid);
	assert_true(lease_take(&mover, &f, (uint8_t *)text, 1)); /* the rest does not begin anew */
	assert_false(s->valid);
	assert_false(lease_survives(&mover, &f));
}

/* Nobody fills memory with requests that are answered. */
static void much_room_does_not_stay(void **state)
{
	static char text[SENT_SMALL + 1];

	(void)state;
	memset(text, 'x', sizeof(text));
	served(0);
	assert_true(lease_take(&mover, &f, (const uint8_t *)text, sizeof(text)));
	assert_int_equal(f.sent.size, LEASE_KEPT_MAX);
	lease_forget(&f);
	assert_null(f.sent.data);
	assert_true(lease_take(&mover, &f, (const uint8_t *)GET, strlen(GET)));
	lease_forget(&f);
	assert_int_equal(f.sent.size, SENT_SMALL);
}

/* The other half would be refused at the beginning of a leg. */
static void half_an_empty_line_stays_where_it_is(void **state)
{
	(void)state;
	served(0);
	assert_true(lease_between(&f));
	memcpy(f.tail, "\n\r\n\r", 4);
	assert_false(lease_between(&f));
	f.tail[0] = 'x';
	assert_true(lease_between(&f)); /* the end of a body */
	assert_true(lease_unfinished(&f));
	memcpy(f.tail, "\r\n\r\n", 4);
	assert_false(lease_unfinished(&f));
	f.first[0] = '\r';
	f.first_len = 1;
	assert_false(lease_between(&f));
}

/* Its other half comes with a request: neither of them does on a fresh leg. */
static void nor_does_its_other_half_go_elsewhere(void **state)
{
	(void)state;
	served(0);
	client_says("GET / HTTP/1.1\r\n\r\n\r");
	turn(MOVER_WAIT, "rsr");
	lease_forget(&f);
	leg.response.done = note.requests;
	now_us += 2 * LEASE_YOUNG_US;
	client_says("\n" POST);
	turn(MOVER_WAIT, "rsr");
	assert_int_equal(stats.legs_old, 0);
	assert_false(f.sent.valid);
	leg.response.done = note.requests;
	client_says(POST);
	turn(MOVER_PART, "r");
	assert_int_equal(stats.legs_old, 1);
}

/* The room stays for the next request. */
static void the_next_request_is_kept_in_its_place(void **state)
{
	const uint8_t *room;

	(void)state;
	served(0);
	assert_true(lease_take(&mover, &f, (const uint8_t *)GET, strlen(GET)));
	room = f.sent.data;
	assert_true(lease_take(&mover, &f, (const uint8_t *)POST, strlen(POST)));
	assert_int_equal(f.sent.len, strlen(POST));
	assert_ptr_equal(f.sent.data, room);
	assert_memory_equal(room, POST, strlen(POST));
}

static void a_fresh_leg_begins_with_nothing(void **state)
{
	(void)state;
	f = (struct flow){.record = &record,
			  .leg = &leg,
			  .up_asked = 3,
			  .up_rest = 4,
			  .request_us = 5,
			  .unsent = true,
			  .sent.valid = true};
	lease_begin(&f);
	assert_true(!f.up_asked && !f.up_rest && !f.request_us && !f.unsent && !f.sent.valid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_idle_leg_that_ends),
		TEST(without_reuse_it_ends_the_flow),
		TEST(nor_does_the_flow_survive_it_if),
		TEST(a_leg_in_doubt_is_given_up),
		TEST(so_is_one_that_answers_before_it_has_the_request),
		TEST(a_request_that_may_not_be_repeated_gets_a_young_leg),
		TEST(a_leg_is_looked_at_before_it_is_used),
		TEST(a_request_that_may_be_repeated_is_sent_again),
		TEST(not_if_the_leg_was_fresh),
		TEST(or_if_there_is_another_server),
		TEST(each_request_has_a_second_time),
		TEST(but_not_every_method),
		TEST(not_behind_a_byte_of_its_response),
		TEST(not_if_there_are_two),
		TEST(half_a_head_is_sent_again_whatever_it_is),
		TEST(what_a_dead_leg_did_not_take_is_not_lost),
		TEST(a_long_request_is_not_kept),
		TEST(the_next_request_is_kept_in_its_place),
		TEST(much_room_does_not_stay),
		TEST(half_an_empty_line_stays_where_it_is),
		TEST(nor_does_its_other_half_go_elsewhere),
		TEST(a_fresh_leg_begins_with_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* mover_ask.c: what a flow waits for, and what its client may be told. */
#include "conn/mover_ask.h"

#include "tests/unit/conn/mover_fakes.h"

static void whether_the_client_is_awaited(void **state)
{
	(void)state;
	assert_true(mover_awaits_client(&f));
	f.leg->full = true;
	assert_false(mover_awaits_client(&f));
	f.leg->full = false;
	f.refused = true;
	assert_false(mover_awaits_client(&f));
	f.refused = false;
	f.client_eof = true;
	assert_false(mover_awaits_client(&f));
	f.client_eof = false;
	note.standing = KEDGE_WAITING;
	assert_false(mover_awaits_client(&f));
	note.standing = KEDGE_BETWEEN;
	note.requests = KEDGE_PIPELINE_MAX;
	assert_true(mover_awaits_client(&f));
	note.requests++;
	assert_false(mover_awaits_client(&f));
}

static void whether_an_answer_is_awaited(void **state)
{
	(void)state;
	assert_false(mover_awaits_answer(&f));
	note.requests = 1;
	assert_true(mover_awaits_answer(&f));
	note.standing = KEDGE_BODY; /* the client has more to say first */
	assert_false(mover_awaits_answer(&f));
	f.leg->full = true; /* which the application does not take */
	assert_true(mover_awaits_answer(&f));
	f.leg->full = false;
	note.requests = 2; /* the one before it is whole */
	assert_true(mover_awaits_answer(&f));
	assert_true(residue_keep(&f.down, "x", 1)); /* the client does not take what there is */
	assert_false(mover_awaits_answer(&f));
	residue_drop(&f.down);
	f.leg->response.state = RESPONSE_BODY;
	assert_false(mover_awaits_answer(&f));
	f.leg->response.state = RESPONSE_LINE;
	note.standing = KEDGE_TUNNEL;
	assert_false(mover_awaits_answer(&f));
	note.standing = KEDGE_BETWEEN;
	f.leg->response.done = 2;
	assert_false(mover_awaits_answer(&f));
}

static void whether_anything_is_under_way(void **state)
{
	static const enum kedge_standing within[] = {KEDGE_HEAD, KEDGE_BODY, KEDGE_WAITING,
						     KEDGE_TUNNEL, KEDGE_REFUSED};

	(void)state;
	assert_true(mover_idle(&f));
	for (size_t i = 0; i < 5; i++) {
		note.standing = within[i];
		assert_false(mover_idle(&f));
	}
	note.standing = KEDGE_BETWEEN;
	note.requests = 1;
	assert_false(mover_idle(&f));
	f.leg->response.done = 1;
	assert_true(mover_idle(&f));
	f.leg->response.begun = true;
	assert_false(mover_idle(&f));
	f.leg->response.held = 1; /* none of it has gone on */
	assert_true(mover_idle(&f));
	edit.holds = true; /* its answer came before the application had taken all of a request */
	assert_false(mover_idle(&f));
	assert_true(mover_served(&f));
	edit.holds = false;
	assert_true(residue_keep(&f.up, "x", 1));
	assert_false(mover_idle(&f));
	residue_drop(&f.up);
	assert_true(residue_keep(&f.down, "x", 1));
	assert_false(mover_idle(&f));
}

static void what_the_client_may_be_told(void **state)
{
	(void)state;
	assert_int_equal(mover_may_say(&f), MOVER_SAY_ANSWER);
	f.refused = true;
	edit.cut_off = true; /* in the body of a request that has its answer */
	assert_int_equal(mover_may_say(&f), MOVER_SAY_NOTHING);
	note.requests = 1;
	assert_int_equal(mover_may_say(&f), MOVER_SAY_ANSWER);
	f.leg->response.said_close = true;
	assert_int_equal(mover_may_say(&f), MOVER_SAY_NOTHING);
	f.leg->response.state = RESPONSE_FIELDS;
	assert_int_equal(mover_may_say(&f), MOVER_SAY_RESET);
	f.leg->response.state = RESPONSE_LINE;
	assert_true(residue_keep(&f.down, "x", 1));
	assert_int_equal(mover_may_say(&f), MOVER_SAY_RESET);
	edit.cut_off = false;
}

/* With "Expect: 100-continue" it may wait for that, but only behind its head. */
static void whether_a_body_may_be_held_back(void **state)
{
	(void)state;
	memcpy(f.tail, "\r\n\r\n", 4);
	assert_false(mover_body_unasked(&f)); /* answered: nobody waits for it */
	note.requests = 1;
	assert_true(mover_body_unasked(&f));
	f.leg->response.interim = true;
	assert_false(mover_body_unasked(&f));
	note.requests = 2; /* that was for the one before */
	assert_true(mover_body_unasked(&f));
	f.leg->response.interim = false;
	note.requests = 1;
	f.leg->response.state = RESPONSE_BODY;
	assert_false(mover_body_unasked(&f));
	f.leg->response.state = RESPONSE_LINE;
	memcpy(f.tail, "\n\r\nx", 4);
	assert_false(mover_body_unasked(&f));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whether_the_client_is_awaited),   TEST(whether_an_answer_is_awaited),
		TEST(whether_anything_is_under_way),   TEST(what_the_client_may_be_told),
		TEST(whether_a_body_may_be_held_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

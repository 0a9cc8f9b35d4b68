/* SPDX-License-Identifier: BSD-2-Clause */
/* check_server.c: how many checks in a row change what is said of a server, and the operator. */
#include "check_rig.h"

/* --- rise and fall ---------------------------------------------------------------------------- */

static void it_takes_some_in_a_row(void **state)
{
	(void)state;
	far.script = answer_and_close;
	begin_checks();
	answer_bad();
	checks_more(2);
	assert_int_equal(health(), SERVER_UNCHECKED); /* and used */
	answer_good();
	checks_more(1);
	assert_int_equal(health(), SERVER_GOOD);
	answer_bad();
	checks_more(2);
	answer_good();
	checks_more(1);
	answer_bad();
	checks_more(2);
	assert_int_equal(health(), SERVER_GOOD);
	checks_more(1);
	assert_int_equal(health(), SERVER_BAD);
	answer_good();
	checks_more(1);
	answer_bad();
	checks_more(1);
	answer_good();
	checks_more(1);
	assert_int_equal(health(), SERVER_BAD);
	heard_begin();
	checks_more(1);
	assert_int_equal(health(), SERVER_GOOD);
	assert_string_equal(heard, "info: application web: server app:1 is up: "
				   "2 checks in a row were good\n");
}

static void one_may_be_enough(void **state)
{
	(void)state;
	app.check_rise = app.check_fall = 1;
	far.script = answer_and_close;
	begin_checks();
	answer_bad();
	checks_more(1);
	assert_string_equal(heard, "warning: application web: server app:1 is down: "
				   "500 where 200-399 was expected\n");
	answer_good();
	checks_more(1);
	assert_int_equal(health(), SERVER_GOOD);
}

/* --- the operator -------------------------------------------------------------------------- */

static void one_that_the_operator_took_down_is_not_checked(void **state)
{
	unsigned before;

	(void)state;
	far.script = answer_and_close;
	begin_checks();
	answer_bad();
	checks_more(2);
	before = far.accepted;
	server->admin = SERVER_DOWN;
	run_for(20000);
	assert_int_equal(far.accepted, before);
	assert_int_equal(health(), SERVER_UNCHECKED);
	/* What was before does not count. */
	server->admin = SERVER_READY;
	checks_more(2);
	assert_int_equal(health(), SERVER_UNCHECKED);
	checks_more(1);
	assert_int_equal(health(), SERVER_BAD);
}

static void down_while_a_check_is_under_way(void **state)
{
	(void)state;
	app.check_fall = 1;
	far.script = say_nothing;
	begin_checks();
	run_until(is_reading);
	server->admin = SERVER_DOWN;
	run_for(4000);
	assert_int_equal(health(), SERVER_UNCHECKED);
}

static void one_that_is_drained_is_checked(void **state)
{
	(void)state;
	server->admin = SERVER_DRAIN;
	answer_good();
	far.script = answer_and_close;
	begin_checks();
	run_until(is_good);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_takes_some_in_a_row),
		TEST(one_may_be_enough),
		TEST(one_that_the_operator_took_down_is_not_checked),
		TEST(down_while_a_check_is_under_way),
		TEST(one_that_is_drained_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* check_server.c: what kedge itself lacks says nothing about the server. */
#include "check_rig.h"

static void a_lack_is_not_the_servers_fault(void **state)
{
	static const int lacks[] = {-EMFILE, -ENFILE, -ENOMEM, -ENOBUFS};

	(void)state;
	far.script = answer_and_close;
	answer_good();
	begin_checks();
	checks_more(1);
	heard_begin();
	for (size_t i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++) {
		socket_error = lacks[i];
		run_for(8000);
	}
	assert_int_equal(health(), SERVER_GOOD);
	assert_int_equal(checked->bad, 0);
	assert_true(heard_lines >= 2 && heard_lines <= 4);
	assert_heard("warning: application web: server app:1 cannot be checked now, and stays what "
		     "it is: Too many open files\n");
	socket_error = 0;
	add_error = -ENOSPC;
	far.script = close_at_once;
	run_for(8000);
	assert_int_equal(checked->bad, 0);
	add_error = 0;
	far.script = answer_and_close;
	checks_more(1);
	assert_true(is_good());
}

/* A real one: no number is left for a descriptor. */
static void not_even_when_there_is_no_descriptor_left(void **state)
{
	struct rlimit before, none;

	(void)state;
	far.script = answer_and_close;
	answer_good();
	begin_checks();
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	run_for(20000);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(health(), SERVER_UNCHECKED);
	assert_int_equal(checked->bad, 0);
	assert_int_equal(checked->fd, -1);
	run_until(is_good);
}

static void without_memory_there_is_no_check(void **state)
{
	(void)state;
	is_memory_out = true;
	assert_null(check_server_new(server, &app, &conf));
	is_memory_out = false;
	is_request_out = true;
	assert_null(check_server_new(server, &app, &conf));
	is_request_out = false;
	assert_int_equal(server->refs, 1);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lack_is_not_the_servers_fault),
		TEST(not_even_when_there_is_no_descriptor_left),
		TEST(without_memory_there_is_no_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

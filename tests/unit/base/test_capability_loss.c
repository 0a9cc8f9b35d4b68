/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Losses of capabilities: who may try, when it is said, what is counted. The test moves the clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/capability_loss.h"
#include "tests/lib/heard.h"

#define EDIT    CAPABILITY_EDIT
/* Longer than any time between tries or lines. */
#define LONG_MS 100000000

static uint64_t now;

static int up(void **state)
{
	(void)state;
	for (int i = 0; i < CAPABILITY_COUNT; i++)
		capability_start((enum capability)i, false);
	heard_begin();
	now += LONG_MS;
	return 0;
}

static int down(void **state)
{
	(void)state;
	heard_end();
	return 0;
}

static struct capability_state state_of(enum capability c)
{
	struct capability_state s;

	capability_read(c, &s);
	return s;
}

static void what_works_is_not_spoken_of(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_true(capability_try(EDIT, now));
		capability_worked(EDIT, now);
	}
	assert_int_equal(heard_lines, 0);
	assert_int_equal(state_of(EDIT).without, 0);
	assert_false(capability_is_lost(EDIT));
}

static void a_loss_is_said_once_with_its_cause(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++)
		if (capability_try(EDIT, now))
			capability_failed(EDIT, -EBUSY, now);
	assert_int_equal(heard_lines, 1);
	assert_non_null(strstr(heard_last(), "edit: lost: another program has the socket"));
	assert_non_null(strstr(heard_last(), "next step: bpftool cgroup tree"));
	assert_int_equal(state_of(EDIT).err, EBUSY);
	assert_int_equal(state_of(EDIT).losses, 1);
	assert_int_equal(state_of(EDIT).without, 1000);
	assert_false(capability_is_lost(CAPABILITY_BYPASS));
}

/* One flow at a time tries. The tries become rare, and never end. */
static void tries_are_few_and_never_end(void **state)
{
	unsigned tries = 0;

	(void)state;
	capability_failed(EDIT, EBUSY, now);
	for (int ms = 0; ms < 600000; ms += 10) {
		now += 10;
		if (!capability_try(EDIT, now))
			continue;
		assert_false(capability_try(EDIT, now)); /* not two at once */
		tries++;
		capability_failed(EDIT, EBUSY, now);
	}
	assert_in_range(tries, 10, 40);
	now += LONG_MS;
	assert_true(capability_try(EDIT, now));
}

/* A try whose flow came to nothing (its client went away) does not end the tries. */
static void a_try_without_an_outcome_is_followed_by_another(void **state)
{
	(void)state;
	capability_failed(EDIT, EBUSY, now);
	for (int i = 0; i < 5; i++) {
		now += LONG_MS;
		assert_true(capability_try(EDIT, now));
		assert_false(capability_try(EDIT, now));
	}
}

static void the_recovery_is_said(void **state)
{
	(void)state;
	capability_failed(EDIT, EBUSY, now);
	now += LONG_MS;
	assert_true(capability_try(EDIT, now));
	capability_worked(EDIT, now);
	assert_int_equal(heard_lines, 2);
	assert_non_null(strstr(heard_last(), "edit: works again; 1 connections were without it"));
	assert_false(capability_is_lost(EDIT));
	assert_true(capability_try(EDIT, now));
	now += LONG_MS;
	capability_failed(EDIT, ENOMEM, now);
	assert_int_equal(heard_lines, 3);
	assert_non_null(strstr(heard_last(), "no memory"));
	assert_int_equal(state_of(EDIT).losses, 2);
}

/* A program claims some sockets and not others: there are few lines, and the last one is true. */
static void what_comes_and_goes_does_not_fill_the_log(void **state)
{
	unsigned tries = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		now += 10;
		if (!capability_try(EDIT, now))
			continue;
		if (tries++ % 2)
			capability_failed(EDIT, EBUSY, now);
		else
			capability_worked(EDIT, now);
	}
	assert_in_range(heard_lines, 2, 40);
	now += LONG_MS;
	capability_worked(EDIT, now);
	assert_non_null(strstr(heard_last(), "works again"));
	now += LONG_MS;
	capability_failed(EDIT, EBUSY, now);
	assert_non_null(strstr(heard_last(), "lost: another"));
}

static void another_cause_is_said(void **state)
{
	(void)state;
	capability_failed(EDIT, EBUSY, now);
	now += LONG_MS;
	capability_failed(EDIT, EPERM, now);
	assert_int_equal(heard_lines, 2);
	assert_non_null(strstr(heard_last(), "no longer permitted"));
	assert_int_equal(state_of(EDIT).losses, 1);
}

/*
 * A required capability has no fallback: each flow tries, and the line says what happens to them.
 */
static void required_is_always_tried(void **state)
{
	(void)state;
	capability_start(EDIT, true);
	for (int i = 0; i < 100; i++) {
		assert_true(capability_try(EDIT, now));
		capability_failed(EDIT, EBUSY, now);
	}
	assert_int_equal(heard_lines, 1);
	assert_non_null(strstr(heard_last(), "required, so new connections are refused"));
	assert_true(capability_required(EDIT));
}

/* A try would send a request that nobody has edited. */
static void without_its_program_it_is_lost_for_good(void **state)
{
	(void)state;
	capability_failed(EDIT, ENOLINK, now);
	now += LONG_MS;
	assert_false(capability_try(EDIT, now));
	capability_worked(EDIT, now); /* by a flow that began earlier */
	capability_failed(EDIT, EBUSY, now);
	assert_int_equal(state_of(EDIT).err, ENOLINK);
	assert_int_equal(heard_lines, 1);
	assert_non_null(strstr(heard_last(), "restart kedge"));
}

static void *many_flows(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t at = now + i;

		if (!capability_try(EDIT, at))
			continue;
		if (i % 3)
			capability_failed(EDIT, EBUSY, at);
		else
			capability_worked(EDIT, at);
	}
	return NULL;
}

static void workers_share_it(void **state)
{
	pthread_t t[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, many_flows, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	now += 20000 + LONG_MS;
	capability_worked(EDIT, now);
	assert_false(capability_is_lost(EDIT));
	assert_true(state_of(EDIT).without >= state_of(EDIT).losses);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_works_is_not_spoken_of, up, down),
		cmocka_unit_test_setup_teardown(a_loss_is_said_once_with_its_cause, up, down),
		cmocka_unit_test_setup_teardown(tries_are_few_and_never_end, up, down),
		cmocka_unit_test_setup_teardown(a_try_without_an_outcome_is_followed_by_another, up,
						down),
		cmocka_unit_test_setup_teardown(the_recovery_is_said, up, down),
		cmocka_unit_test_setup_teardown(what_comes_and_goes_does_not_fill_the_log, up,
						down),
		cmocka_unit_test_setup_teardown(another_cause_is_said, up, down),
		cmocka_unit_test_setup_teardown(required_is_always_tried, up, down),
		cmocka_unit_test_setup_teardown(without_its_program_it_is_lost_for_good, up, down),
		cmocka_unit_test_setup_teardown(workers_share_it, up, down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

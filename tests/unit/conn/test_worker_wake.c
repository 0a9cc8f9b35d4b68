/* SPDX-License-Identifier: BSD-2-Clause */
/* worker_wake.c: who wakes a worker, and when nobody does. */
#include "conn/worker_wake.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/lib/heard.h"

static void a_worker_that_runs(void **state)
{
	struct worker w = {.started = true, .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	uint64_t n = 0;

	(void)state;
	worker_wake(&w);
	worker_wake(&w); /* is as good as once */
	assert_int_equal(read(w.wake_fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 2);
	w.started = false;
	worker_wake(&w);
	assert_int_equal(read(w.wake_fd, &n, sizeof(n)), -1);
	close(w.wake_fd);
}

static void one_that_cannot_be_woken_is_said(void **state)
{
	struct worker w = {.index = 3, .started = true, .wake_fd = -1};

	(void)state;
	heard_begin();
	worker_wake(&w);
	heard_end();
	assert_string_equal(heard, "error: worker 3: cannot be woken: Bad file descriptor\n");
}

/* Not those without idle legs, not the one that asks, and nobody twice. */
static void who_has_idle_legs_is_asked_for_them(void **state)
{
	struct worker w[3] = {0};
	struct shared shared = {.workers = w, .workers_count = 3};
	uint64_t n = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		w[i].shared = &shared;
		w[i].started = true;
		w[i].wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	w[0].legs.idle_count = 1;
	assert_false(worker_ask_idle(&w[0]));
	w[2].legs.idle_count = 5;
	assert_true(worker_ask_idle(&w[0]));
	assert_true(worker_ask_idle(&w[0]));
	assert_false(w[0].idle_asked || w[1].idle_asked);
	assert_true(w[2].idle_asked);
	assert_int_equal(read(w[2].wake_fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1);
	shared.workers = NULL;
	assert_false(worker_ask_idle(&w[0]));
	for (int i = 0; i < 3; i++)
		close(w[i].wake_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_that_runs),
		cmocka_unit_test(one_that_cannot_be_woken_is_said),
		cmocka_unit_test(who_has_idle_legs_is_asked_for_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_that_runs),
		cmocka_unit_test(one_that_cannot_be_woken_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

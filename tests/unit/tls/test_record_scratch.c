/* SPDX-License-Identifier: BSD-2-Clause */
/* user/tls/record_scratch.c: its buffers, and no memory. The source is included for malloc(). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int fails_at; /* which call gets no memory; 0: none */
static int calls;

static void *scarce_malloc(size_t n)
{
	return ++calls == fails_at ? NULL : malloc(n);
}

#define malloc scarce_malloc
#include "tls/record_scratch.c"
#undef malloc

static void the_buffers_are_there(void **state)
{
	struct kedge_stats stats;
	struct record_scratch s;

	(void)state;
	calls = fails_at = 0;
	assert_int_equal(record_scratch_open(&s, &stats), 0);
	assert_int_equal(s.in_size, RECORD_SCRATCH_BYTES);
	assert_int_equal(s.out_size, RECORD_SCRATCH_BYTES);
	assert_ptr_equal(s.stats, &stats);
	assert_null(s.aead);
	memset(s.in, 0xaa, s.in_size);
	memset(s.out, 0xaa, s.out_size);
	record_scratch_close(&s);
	assert_null(s.in);
	assert_null(s.out);
	record_scratch_close(&s);
}

/* What could be had is freed by the close: the sanitizer would see it. */
static void no_memory(void **state)
{
	struct record_scratch s;

	(void)state;
	for (fails_at = 1; fails_at <= 2; fails_at++) {
		calls = 0;
		assert_int_equal(record_scratch_open(&s, NULL), -ENOMEM);
		record_scratch_close(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_buffers_are_there),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* sources.c and limit.h: each thing that must hold of the counts, broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>

#include "listen/limit.h"
#include "listen/sources.c"
#include "tests/lib/breaks.h"

static struct sources *sources;
static struct source *source;

static void check(void)
{
	source_check(sources, source);
}

static void leave(void)
{
	sources_leave(sources, source);
}

static void enter_again(void)
{
	union addr a = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)}};
	struct source *again;

	sources_enter(sources, &again, &a, 10);
	sources_leave(sources, again);
}

static const char *source_broken(unsigned row)
{
	BREAK("e->shard == h % SHARDS", source->shard = (source->shard + 1) % SHARDS);
	BREAK("e->key) == e", LIST_REMOVE(source, link));
	BREAK("e->count || e->refused", source->count = 0);
	BREAK("e->refused <= SOURCES_REFUSED_MAX", source->refused = 9);
	return NULL;
}

static const char *leave_broken(unsigned row)
{
	BREAK("e->refused <= SOURCES_REFUSED_MAX", source->refused = 9);
	return NULL;
}

static void leave_uncounted(void)
{
	source->refused = 1;
	source->count = 0;
	leave();
}

static void a_source(void **state)
{
	union addr a = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)}};

	(void)state;
	sources = sources_new();
	assert_non_null(sources);
	assert_int_equal(sources_enter(sources, &source, &a, 10), 0);
	breaks(source_broken, check);
	breaks(leave_broken, enter_again);
	assert_true(aborts_saying(leave_uncounted, "counter_of(source, refused)"));
	leave();
	sources_free(sources);
}

static unsigned count;

static void limit_leave(void)
{
	limits_leave(&count);
}

static void a_limit(void **state)
{
	(void)state;
	assert_true(aborts_saying(limit_leave, "limits_leave: "));
	count = 1;
	limit_leave();
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source),
		cmocka_unit_test(a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

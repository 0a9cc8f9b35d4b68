/* SPDX-License-Identifier: BSD-2-Clause */
/* counters.c: names stand where the numbers of their structs stand, and rows add up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "kedge/guard.h"
#include "metrics/counters.h"

#define ROWS 3

static struct kedge_stats *rows[ROWS];

static int up(void **state)
{
	(void)state;
	for (size_t r = 0; r < ROWS; r++) {
		rows[r] = aligned_alloc(64, sizeof(*rows[r]));
		if (!rows[r])
			return -1;
		memset(rows[r], 0, sizeof(*rows[r]));
	}
	return 0;
}

static int down(void **state)
{
	(void)state;
	for (size_t r = 0; r < ROWS; r++)
		free(rows[r]);
	return 0;
}

static uint64_t sum(size_t n, size_t counter)
{
	return counters_sum((const struct kedge_stats *const *)rows, n, counter);
}

static size_t index_of(const char *name)
{
	for (size_t i = 0; i < counters_count; i++)
		if (!strcmp(counters[i].name, name))
			return i;
	fail_msg("there is no counter %s", name);
	return 0;
}

/* Each name, given to the field of that name, is found under its own index and no other. */
static void every_name_is_that_of_its_field(void **state)
{
	(void)state;
#define X(name_, text_)                                                                         \
	rows[1]->name_ = 7;                                                                     \
	for (size_t i = 0; i < counters_count; i++)                                             \
		assert_int_equal(sum(ROWS, i), i == index_of(#name_) ? 7 : 0);                  \
	assert_int_equal(counters_sum_of((const struct kedge_stats *const *)rows, ROWS, name_), \
			 7);                                                                    \
	rows[1]->name_ = 0;
#include "kedge/stats.def"
#undef X
}

static void rows_add_up(void **state)
{
	size_t accepted = index_of("accepted");

	(void)state;
	rows[0]->accepted = 1;
	rows[1]->accepted = 20;
	rows[2]->accepted = 300;
	assert_int_equal(sum(ROWS, accepted), 321);
	assert_int_equal(sum(2, accepted), 21); /* only the rows that were asked for */
	assert_int_equal(sum(0, accepted), 0);
	rows[2]->accepted = UINT64_MAX; /* as the counters do, around the end */
	assert_int_equal(sum(ROWS, accepted), 20);
}

static void every_reason_has_its_counter(void **state)
{
	const struct kedge_stats *const *const_rows = (const struct kedge_stats *const *)rows;

	(void)state;
	for (int i = 1; i < KEDGE_REASON_COUNT; i++)
		((uint64_t *)&rows[i % ROWS]->reasons)[i - 1] = (uint64_t)(1000 + i);
	for (int i = 1; i < KEDGE_REASON_COUNT; i++)
		assert_int_equal(counters_sum_reason(const_rows, ROWS, (enum kedge_reason)i),
				 1000 + i);
	assert_int_equal(counters_sum_reason(const_rows, ROWS, KEDGE_REASON_http_host),
			 ((uint64_t *)&rows[KEDGE_REASON_http_host % ROWS]
				  ->reasons)[KEDGE_REASON_http_host - 1]);
	for (size_t i = 0; i < counters_count; i++)
		assert_int_equal(sum(ROWS, i), 0); /* no reason is also a counter */
}

static void peer_counters_are_those_of_their_struct(void **state)
{
	struct kedge_peer_stats stats = {0};
	size_t i = 0;

	(void)state;
#define X(name_, text_)                                     \
	stats.name_ = 100 + i;                              \
	assert_string_equal(peer_counters[i].name, #name_); \
	assert_int_equal(peer_counter(&stats, i), 100 + i); \
	assert_int_equal(peer_counter(NULL, i), 0);         \
	i++;
#include "kedge/peer_stats.def"
#undef X
	assert_int_equal(i, peer_counters_count);
	assert_int_equal(sizeof(stats), i * sizeof(uint64_t));
}

static void check_names(const struct counter *set, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_true(set[i].name[0] != '\0' && set[i].text[0] != '\0');
		for (const char *c = set[i].name; *c; c++)
			assert_true(islower((unsigned char)*c) || isdigit((unsigned char)*c) ||
				    *c == '_');
		assert_null(strpbrk(set[i].text, "\n\\")); /* HELP lines have them as they are */
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(set[i].name, set[k].name);
	}
}

static void names_can_be_written_as_they_are(void **state)
{
	(void)state;
	check_names(counters, counters_count);
	check_names(peer_counters, peer_counters_count);
	check_names(guard_counters, guard_counters_count);
	assert_int_equal(guard_counters_count, sizeof(struct kedge_guard_stats) / sizeof(uint64_t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_name_is_that_of_its_field, up, down),
		cmocka_unit_test_setup_teardown(rows_add_up, up, down),
		cmocka_unit_test_setup_teardown(every_reason_has_its_counter, up, down),
		cmocka_unit_test(peer_counters_are_those_of_their_struct),
		cmocka_unit_test(names_can_be_written_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

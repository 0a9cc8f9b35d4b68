/* SPDX-License-Identifier: BSD-2-Clause */
/* guard_counts.c: sums over the cores, and the order of the refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guard/guard_counts.h"

#define MAX 4

static struct guard_refused rows[MAX + 1]; /* one more, which must not change */
static size_t count;

static int up(void **state)
{
	(void)state;
	memset(rows, 0xaa, sizeof(rows));
	count = 0;
	return 0;
}

static void put(unsigned char address, uint64_t packets)
{
	struct guard_refused row = {.ip = {[15] = address}, .what.packets = packets};

	count = guard_counts_insert(rows, count, MAX, &row);
	assert_true(count <= MAX);
	assert_int_equal(rows[MAX].ip[0], 0xaa);
}

/* The addresses in their order. */
static const char *order(void)
{
	static char text[64];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u", i ? " " : "",
					rows[i].ip[15]);
	return text;
}

static void the_most_packets_come_first(void **state)
{
	(void)state;
	put(1, 10);
	put(2, 30);
	put(3, 20);
	assert_string_equal(order(), "2 3 1");
	put(4, 20); /* as many as 3, which was first */
	assert_string_equal(order(), "2 3 4 1");
}

static void when_it_is_full_the_last_one_goes(void **state)
{
	(void)state;
	put(1, 10);
	put(2, 20);
	put(3, 30);
	put(4, 40);
	put(5, 25);
	assert_string_equal(order(), "4 3 5 2");
	put(6, 20); /* no more than the last one has */
	put(7, 0);
	assert_string_equal(order(), "4 3 5 2");
	put(8, 99);
	assert_string_equal(order(), "8 4 3 5");
}

/* A walk that is thrown back to its beginning meets rows twice. */
static void an_address_is_there_once(void **state)
{
	(void)state;
	put(1, 10);
	put(2, 20);
	put(3, 30);
	put(2, 21);
	assert_string_equal(order(), "3 2 1");
	assert_int_equal(rows[1].what.packets, 21);
	put(1, 50);
	assert_string_equal(order(), "1 3 2");
	put(4, 5);
	put(4, 6); /* full, and the last one is its own */
	assert_string_equal(order(), "1 3 2 4");
	assert_int_equal(rows[3].what.packets, 6);
}

static void no_room_at_all(void **state)
{
	struct guard_refused row = {.what.packets = 1};

	(void)state;
	assert_int_equal(guard_counts_insert(rows, 0, 0, &row), 0);
	assert_int_equal(rows[0].ip[0], 0xaa);
}

static void a_map_that_cannot_be_read(void **state)
{
	struct kedge_guard_stats sum;

	(void)state;
	memset(&sum, 0xff, sizeof(sum));
	guard_counts_sum(-1, 4, &sum);
	for (size_t i = 0; i < sizeof(sum); i++)
		assert_int_equal(((const unsigned char *)&sum)[i], 0);
	assert_int_equal(guard_counts_refused(-1, 0, rows, MAX), 0);
	assert_int_equal(rows[0].ip[0], 0xaa);
}

/* --- with maps, as root ----------------------------------------------------------------------- */

static int make_map(enum bpf_map_type type, size_t key, size_t value, unsigned entries)
{
	int fd = bpf_map_create(type, "kdg_test", (__u32)key, (__u32)value, entries, NULL);

	if (fd < 0) {
		print_message("no BPF maps: run as root\n");
		skip();
	}
	return fd;
}

static void cores_are_summed(void **state)
{
	struct kedge_guard_stats sum, *all;
	int cores = libbpf_num_possible_cpus();
	int fd = make_map(BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(sum), 1);
	const __u32 row = 0;

	(void)state;
	assert_true(cores > 0);
	all = calloc((size_t)cores, sizeof(*all));
	assert_non_null(all);
	for (int i = 0; i < cores; i++)
		for (size_t k = 0; k < sizeof(sum) / 8; k++)
			((uint64_t *)&all[i])[k] = 1000 * k + (uint64_t)i;
	assert_int_equal(bpf_map_update_elem(fd, &row, all, BPF_ANY), 0);
	memset(&sum, 0xff, sizeof(sum));
	guard_counts_sum(fd, (unsigned)cores, &sum);
	for (size_t k = 0; k < sizeof(sum) / 8; k++)
		assert_int_equal(((uint64_t *)&sum)[k],
				 (uint64_t)cores * 1000 * k +
					 (uint64_t)cores * (uint64_t)(cores - 1) / 2);
	free(all);
	close(fd);
}

static void the_refused_are_read_with_their_age(void **state)
{
	const uint64_t now = 7000000000;
	int fd = make_map(BPF_MAP_TYPE_LRU_HASH, 16, sizeof(struct kedge_guard_refused),
			  KEDGE_GUARD_REFUSED_MAX);

	(void)state;
	assert_int_equal(guard_counts_refused(fd, now, rows, MAX), 0);
	for (unsigned i = 1; i <= 9; i++) {
		const unsigned char ip[16] = {[15] = (unsigned char)i};
		const struct kedge_guard_refused what = {.packets = i,
							 .last_ns = i * 1000000000ULL};

		assert_int_equal(bpf_map_update_elem(fd, ip, &what, BPF_ANY), 0);
	}
	count = guard_counts_refused(fd, now, rows, MAX);
	assert_string_equal(order(), "9 8 7 6");
	assert_int_equal(rows[3].age_ms, 1000);
	assert_int_equal(rows[2].age_ms, 0);
	assert_int_equal(rows[0].age_ms, 0); /* counted after `now` was read */
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup(name, up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_most_packets_come_first),
		TEST(when_it_is_full_the_last_one_goes),
		TEST(an_address_is_there_once),
		TEST(no_room_at_all),
		TEST(a_map_that_cannot_be_read),
		TEST(cores_are_summed),
		TEST(the_refused_are_read_with_their_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* kbpf_map.c, with the maps of peername.bpf.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/kbpf_host.h"
#include "bpf/kbpf_map.h"
#include "kedge/abi.h"
#include "peername.skel.h"
#include "tests/lib/own_ns.h"

static struct peername_bpf *skel;

static int up(void **state)
{
	(void)state;
	kbpf_log();
	skel = peername_bpf__open();
	return skel ? 0 : -1;
}

static int down(void **state)
{
	(void)state;
	peername_bpf__destroy(skel);
	return 0;
}

static void need_bpf(void)
{
	if (peername_bpf__load(skel)) {
		print_message("bpf(2) is refused: run as root\n");
		skip();
	}
}

static void a_map_that_was_not_made(void **state)
{
	size_t size;

	(void)state;
	errno = 0;
	assert_null(kbpf_map_values(skel->maps.kdg_peer_stats, &size));
	assert_int_equal(errno, EBADF);
}

static void values_are_seen_by_both_sides(void **state)
{
	struct kedge_peer_stats *row, read;
	size_t size, page = (size_t)sysconf(_SC_PAGESIZE);
	int fd;

	(void)state;
	need_bpf();
	fd = bpf_map__fd(skel->maps.kdg_peer_stats);
	row = kbpf_map_values(skel->maps.kdg_peer_stats, &size);
	assert_non_null(row);
	assert_true(size >= sizeof(*row) && size % page == 0);
	memset(row, 0x5a, sizeof(*row));
	assert_int_equal(bpf_map_lookup_elem(fd, &(__u32){0}, &read), 0);
	assert_memory_equal(&read, row, sizeof(read));
	memset(&read, 0x11, sizeof(read));
	assert_int_equal(bpf_map_update_elem(fd, &(__u32){0}, &read, BPF_ANY), 0);
	assert_memory_equal(&read, row, sizeof(read));
	assert_int_equal(munmap(row, size), 0);
}

static void a_hash_cannot_be_mapped(void **state)
{
	size_t size;

	(void)state;
	need_bpf();
	assert_null(kbpf_map_values(skel->maps.kdg_coming, &size));
	assert_int_not_equal(errno, 0);
}

/* The answer of a child for which bpf(2) fails with err. */
static int refused_with(int err)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(own_bpf_forbid(err) ? kbpf_map_may_change(skel->maps.kdg_client, &(int){-1})
					  : 2);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The key is not in the map, so nothing is deleted. */
static void who_may_change_a_map(void **state)
{
	const struct kedge_tuple nowhere = {0};

	(void)state;
	assert_int_equal(refused_with(EPERM), false);
	/* Any other error does not mean a lack of permission. */
	assert_int_equal(refused_with(EINVAL), true);
	assert_true(kbpf_map_may_change(skel->maps.kdg_client, &(int){-1}));
	need_bpf();
	assert_true(kbpf_map_may_change(skel->maps.kdg_client, &(int){-1}));
	assert_true(kbpf_map_may_change(skel->maps.kdg_coming, &nowhere));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_map_that_was_not_made),
		TEST(values_are_seen_by_both_sides),
		TEST(a_hash_cannot_be_mapped),
		TEST(who_may_change_a_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

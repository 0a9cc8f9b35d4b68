/* SPDX-License-Identifier: BSD-2-Clause */
/* guard_sides.c: what the maps hold before, during and after a change of rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guard/guard_sides.h"
#include "kedge/guard.h"
#include "tests/lib/loading.h"

#define PROXY "--app 127.0.0.1:9 --tls off --proxy-protocol require "

static struct kedge_guard_config config;
static struct guard_sides sides;
static char why[KBPF_WHY_SIZE];

/* In place of libbpf's. */
static unsigned delete_fails; /* so many times */

int bpf_map_delete_elem(int fd, const void *key)
{
	union bpf_attr attr = {.map_fd = (__u32)fd, .key = (uintptr_t)key};

	if (delete_fails) {
		delete_fails--;
		errno = EBUSY;
		return -1;
	}
	return (int)syscall(SYS_bpf, BPF_MAP_DELETE_ELEM, &attr, sizeof(attr));
}

static int up(void **state)
{
	(void)state;
	delete_fails = 0;
	config = (struct kedge_guard_config){0};
	sides = (struct guard_sides){.config = &config, .listener = -1, .allow = -1};
	why[0] = '\0';
	return 0;
}

static int down(void **state)
{
	(void)state;
	guard_sides_clear(&sides);
	if (sides.listener >= 0)
		close(sides.listener);
	if (sides.allow >= 0)
		close(sides.allow);
	return 0;
}

static int prepare(const char *args)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(NULL, args);

	return guard_sides_prepare(&sides, conf, NULL, why);
}

static void must_prepare(const char *args)
{
	if (prepare(args))
		fail_msg("%s", why);
}

static void commit(void)
{
	const struct conf_guard none = {0};

	guard_sides_commit(&sides, &none);
}

/* --- without maps ----------------------------------------------------------------------------- */

static void a_commit_stores_limits_and_flags(void **state)
{
	struct conf_guard conf = {
		.source_rate = 1,
		.source_burst = 2,
		.total_rate = 3,
		.total_burst = 4,
		.source_bits_v4 = 24,
		.source_bits_v6 = 56,
		.observe = true,
		.cookies = true,
		.follow = true,
	};

	(void)state;
	config.version = 77;
	config.lease_ns = 78;
	guard_sides_commit(&sides, &conf);
	assert_int_equal(config.source_rate, 1);
	assert_int_equal(config.source_burst, 2);
	assert_int_equal(config.total_rate, 3);
	assert_int_equal(config.total_burst, 4);
	assert_int_equal(config.source_bits_v4, 24);
	assert_int_equal(config.source_bits_v6, 56);
	assert_int_equal(config.flags,
			 KEDGE_GUARD_OBSERVE | KEDGE_GUARD_COOKIES | KEDGE_GUARD_FOLLOW);
	assert_int_equal(config.side, 1);
	conf.observe = conf.follow = false;
	guard_sides_commit(&sides, &conf);
	assert_int_equal(config.flags, KEDGE_GUARD_COOKIES);
	assert_int_equal(config.side, 0);
	/* Not changed by a commit. */
	assert_int_equal(config.version, 77);
	assert_int_equal(config.lease_ns, 78);
}

static void maps_that_cannot_be_changed(void **state)
{
	(void)state;
	assert_int_equal(prepare(PROXY "--trust 10.0.0.1 --listen 192.0.2.1:1"), -EBADF);
	assert_string_equal(why, "its maps cannot be changed: Bad file descriptor: restart kedge");
	assert_int_equal(config.side, 0);
}

static void rules_that_have_no_room(void **state)
{
	static struct conf_listener listeners[KEDGE_GUARD_LISTENERS_MAX + 1];
	struct conf conf = {.listeners = listeners,
			    .listeners_count = KEDGE_GUARD_LISTENERS_MAX + 1};

	(void)state;
	for (size_t i = 0; i < conf.listeners_count; i++)
		listeners[i].addr =
			(union addr){.in = {.sin_family = AF_INET, .sin_port = (in_port_t)(i + 1)}};
	assert_int_equal(guard_sides_prepare(&sides, &conf, NULL, why), -E2BIG);
	assert_non_null(strstr(why, "257 addresses"));
	assert_null(sides.rules[1].rules);
}

/* --- with maps, as root ----------------------------------------------------------------------- */

static void make_maps(unsigned listeners)
{
	LIBBPF_OPTS(bpf_map_create_opts, trie, .map_flags = BPF_F_NO_PREALLOC);

	sides.listener =
		bpf_map_create(BPF_MAP_TYPE_HASH, "kdg_test_l", sizeof(struct kedge_guard_address),
			       sizeof(struct kedge_guard_listener), listeners, NULL);
	sides.allow = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "kdg_test_a",
				     sizeof(struct kedge_guard_prefix), 1, 16, &trie);
	if (sides.listener < 0 || sides.allow < 0) {
		print_message("no BPF maps: run as root\n");
		skip();
	}
}

/* How many rows of a side a map holds. */
static unsigned rows_of(int map, unsigned side)
{
	union {
		struct kedge_guard_address at;
		struct kedge_guard_prefix prefix;
	} key;
	void *before = NULL;
	unsigned n = 0;

	while (!bpf_map_get_next_key(map, before, &key)) {
		n += (map == sides.listener ? key.at.side : key.prefix.side) == side;
		before = &key;
	}
	return n;
}

static void assert_rows(unsigned side, unsigned listeners, unsigned prefixes)
{
	assert_int_equal(rows_of(sides.listener, side), listeners);
	assert_int_equal(rows_of(sides.allow, side), prefixes);
}

static void rules_go_from_side_to_side(void **state)
{
	(void)state;
	make_maps(16);
	must_prepare(PROXY "--trust 10.0.0.1 --listen 192.0.2.1:1");
	assert_rows(0, 0, 0);
	assert_rows(1, 1, 1);
	assert_int_equal(config.side, 0);
	commit();
	assert_int_equal(config.side, 1);
	assert_rows(1, 1, 1);
	must_prepare(PROXY "--trust 10.0.0.1 --trust 10.0.0.2 --listen 192.0.2.1:1 "
			   "--listen 192.0.2.1:2");
	assert_rows(0, 2, 2);
	assert_rows(1, 1, 1);
	commit();
	assert_int_equal(config.side, 0);
	assert_rows(0, 2, 2);
	assert_rows(1, 0, 0);
}

static void what_was_prepared_can_be_cancelled(void **state)
{
	(void)state;
	make_maps(16);
	must_prepare(PROXY "--trust 10.0.0.1 --listen 192.0.2.1:1");
	commit();
	must_prepare(PROXY "--trust 10.0.0.1 --listen 192.0.2.1:1 --listen 192.0.2.1:2");
	guard_sides_cancel(&sides);
	assert_int_equal(config.side, 1);
	assert_rows(0, 0, 0);
	assert_rows(1, 1, 1);
	guard_sides_cancel(&sides); /* nothing is left to cancel */
	assert_rows(1, 1, 1);
}

/* A list may name an address twice: one row. */
static void a_source_that_is_named_twice(void **state)
{
	(void)state;
	make_maps(16);
	must_prepare(PROXY "--trust 10.0.0.1 --trust 10.0.0.1 --listen 192.0.2.1:1");
	assert_rows(1, 1, 1);
	commit();
	must_prepare(PROXY "--trust 10.0.0.2 --listen 192.0.2.1:1");
	commit();
	assert_rows(1, 0, 0);
	assert_rows(0, 1, 1);
}

/* The map is full at the third row: what is in force goes on, and the other side is empty. */
static void a_failure_in_the_middle(void **state)
{
	(void)state;
	make_maps(3);
	must_prepare(PROXY "--trust 10.0.0.1 --listen 192.0.2.1:1");
	commit();
	assert_int_equal(prepare(PROXY "--trust 10.0.0.2 --trust 10.0.0.3 --listen 192.0.2.1:1 "
				       "--listen 192.0.2.1:2 --listen 192.0.2.1:3"),
			 -E2BIG);
	assert_non_null(strstr(why, "its maps cannot be changed: "));
	assert_rows(0, 0, 0);
	assert_rows(1, 1, 1);
	assert_int_equal(config.side, 1);
	must_prepare(PROXY "--trust 10.0.0.2 --listen 192.0.2.1:1 --listen 192.0.2.1:2");
	assert_rows(0, 2, 1);
}

/* It would be in force again after the next change: a stranger could connect. */
static void a_row_that_cannot_be_deleted(void **state)
{
	(void)state;
	make_maps(16);
	must_prepare(PROXY "--trust 10.0.0.1 --trust 10.0.0.2 --listen 192.0.2.1:1");
	commit();
	must_prepare(PROXY "--trust 10.0.0.3 --listen 192.0.2.1:1");
	delete_fails = 1;
	commit();
	assert_int_equal(config.side, 0);
	assert_rows(1, 0, 1);
	/* Nothing is put where an old row is. */
	delete_fails = 100;
	assert_int_equal(prepare(PROXY "--trust 10.0.0.4 --listen 192.0.2.1:1"), -EBUSY);
	assert_non_null(strstr(why, "its maps cannot be changed: "));
	assert_rows(1, 0, 1);
	assert_rows(0, 1, 1);
	delete_fails = 0;
	must_prepare(PROXY "--trust 10.0.0.4 --listen 192.0.2.1:1");
	assert_rows(1, 1, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_commit_stores_limits_and_flags),
		TEST(maps_that_cannot_be_changed),
		TEST(rules_that_have_no_room),
		TEST(rules_go_from_side_to_side),
		TEST(what_was_prepared_can_be_cancelled),
		TEST(a_source_that_is_named_twice),
		TEST(a_failure_in_the_middle),
		TEST(a_row_that_cannot_be_deleted),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}

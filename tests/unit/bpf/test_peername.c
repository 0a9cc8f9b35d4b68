/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peername.c: the cgroups it is attached to, and what it knows of a connection. Attached only to
 * cgroups that the test has made. tests/e2e/test_peername.py tests it with applications.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/kbpf_host.h"
#include "bpf/peername.h"
#include "tests/lib/child.h"
#include "tests/lib/net.h"
#include "tests/lib/own_ns.h"

static struct peername_opts opts;
static struct peername *p;
static char why[KBPF_WHY_SIZE], own[256], inner[288], other[288], pins[80];
static bool can;

/* Our own cgroup, with one inside and another beside that. */
static int group_up(void **state)
{
	const char *path = own_real_root() ? own_cgroup_up() : NULL;

	(void)state;
	if (!path)
		return 0;
	snprintf(own, sizeof(own), "%s", path);
	snprintf(inner, sizeof(inner), "%s/inner", own);
	snprintf(other, sizeof(other), "%s/innermost", own); /* begins like the one beside it */
	can = !mkdir(inner, 0755) && !mkdir(other, 0755) && own_bpffs_up();
	snprintf(pins, sizeof(pins), "%s/test", own_bpffs);
	return can ? 0 : -1;
}

static int group_down(void **state)
{
	(void)state;
	rmdir(inner);
	rmdir(other);
	own_cgroup_down();
	if (own_bpffs[0])
		own_bpffs_down();
	return 0;
}

static int up(void **state)
{
	(void)state;
	opts = (struct peername_opts){.cgroup = own, .flows_max = 4};
	p = NULL;
	why[0] = '\0';
	return 0;
}

static int down(void **state)
{
	(void)state;
	peername_close(p);
	own_cgroup_enter(NULL);
	return 0;
}

static void must_open(void)
{
	if (!can) {
		print_message("only root may attach, to a cgroup v2 of its own\n");
		skip();
	}
	if (peername_open(&p, &opts, why))
		fail_msg("%s", why);
}

/* --- where it is ------------------------------------------------------------------------------ */

static unsigned count_on(const char *path, enum bpf_attach_type type)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	__u32 ids[8], count = 8, flags;

	assert_int_equal(bpf_prog_query(fd, type, 0, &flags, ids, &count), 0);
	close(fd);
	return count;
}

/* All three programs, so many times each. */
static void assert_on(const char *path, unsigned times)
{
	assert_int_equal(count_on(path, BPF_CGROUP_SOCK_OPS), times);
	assert_int_equal(count_on(path, BPF_CGROUP_INET4_GETPEERNAME), times);
	assert_int_equal(count_on(path, BPF_CGROUP_INET6_GETPEERNAME), times);
}

static void on_the_cgroup_of_kedge(void **state)
{
	(void)state;
	must_open();
	assert_on(own, 1);
	assert_on(inner, 0);
	assert_true(peername_attached(p));
	peername_close(p);
	p = NULL;
	assert_on(own, 0);
}

static void on_both_if_neither_holds_the_other(void **state)
{
	(void)state;
	opts.cgroup = inner;
	opts.app_cgroup = other;
	must_open();
	assert_on(inner, 1);
	assert_on(other, 1);
	assert_on(own, 0);
}

/* Twice, it would run and count twice for one socket. */
static void on_the_outer_one_of_two(void **state)
{
	char again[300];

	(void)state;
	opts.app_cgroup = inner;
	must_open();
	assert_on(own, 1);
	assert_on(inner, 0);
	peername_close(p);
	p = NULL;
	opts.cgroup = inner;
	opts.app_cgroup = own;
	must_open();
	assert_on(own, 1);
	assert_on(inner, 0);
	peername_close(p);
	p = NULL;
	opts.cgroup = own; /* the same cgroup, by another name */
	snprintf(again, sizeof(again), "%s/.", own);
	opts.app_cgroup = again;
	must_open();
	assert_on(own, 1);
}

static void a_cgroup_that_is_none(void **state)
{
	(void)state;
	if (!can)
		skip();
	opts.app_cgroup = "/nonexistent";
	assert_int_equal(peername_open(&p, &opts, why), -ENOENT);
	assert_string_equal(why, "cgroup /nonexistent: No such file or directory: name a cgroup v2 "
				 "directory that exists");
	assert_null(p);
	assert_on(own, 0);
	opts.app_cgroup = NULL;
	opts.cgroup = "/tmp";
	assert_int_equal(peername_open(&p, &opts, why), -EINVAL);
	assert_string_equal(why, "cgroup /tmp: not a cgroup v2 directory");
}

static void a_cgroup_that_is_removed(void **state)
{
	char more[300];

	(void)state;
	if (!can)
		skip();
	snprintf(more, sizeof(more), "%s/more", own);
	assert_int_equal(mkdir(more, 0755), 0);
	opts.cgroup = more;
	must_open();
	assert_true(peername_attached(p));
	assert_int_equal(rmdir(more), 0);
	/* The kernel detaches a little later, and there is no event for it. */
	for (int ms = 0; ms < NET_PATIENCE_MS && peername_attached(p); ms++)
		usleep(1000);
	assert_false(peername_attached(p));
}

static int is_refused(void)
{
	if (peername_open(&p, &opts, why) != -EPERM)
		return 1;
	return strcmp(why, "BPF programs refused: no CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON: run as "
			   "root, or grant them")
		       ? 2
		       : 0;
}

static void without_capabilities(void **state)
{
	(void)state;
	assert_int_equal(as_nobody(is_refused), 0);
	peername_close(NULL);
	peername_unpin(NULL);
}

/* --- pins ------------------------------------------------------------------------------------- */

static void its_pins_stand_beside_the_others(void **state)
{
	char path[128];
	struct stat st;

	(void)state;
	opts.pin = pins;
	must_open();
	snprintf(path, sizeof(path), "%s-peername/kdg_coming", pins);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(access(pins, F_OK), -1);
	assert_int_equal(peername_give(p, 12345, 12345), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 12345);
	peername_unpin(p);
	snprintf(path, sizeof(path), "%s-peername", pins);
	assert_int_equal(access(path, F_OK), -1);
	assert_true(peername_attached(p));
	peername_unpin(p);
}

/* --- connections ------------------------------------------------------------------------------ */

static union addr address_of(const char *text)
{
	union addr a;
	const char *reason;

	assert_int_equal(addr_parse(&a, text, &reason), 0);
	return a;
}

/* A connection of loopback whose client is `client`; what the other end shows, or "". */
static const char *seen(const union addr *client, int want)
{
	static char text[ADDR_TEXT_MAX];
	union addr at = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
	union addr peer = {0};
	socklen_t len = sizeof(peer);
	uint16_t port;
	int listener = net_listen(&port), fd = socket(AF_INET, SOCK_STREAM, 0), served;

	at.in.sin_port = htons(port);
	assert_int_equal(peername_set(p, fd, client), 0);
	assert_int_equal(connect(fd, &at.sa, sizeof(at.in)), 0);
	assert_int_equal(peername_outcome(p, fd), want);
	served = net_accept(listener);
	assert_int_equal(getpeername(served, &peer.sa, &len), 0);
	addr_format(text, &peer);
	close(served);
	close(fd);
	close(listener);
	return text;
}

static void the_other_end_shows_the_client(void **state)
{
	const union addr client = address_of("198.51.100.22:35646");
	const union addr client6 = address_of("[2001:db8::22]:1");
	const union addr unix_client = {.family = AF_UNIX};

	(void)state;
	must_open();
	assert_true(own_cgroup_enter(own));
	assert_string_equal(seen(&client, 0), "198.51.100.22:35646");
	assert_string_equal(seen(NULL, 0), "192.0.0.8:0");
	assert_string_equal(seen(&unix_client, 0), "192.0.0.8:0");
	/* An IPv4 socket cannot show it, only its port. */
	assert_string_equal(seen(&client6, -EAFNOSUPPORT), "192.0.0.8:1");
}

static void outside_of_its_cgroup_there_is_no_client(void **state)
{
	const union addr client = address_of("198.51.100.22:35646");

	(void)state;
	opts.cgroup = inner;
	must_open();
	assert_true(own_cgroup_enter(other));
	assert_memory_equal(seen(&client, -ENXIO), "127.0.0.1:", 10);
}

static void a_descriptor_that_is_no_socket(void **state)
{
	const union addr client = address_of("198.51.100.22:35646");
	int file, fd;

	(void)state;
	must_open();
	file = open("/proc/self/status", O_RDONLY);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(peername_set(p, -1, &client), -EBADF);
	assert_int_equal(peername_set(p, file, &client), -ENOTSOCK);
	assert_int_equal(peername_outcome(p, -1), -EBADF);
	assert_int_equal(peername_outcome(p, fd), -ENOENT); /* none was set */
	assert_true(peername_may_set(p));
	close(file);
	close(fd);
}

static void its_counters(void **state)
{
	static const struct kedge_peer_stats zero;
	const union addr client = address_of("198.51.100.22:35646");

	(void)state;
	must_open();
	assert_memory_equal(peername_stats(p), &zero, sizeof(zero));
	assert_true(own_cgroup_enter(own));
	seen(&client, 0);
	assert_true(memcmp(peername_stats(p), &zero, sizeof(zero)) != 0);
	peername_clear_stats(p);
	assert_memory_equal(peername_stats(p), &zero, sizeof(zero));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(on_the_cgroup_of_kedge),
		TEST(on_both_if_neither_holds_the_other),
		TEST(on_the_outer_one_of_two),
		TEST(a_cgroup_that_is_none),
		TEST(a_cgroup_that_is_removed),
		TEST(without_capabilities),
		TEST(its_pins_stand_beside_the_others),
		TEST(the_other_end_shows_the_client),
		TEST(outside_of_its_cgroup_there_is_no_client),
		TEST(a_descriptor_that_is_no_socket),
		TEST(its_counters),
	};

	return cmocka_run_group_tests(tests, group_up, group_down);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* activation.c: what a service manager may pass, from the environment to the listener. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "listen/activation.h"
#include "tests/lib/heard.h"
#include "tests/lib/net.h"

#define FIRST  3 /* SD_LISTEN_FDS_START */
#define PLACES 8

static struct activation passed;

static int up(void **state)
{
	(void)state;
	for (int fd = FIRST; fd < FIRST + PLACES; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return -1; /* the places have to be free */
	passed = (struct activation){0};
	heard_begin();
	return 0;
}

static int down(void **state)
{
	(void)state;
	heard_end();
	activation_close(&passed);
	for (int fd = FIRST; fd < FIRST + PLACES; fd++)
		close(fd);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	return 0;
}

static union addr address_of(const char *text)
{
	union addr a;
	const char *why;

	assert_int_equal(addr_parse(&a, text, &why), 0);
	return a;
}

/* A socket that listens, in the next free place. only: IPV6_V6ONLY. The port is put into *port. */
static int listening(const char *text, bool only, uint16_t *port)
{
	union addr a = address_of(text);
	socklen_t len = addr_len(&a);
	int fd = socket(a.family, SOCK_STREAM, 0), v6only = only;

	if (a.family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
	if (bind(fd, &a.sa, len) && errno == EADDRNOTAVAIL) {
		print_message("no IPv6 on this host\n");
		close(fd);
		skip();
	}
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, &a.sa, &len), 0);
	*port = addr_port(&a);
	return fd;
}

static void announce(const char *count)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", count, 1);
}

static struct conf_listener listener_at(const char *text, uint16_t port)
{
	struct conf_listener conf = {0};

	snprintf(conf.name, sizeof(conf.name), text, port);
	conf.addr = address_of(conf.name);
	conf.both_families = conf.addr.family == AF_INET6 && conf.name[0] != '[';
	return conf;
}

/* --- the environment -------------------------------------------------------------------------- */

static void nothing_is_passed(void **state)
{
	(void)state;
	assert_int_equal(activation_take(&passed), 0);
	assert_int_equal(passed.count, 0);
	activation_warn_unused(&passed);
	assert_string_equal(heard, "");
}

/* LISTEN_PID names a parent, which has passed on the environment but not the sockets. */
static void it_is_for_another_process(void **state)
{
	(void)state;
	announce("1");
	setenv("LISTEN_PID", "1", 1);
	assert_int_equal(activation_take(&passed), 0);
	assert_int_equal(passed.count, 0);
}

static void numbers_that_make_no_sense(void **state)
{
	static const char *const counts[] = {
		"", "0", "x", "-1", "1x", "2147483647", "99999999999999999999"};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		announce(counts[i]);
		heard_begin();
		assert_true(activation_take(&passed) < 0);
		assert_heard("LISTEN_FDS cannot be understood");
		assert_int_equal(passed.count, 0);
	}
	announce("1");
	setenv("LISTEN_PID", "me", 1);
	assert_true(activation_take(&passed) < 0);
}

/* Three are announced, two are there. */
static void a_number_that_is_too_large(void **state)
{
	uint16_t port;

	(void)state;
	assert_int_equal(listening("127.0.0.1:0", false, &port), FIRST);
	assert_int_equal(listening("127.0.0.1:0", false, &port), FIRST + 1);
	announce("3");
	assert_int_equal(activation_take(&passed), -EBADF);
	assert_heard("LISTEN_FDS cannot be understood");
}

/* Children of kedge must not take the sockets for theirs. */
static void the_environment_is_cleared(void **state)
{
	uint16_t port;

	(void)state;
	assert_int_equal(listening("127.0.0.1:0", false, &port), FIRST);
	announce("1");
	setenv("LISTEN_FDNAMES", "web", 1);
	assert_int_equal(activation_take(&passed), 0);
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDNAMES"));
}

/* --- what is passed --------------------------------------------------------------------------- */

static void they_are_as_workers_need_them(void **state)
{
	socklen_t len = sizeof(int);
	uint16_t port;
	int one = 0;

	(void)state;
	assert_int_equal(listening("127.0.0.1:0", false, &port), FIRST);
	announce("1");
	assert_int_equal(activation_take(&passed), 0);
	assert_int_equal(passed.count, 1);
	assert_int_equal(passed.sockets[0].fd, FIRST);
	assert_int_equal(addr_port(&passed.sockets[0].addr), port);
	assert_true(fcntl(FIRST, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(FIRST, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(getsockopt(FIRST, IPPROTO_TCP, TCP_NODELAY, &one, &len), 0);
	assert_true(one);
	activation_close(&passed);
	assert_int_equal(fcntl(FIRST, F_GETFD), -1);
	assert_int_equal(passed.count, 0);
	activation_close(&passed);
}

static int a_pipe(void)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	close(ends[1]);
	return ends[0];
}

static int a_udp_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0);
}

static int a_tcp_socket_that_does_not_listen(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int a_connection(void)
{
	int one, other;

	net_pair(&one, &other, 0);
	close(other);
	return one;
}

static int a_unix_socket_of_packets(void)
{
	const struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "\0kedge-test-activation"};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void only_listening_stream_sockets(void **state)
{
	static int (*const make[])(void) = {a_pipe, a_udp_socket, a_tcp_socket_that_does_not_listen,
					    a_connection, a_unix_socket_of_packets};
	uint16_t port;

	(void)state;
	for (size_t i = 0; i < sizeof(make) / sizeof(make[0]); i++) {
		int fd;

		assert_int_equal(listening("127.0.0.1:0", false, &port), FIRST);
		fd = make[i]();
		if (fd != FIRST + 1) {
			assert_int_equal(dup2(fd, FIRST + 1), FIRST + 1);
			close(fd);
		}
		announce("2");
		heard_begin();
		assert_int_equal(activation_take(&passed), -EINVAL);
		assert_heard("descriptor 4 of the service manager is no listening "
			     "TCP or unix stream socket");
		/* Also the good one is closed. */
		activation_close(&passed);
		assert_int_equal(fcntl(FIRST, F_GETFD), -1);
		assert_int_equal(fcntl(FIRST + 1, F_GETFD), -1);
	}
}

/* --- which listener it is for ----------------------------------------------------------------- */

static int find(const struct conf_listener *conf)
{
	int fd = -1, found = activation_find(&passed, &fd, 1, conf);

	if (found > 0)
		close(fd);
	else
		assert_int_equal(fd, -1);
	return found;
}

static void the_one_with_the_same_address(void **state)
{
	struct conf_listener conf;
	uint16_t port, other;

	(void)state;
	listening("127.0.0.1:0", false, &port);
	listening("0.0.0.0:0", false, &other);
	announce("2");
	assert_int_equal(activation_take(&passed), 0);
	conf = listener_at("127.0.0.1:%u", port);
	assert_int_equal(find(&conf), 1);
	assert_true(passed.sockets[0].used);
	assert_false(passed.sockets[1].used);
	conf = listener_at("127.0.0.1:%u", other);
	assert_int_equal(find(&conf), 0);
	conf = listener_at("127.0.0.2:%u", port);
	assert_int_equal(find(&conf), 0);
	conf = listener_at("[::1]:%u", port);
	assert_int_equal(find(&conf), 0);
	assert_int_equal(activation_find(NULL, NULL, 1, &conf), 0);
	conf = listener_at("0.0.0.0:%u", other);
	assert_int_equal(find(&conf), 1);
	/* A later reload may need it again. */
	assert_int_equal(find(&conf), 1);
}

/* By its path, or by its abstract name. */
static void a_unix_socket_is_found_by_its_name(void **state)
{
	struct conf_listener conf = {.addr.family = AF_UNIX}, other = conf;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	strcpy(conf.addr.un.sun_path + 1, "kedge-test-activation");
	strcpy(other.addr.un.sun_path, "kedge-test-activation");
	assert_int_equal(fd, FIRST);
	assert_int_equal(bind(fd, &conf.addr.sa, addr_len(&conf.addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	announce("1");
	assert_int_equal(activation_take(&passed), 0);
	assert_int_equal(find(&other), 0);
	strcpy(other.addr.un.sun_path, "");
	strcpy(other.addr.un.sun_path + 1, "kedge-test-activation2");
	assert_int_equal(find(&other), 0);
	assert_int_equal(find(&conf), 1);
}

/* All of IPv6, with or without IPv4. A socket of the other kind does not match. */
static void all_addresses_of_one_family_or_both(void **state)
{
	struct conf_listener conf;
	uint16_t six, both;

	(void)state;
	listening("[::]:0", true, &six);
	listening("[::]:0", false, &both);
	announce("2");
	assert_int_equal(activation_take(&passed), 0);
	conf = listener_at("[::]:%u", six);
	assert_int_equal(find(&conf), 1);
	conf = listener_at(":%u", six);
	assert_int_equal(find(&conf), 0);
	conf = listener_at(":%u", both);
	assert_int_equal(find(&conf), 1);
	conf = listener_at("[::]:%u", both);
	assert_int_equal(find(&conf), 0);
}

/* systemd leaves IPV6_V6ONLY as the system has it: off. With one address it has no meaning. */
static void one_address_of_ipv6(void **state)
{
	struct conf_listener conf;
	uint16_t with, without;

	(void)state;
	listening("[::1]:0", false, &with);
	listening("[::1]:0", true, &without);
	announce("2");
	assert_int_equal(activation_take(&passed), 0);
	conf = listener_at("[::1]:%u", without);
	assert_int_equal(find(&conf), 1);
	conf = listener_at("[::1]:%u", with);
	assert_int_equal(find(&conf), 1);
}

/* All workers share one accept queue. */
static void a_descriptor_for_each_worker(void **state)
{
	struct conf_listener conf;
	uint16_t port;
	int fds[3], client;

	(void)state;
	listening("127.0.0.1:0", false, &port);
	announce("1");
	assert_int_equal(activation_take(&passed), 0);
	conf = listener_at("127.0.0.1:%u", port);
	assert_int_equal(activation_find(&passed, fds, 3, &conf), 1);
	for (int i = 0; i < 3; i++) {
		assert_true(fds[i] > FIRST);
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
	}
	client = net_connect(port);
	for (int i = 0; i < 3; i++)
		assert_true(net_wait(fds[i], POLLIN, NET_PATIENCE_MS));
	close(net_accept(fds[1]));
	assert_false(net_wait(fds[0], POLLIN, 0));
	close(client);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	/* It still listens: a later reload may need it. */
	client = net_connect(port);
	close(client);
}

/* The caller closes those that were made. */
static void out_of_descriptors_in_the_middle(void **state)
{
	struct conf_listener conf;
	struct rlimit old, low;
	int fds[4] = {-1, -1, -1, -1}, found;
	uint16_t port;

	(void)state;
	listening("127.0.0.1:0", false, &port);
	announce("1");
	assert_int_equal(activation_take(&passed), 0);
	conf = listener_at("127.0.0.1:%u", port);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = FIRST + 3; /* room for two */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	found = activation_find(&passed, fds, 4, &conf);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(found, -EMFILE);
	assert_heard(conf.name);
	assert_true(fds[0] >= 0 && fds[1] >= 0);
	assert_int_equal(fds[2], -1);
	assert_int_equal(fds[3], -1);
	close(fds[0]);
	close(fds[1]);
}

static void those_without_a_listener_are_named(void **state)
{
	struct conf_listener conf;
	char want[256];
	uint16_t port, other;

	(void)state;
	listening("127.0.0.1:0", false, &port);
	listening("127.0.0.1:0", false, &other);
	announce("2");
	assert_int_equal(activation_take(&passed), 0);
	conf = listener_at("127.0.0.1:%u", port);
	assert_int_equal(find(&conf), 1);
	activation_warn_unused(&passed);
	snprintf(want, sizeof(want),
		 "warning: descriptor 4 of the service manager, bound to 127.0.0.1:%u, "
		 "belongs to no listener: give one this address, or take "
		 "the socket out of the unit\n",
		 other);
	assert_string_equal(heard, want);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_passed),
		TEST(it_is_for_another_process),
		TEST(numbers_that_make_no_sense),
		TEST(a_number_that_is_too_large),
		TEST(the_environment_is_cleared),
		TEST(they_are_as_workers_need_them),
		TEST(only_listening_stream_sockets),
		TEST(a_unix_socket_is_found_by_its_name),
		TEST(the_one_with_the_same_address),
		TEST(all_addresses_of_one_family_or_both),
		TEST(one_address_of_ipv6),
		TEST(a_descriptor_for_each_worker),
		TEST(out_of_descriptors_in_the_middle),
		TEST(those_without_a_listener_are_named),
	};

	/* Descriptors that were inherited. */
	close_range(FIRST, ~0U, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* bind.c: whose address may be opened, what is left open after a failure, both families. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "listen/bind.h"
#include "tests/lib/heard.h"
#include "tests/lib/net.h"

static struct conf_listener conf_at(const char *name)
{
	struct conf_listener c = {0};
	const char *why;

	assert_int_equal(addr_parse(&c.addr, name, &why), 0);
	strcpy(c.name, name);
	c.both_families = c.addr.family == AF_INET6 && name[0] != '[';
	return c;
}

static unsigned open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static uint16_t port_of(const char *name)
{
	return (uint16_t)atoi(strrchr(name, ':') + 1);
}

static bool can_connect(const char *text)
{
	union addr a;
	const char *why;
	bool ok;
	int fd;

	assert_int_equal(addr_parse(&a, text, &why), 0);
	fd = socket(a.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ok = fd >= 0 && !connect(fd, &a.sa, addr_len(&a));
	close(fd);
	return ok;
}

static void several_share_a_port_that_the_kernel_chose(void **state)
{
	struct conf_listener conf = conf_at("127.0.0.1:0");
	char name[ADDR_TEXT_MAX], bound[ADDR_TEXT_MAX];
	int fds[3], one = 0;

	(void)state;
	assert_int_equal(bind_shared(fds, 3, &conf, name), 0);
	assert_true(port_of(name) != 0);
	for (int i = 0; i < 3; i++) {
		union addr a = {0};
		socklen_t len = sizeof(a);

		assert_int_equal(getsockname(fds[i], &a.sa, &len), 0);
		addr_format(bound, &a);
		assert_string_equal(bound, name);
		len = sizeof(one);
		assert_int_equal(getsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, &len), 0);
		assert_true(one);
	}
	/* Every one of them listens: some connections reach each within a bounded number. */
	for (unsigned seen = 0, i = 0; seen != 7; i++) {
		int client = net_connect(port_of(name));

		assert_true(i < 1000);
		for (int j = 0; j < 3; j++)
			if (net_wait(fds[j], POLLIN, 0)) {
				close(net_accept(fds[j]));
				seen |= 1u << j;
			}
		close(client);
	}
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void an_address_in_use_is_not_joined(void **state)
{
	struct conf_listener conf = conf_at("127.0.0.1:0");
	char name[ADDR_TEXT_MAX], other[ADDR_TEXT_MAX] = "untouched";
	int fds[2], more[2];
	unsigned before;

	(void)state;
	assert_int_equal(bind_shared(fds, 2, &conf, name), 0);
	before = open_files();
	conf = conf_at(name);
	/* with SO_REUSEPORT on all of them the kernel would allow it */
	assert_int_equal(bind_shared(more, 2, &conf, other), -EADDRINUSE);
	assert_string_equal(other, "untouched");
	assert_int_equal(open_files(), before);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(bind_shared(more, 2, &conf, other), 0);
	assert_string_equal(other, name);
	close(more[0]);
	close(more[1]);
}

/* In a network of its own, where only privileges open port 1. */
static int open_port_1(void)
{
	struct conf_listener conf = conf_at("0.0.0.0:1");
	char name[ADDR_TEXT_MAX];
	int fd, err;

	if (unshare(CLONE_NEWNET) < 0 || seteuid(65534) < 0)
		return 77;
	heard_begin();
	err = bind_shared(&fd, 1, &conf, name);
	heard_end();
	return err != -EACCES || !strstr(heard, "need CAP_NET_BIND_SERVICE: start as root with "
						"--user NAME, or use a port above 1023)");
}

static void a_low_port_takes_privileges(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(open_port_1());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* not root */
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A restarted daemon must not wait for the connections of the one before it. */
static void connections_in_time_wait_do_not_matter(void **state)
{
	struct conf_listener conf = conf_at("127.0.0.1:0");
	char name[ADDR_TEXT_MAX];
	int fd, client, served;

	(void)state;
	assert_int_equal(bind_shared(&fd, 1, &conf, name), 0);
	client = net_connect(port_of(name));
	served = net_accept(fd);
	shutdown(served, SHUT_WR); /* first to end: its side will be in TIME_WAIT */
	assert_true(net_wait(client, POLLIN, NET_PATIENCE_MS));
	close(client);
	assert_true(net_wait(served, POLLRDHUP, NET_PATIENCE_MS));
	close(served);
	close(fd);
	conf = conf_at(name);
	assert_int_equal(bind_shared(&fd, 1, &conf, name), 0);
	close(fd);
}

static void a_failure_leaves_nothing_open(void **state)
{
	struct conf_listener conf = conf_at("192.0.2.1:0");
	struct rlimit old, low;
	char name[ADDR_TEXT_MAX];
	unsigned before = open_files();
	int fds[16];

	(void)state;
	assert_int_equal(bind_shared(fds, 1, &conf, name), -EADDRNOTAVAIL);
	assert_int_equal(open_files(), before);
	conf = conf_at("127.0.0.1:0");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)dup(0) + 8;
	close((int)low.rlim_cur - 8);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(bind_shared(fds, 16, &conf, name), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(open_files(), before);
}

static void both_families_or_one(const char *listen, bool v4, bool v6)
{
	struct conf_listener conf = conf_at(listen);
	char name[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];
	int fd;

	assert_int_equal(bind_shared(&fd, 1, &conf, name), 0);
	snprintf(to, sizeof(to), "127.0.0.1:%u", port_of(name));
	assert_int_equal(can_connect(to), v4);
	snprintf(to, sizeof(to), "[::1]:%u", port_of(name));
	assert_int_equal(can_connect(to), v6);
	close(fd);
}

static void star_means_both_families(void **state)
{
	int probe = socket(AF_INET6, SOCK_STREAM, 0);
	union addr lo = {.in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}};

	(void)state;
	if (probe < 0 || bind(probe, &lo.sa, sizeof(lo.in6)) < 0) {
		close(probe);
		skip(); /* no IPv6 on this host */
	}
	close(probe);
	both_families_or_one("*:0", true, true);
	both_families_or_one(":0", true, true);
	both_families_or_one("[::]:0", false, true);
	both_families_or_one("0.0.0.0:0", true, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(several_share_a_port_that_the_kernel_chose),
		cmocka_unit_test(an_address_in_use_is_not_joined),
		cmocka_unit_test(a_low_port_takes_privileges),
		cmocka_unit_test(connections_in_time_wait_do_not_matter),
		cmocka_unit_test(a_failure_leaves_nothing_open),
		cmocka_unit_test(star_means_both_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* probe_pair.c: both ends, the preparation between socket(2) and connect(2), and its failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "daemon/probe_pair.h"

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void both_ends_are_open(void **state)
{
	unsigned before = open_descriptors();
	struct probe_pair p = {-1, -1};
	union addr peer = {0}, own = {0};
	socklen_t len = sizeof(own);
	const struct probe_pair_extra extra = {.peer = &peer};
	char got[8] = "";

	(void)state;
	assert_int_equal(probe_pair_open(&p, &extra), 0);
	assert_int_equal(open_descriptors(), before + 2); /* the listener is closed */
	assert_int_equal(getsockname(p.near, &own.sa, &len), 0);
	assert_true(addr_equal(&own, &peer));
	assert_true(fcntl(p.near, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(p.far, F_GETFL) & O_NONBLOCK);
	assert_int_equal(fcntl(p.near, F_GETFD) & fcntl(p.far, F_GETFD), FD_CLOEXEC);
	assert_int_equal(send(p.near, "there", 5, MSG_NOSIGNAL), 5);
	assert_true(probe_wait(p.far, POLLIN));
	assert_int_equal(recv(p.far, got, sizeof(got), 0), 5);
	assert_string_equal(got, "there");
	probe_pair_close(&p);
	assert_int_equal(open_descriptors(), before);
}

static void nothing_extra_is_fine(void **state)
{
	struct probe_pair p = {-1, -1};

	(void)state;
	assert_int_equal(probe_pair_open(&p, NULL), 0);
	probe_pair_close(&p);
}

struct preparation {
	int err;
	unsigned calls;
};

static int prepare(void *arg, int near)
{
	struct preparation *p = arg;
	union addr peer;
	socklen_t len = sizeof(peer);

	p->calls++;
	assert_int_equal(getpeername(near, &peer.sa, &len), -1); /* before it connects */
	assert_int_equal(errno, ENOTCONN);
	return p->err;
}

static void the_near_end_is_prepared_before_it_connects(void **state)
{
	struct preparation fine = {0}, bad = {.err = -ENOSPC};
	const struct probe_pair_extra good = {.prepare = prepare, .arg = &fine};
	const struct probe_pair_extra failing = {.prepare = prepare, .arg = &bad};
	unsigned before = open_descriptors();
	struct probe_pair p = {-1, -1};

	(void)state;
	assert_int_equal(probe_pair_open(&p, &good), 0);
	assert_int_equal(fine.calls, 1);
	probe_pair_close(&p);
	p = (struct probe_pair){-1, -1};
	assert_int_equal(probe_pair_open(&p, &failing), -ENOSPC);
	assert_int_equal(bad.calls, 1);
	assert_int_equal(p.far, -1); /* it has not connected */
	probe_pair_close(&p);
	assert_int_equal(open_descriptors(), before);
}

/* One that shows another address is ours only if that is the alias. */
static void an_alias_does_not_replace_its_own_address(void **state)
{
	const union addr alias = {.in = {.sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(0xc0000201),
					 .sin_port = htons(4711)}};
	union addr peer = {0};
	const struct probe_pair_extra extra = {.alias = &alias, .peer = &peer};
	struct probe_pair p = {-1, -1};

	(void)state;
	assert_int_equal(probe_pair_open(&p, &extra), 0);
	assert_false(addr_equal(&peer, &alias));
	probe_pair_close(&p);
}

static void waiting_ends_with_an_event_or_a_bad_descriptor(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(probe_wait(fds[1], POLLOUT));
	close(fds[1]);
	assert_true(probe_wait(fds[0], POLLIN)); /* its end */
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_are_open),
		cmocka_unit_test(nothing_extra_is_fine),
		cmocka_unit_test(the_near_end_is_prepared_before_it_connects),
		cmocka_unit_test(an_alias_does_not_replace_its_own_address),
		cmocka_unit_test(waiting_ends_with_an_event_or_a_bad_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

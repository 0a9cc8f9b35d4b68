/* SPDX-License-Identifier: BSD-2-Clause */
/* speed_legs.c: both layers do the whole work, the kernel's by a fake; nothing is left open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "daemon/speed_legs.h"
#include "tests/unit/tls/fake_ktls.h"

static struct speed_client client;
static struct speed_buffers buffers;
static struct speed_legs legs;
static const char *what;
static unsigned open_before;

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int setup(void **state)
{
	(void)state;
	fake_start();
	open_before = open_descriptors();
	assert_int_equal(speed_buffers_open(&buffers), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	speed_legs_close(&legs);
	speed_legs_close(&legs); /* a second time is fine */
	speed_buffers_close(&buffers);
	speed_client_close(&client);
	fake.on = false;
	return open_descriptors() == open_before ? 0 : -1;
}

static void open_all(enum speed_layer layer, enum tls_suite suite)
{
	assert_int_equal(speed_client_open(&client, suite), 0);
	assert_int_equal(speed_legs_open(&legs, layer, suite, &buffers, &what), 0);
	for (int i = 0; i < SPEED_LEGS; i++)
		assert_string_equal(legs.legs[i].record->ops->name,
				    layer == SPEED_KERNEL ? "kernel" : "user");
}

static int requests(uint64_t *ns)
{
	assert_int_equal(speed_client_seal_request(&client), 0);
	return speed_legs_requests(&legs, &client, ns);
}

static int up(uint64_t *ns)
{
	assert_int_equal(speed_client_seal_body(&client), 0);
	return speed_legs_up(&legs, &client, ns);
}

/* Works can follow each other in any order. Each takes time, and adds it. */
static void work(void)
{
	uint64_t ns = 0, before;

	for (int i = 0; i < 3; i++) {
		before = ns;
		assert_int_equal(requests(&ns), 0);
		assert_true(ns > before);
		before = ns;
		assert_int_equal(speed_legs_down(&legs, &ns), 0);
		assert_true(ns > before);
		before = ns;
		assert_int_equal(up(&ns), 0);
		assert_true(ns > before);
		assert_int_equal(speed_legs_down(&legs, &ns), 0);
	}
}

static void both_layers_work_with_every_suite(void **state)
{
	(void)state;
	for (int layer = 0; layer < SPEED_LAYERS; layer++) {
		for (int s = 0; s < SUITE_COUNT; s++) {
			open_all((enum speed_layer)layer, (enum tls_suite)s);
			work();
			speed_legs_close(&legs);
			speed_client_close(&client);
		}
	}
}

/* Small buffers: sends stop in the middle. */
static void small_sockets_are_slow_but_work(void **state)
{
	const int small = 65536;
	uint64_t ns = 0;

	(void)state;
	for (int layer = 0; layer < SPEED_LAYERS; layer++) {
		const struct probe_pair *ends;

		open_all((enum speed_layer)layer, SUITE_AES_128_GCM);
		ends = &legs.legs[SPEED_REQUEST_LEGS].ends;
		setsockopt(ends->far, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
		setsockopt(ends->near, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
		assert_int_equal(speed_legs_down(&legs, &ns), 0);
		assert_int_equal(up(&ns), 0);
		speed_legs_close(&legs);
		speed_client_close(&client);
	}
}

static void what_failed_to_open_has_its_name(void **state)
{
	struct rlimit all, few;

	(void)state;
	fake.err[FAKE_RX] = EOPNOTSUPP;
	fake.after[FAKE_RX] = 2;
	assert_int_equal(speed_legs_open(&legs, SPEED_KERNEL, SUITE_AES_128_GCM, &buffers, &what),
			 -EOPNOTSUPP);
	assert_string_equal(what, "the kernel's records");
	speed_legs_close(&legs);
	assert_int_equal(open_descriptors(), open_before);
	getrlimit(RLIMIT_NOFILE, &all);
	few = (struct rlimit){open_before + 5, all.rlim_max};
	setrlimit(RLIMIT_NOFILE, &few);
	assert_int_equal(speed_legs_open(&legs, SPEED_USER, SUITE_AES_128_GCM, &buffers, &what),
			 -EMFILE);
	setrlimit(RLIMIT_NOFILE, &all);
	assert_string_equal(what, "connections over 127.0.0.1");
}

/* What is read must be what was sent; nothing waits for ever. */
static void damage_is_found(void **state)
{
	(void)state;
	for (int layer = 0; layer < SPEED_LAYERS; layer++) {
		uint64_t ns = 0;

		open_all((enum speed_layer)layer, SUITE_AES_128_GCM);
		assert_int_equal(speed_client_seal_request(&client), 0);
		client.request.bytes[20] ^= 1;
		assert_int_equal(speed_legs_requests(&legs, &client, &ns), -EPROTO);
		assert_int_equal(speed_client_seal_body(&client), 0);
		client.body.bytes[20] ^= 1;
		assert_int_equal(speed_legs_up(&legs, &client, &ns), -EPROTO);
		speed_legs_close(&legs);
		speed_client_close(&client);
	}
}

static void an_end_is_found(void **state)
{
	(void)state;
	for (int layer = 0; layer < SPEED_LAYERS; layer++) {
		const struct speed_leg *leg = &legs.legs[SPEED_REQUEST_LEGS];
		uint64_t ns = 0;

		open_all((enum speed_layer)layer, SUITE_AES_128_GCM);
		assert_int_equal(speed_client_seal_body(&client), 0);
		client.body.len = 0; /* nothing is sent but the end */
		assert_int_equal(shutdown(leg->ends.near, SHUT_WR), 0);
		assert_int_equal(speed_legs_up(&legs, &client, &ns), -EPIPE);
		assert_int_equal(shutdown(leg->ends.far, SHUT_WR), 0);
		assert_true(speed_legs_down(&legs, &ns) < 0);
		speed_legs_close(&legs);
		speed_client_close(&client);
	}
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(both_layers_work_with_every_suite),
		TEST(small_sockets_are_slow_but_work),
		TEST(what_failed_to_open_has_its_name),
		TEST(damage_is_found),
		TEST(an_end_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

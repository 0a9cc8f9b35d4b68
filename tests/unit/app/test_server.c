/* SPDX-License-Identifier: BSD-2-Clause */
/* user/app/server.c: what takes a server out, for how long, and what is said of it. */
#include "app/server.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "tests/lib/heard.h"

#define NOW 1000000

static struct server *s;

static int up(void **state)
{
	(void)state;
	s = server_new("web", "127.0.0.1:3000", 3);
	heard_begin();
	return s ? 0 : -1;
}

static int down(void **state)
{
	(void)state;
	heard_end();
	server_put(s);
	return 0;
}

static void fails(unsigned times, uint64_t now_ms)
{
	while (times--)
		server_failed(s, 1, now_ms, "refused");
}

static void a_new_one_is_up(void **state)
{
	(void)state;
	assert_string_equal(s->app, "web");
	assert_string_equal(s->name, "127.0.0.1:3000");
	assert_true(server_is_up(s, NOW) && server_is_ready(s));
	assert_string_equal(server_state(s, NOW), "up");
	assert_int_equal((uintptr_t)s->rows % 64, 0);
}

static const char *cause_at(uint64_t now_ms)
{
	static char cause[SERVER_CAUSE_SIZE];

	server_cause(s, now_ms, cause);
	return cause;
}

static void the_cause_is_told_while_it_is_down_or_out(void **state)
{
	static char longer[2 * SERVER_CAUSE_SIZE];

	(void)state;
	assert_string_equal(cause_at(NOW), "");
	fails(3, NOW);
	assert_string_equal(cause_at(NOW), "refused");
	assert_string_equal(cause_at(NOW + SERVER_OUT_MS), "");
	server_set_health(s, SERVER_BAD, NOW, "503");
	server_set_health(s, SERVER_BAD, NOW, "said before");
	assert_string_equal(cause_at(NOW + SERVER_OUT_MS), "503");
	server_set_health(s, SERVER_GOOD, NOW, "fine");
	assert_string_equal(cause_at(NOW + SERVER_OUT_MS), "");
	memset(longer, 'x', sizeof(longer) - 1);
	server_set_health(s, SERVER_BAD, NOW, longer);
	assert_int_equal(strlen(cause_at(NOW)), SERVER_CAUSE_SIZE - 1);
}

/* --- connects that fail ----------------------------------------------------------------------- */

static void three_failures_in_a_row_take_it_out(void **state)
{
	(void)state;
	fails(2, NOW);
	server_worked(s, 0, NOW); /* not in a row */
	fails(2, NOW);
	assert_true(server_is_up(s, NOW));
	assert_string_equal(heard, "");
	fails(1, NOW);
	assert_false(server_is_up(s, NOW));
	assert_string_equal(server_state(s, NOW), "out");
	assert_heard("warning: application web: server 127.0.0.1:3000 is out: the last 3 "
		     "connections failed: refused; it is tried again after 2000 ms, then after "
		     "twice as long, up to 30 s");
	assert_int_equal(s->rows[1].failed, 5);
	assert_int_equal(s->rows[0].legs, 1);
	assert_false(server_is_up(s, NOW + 1999));
	assert_true(server_is_up(s, NOW + 2000));
}

/* One more failure is enough then, and it takes twice as long; nothing more is said. */
static void each_time_for_twice_as_long(void **state)
{
	static const uint64_t lengths[] = {2000, 4000, 8000, 16000, 30000, 30000};
	uint64_t now = NOW;

	(void)state;
	fails(2, now);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		fails(1, now);
		assert_false(server_is_up(s, now + lengths[i] - 1));
		assert_true(server_is_up(s, now + lengths[i]));
		if (!i)
			heard_begin();
		now += lengths[i];
	}
	assert_string_equal(heard, "");
	server_worked(s, 2, now);
	assert_heard("info: application web: server 127.0.0.1:3000 takes connections again");
	fails(3, now);
	assert_true(server_is_up(s, now + 2000)); /* it begins anew */
}

/* Many connects are under way when it goes: they are one outage. */
static void failures_while_it_is_out_do_not_prolong_it(void **state)
{
	(void)state;
	fails(1000, NOW);
	fails(1000, NOW + 1999);
	assert_true(server_is_up(s, NOW + 2000));
	assert_int_equal(s->rows[1].failed, 2000);
}

/* --- checks and the operator ------------------------------------------------------------------ */

static void checks_take_it_out_and_back(void **state)
{
	(void)state;
	server_set_health(s, SERVER_BAD, NOW, "503 where 200-399 was expected");
	assert_false(server_is_up(s, NOW));
	assert_true(server_is_ready(s));
	assert_string_equal(server_state(s, NOW), "down");
	assert_heard("warning: application web: server 127.0.0.1:3000 is down: 503 where 200-399 "
		     "was expected");
	heard_begin();
	server_set_health(s, SERVER_BAD, NOW, "again");
	assert_string_equal(heard, "");
	server_set_health(s, SERVER_GOOD, NOW, "200");
	assert_true(server_is_up(s, NOW));
	assert_heard("info: application web: server 127.0.0.1:3000 is up: 200");
	/* A good check says nothing of connects, and the other way round. */
	fails(3, NOW);
	server_set_health(s, SERVER_GOOD, NOW, "200");
	assert_string_equal(server_state(s, NOW), "out");
}

static void the_operator_takes_it_out_and_back(void **state)
{
	(void)state;
	server_set_admin(s, SERVER_DRAIN, NOW);
	assert_false(server_is_ready(s));
	assert_true(server_is_up(s, NOW));
	assert_string_equal(server_state(s, NOW), "drain");
	assert_heard("info: application web: server 127.0.0.1:3000 is drained: it gets no new "
		     "connection, as asked for");
	server_set_admin(s, SERVER_DOWN, NOW);
	server_set_health(s, SERVER_BAD, NOW, "x");
	assert_string_equal(server_state(s, NOW), "down by operator");
	server_set_admin(s, SERVER_READY, NOW);
	assert_true(server_is_ready(s));
	assert_string_equal(server_state(s, NOW), "down");
}

/* --- its connections -------------------------------------------------------------------------- */

static void connections_have_a_limit(void **state)
{
	(void)state;
	assert_true(server_enter(s, 2) && server_enter(s, 2));
	assert_false(server_enter(s, 2));
	assert_int_equal(s->connections, 2);
	assert_true(server_enter(s, 0));
	server_leave(s);
	assert_false(server_enter(s, 2));
	server_leave(s);
	assert_true(server_enter(s, 2));
	server_leave(s);
	server_leave(s);
	assert_int_equal(s->connections, 0);
}

#define ROUNDS 20000

static void *use_it(void *arg)
{
	unsigned worker = *(unsigned *)arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		if (server_enter(s, 2)) {
			assert_in_range(__atomic_load_n(&s->connections, __ATOMIC_RELAXED), 1,
					3 + 2);
			server_leave(s);
		}
		server_failed(s, worker, NOW + i, "refused");
		if (!(i % 7))
			server_worked(s, worker, NOW + i);
		server_is_up(s, NOW + i);
	}
	return NULL;
}

/* All workers at once: nothing is lost, and no more than so many get in. */
static void workers_use_it_at_once(void **state)
{
	unsigned numbers[3] = {0, 1, 2};
	pthread_t threads[3];

	(void)state;
	heard_end(); /* it keeps one text for one thread */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_it, &numbers[i]), 0);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(s->connections, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(s->rows[i].failed, ROUNDS);
		assert_int_equal(s->rows[i].legs, (ROUNDS + 6) / 7);
	}
	heard_begin();
}

static const char *address(const union addr *configured)
{
	static char text[ADDR_TEXT_MAX];
	union addr buf;

	addr_format(text, server_addr(s, configured, &buf));
	return text;
}

static union addr addr_of(const char *text)
{
	union addr a;
	const char *why;

	assert_int_equal(addr_parse(&a, text, &why), 0);
	return a;
}

static void it_is_where_its_name_led_last(void **state)
{
	const union addr configured = addr_of("192.0.2.1:80"), other = addr_of("unix:/run/a.sock");
	const union addr v6 = addr_of("[2001:db8::1]:80"), v4 = addr_of("192.0.2.2:80");

	(void)state;
	assert_string_equal(address(&configured), "192.0.2.1:80");
	server_set_addr(s, NULL);
	assert_string_equal(address(&other), "unix:/run/a.sock");
	server_set_addr(s, &v6);
	assert_string_equal(address(&configured), "[2001:db8::1]:80");
	server_set_addr(s, &v4);
	assert_string_equal(address(&other), "192.0.2.2:80");
	server_set_addr(s, NULL);
	assert_string_equal(address(&configured), "192.0.2.1:80");
	s->addr_turn = (unsigned)-2; /* after 2^31 changes */
	server_set_addr(s, &v4);
	assert_string_equal(address(&configured), "192.0.2.2:80");
}

static union addr moved[2];
static bool is_over;

static void *move_it(void *arg)
{
	(void)arg;
	for (unsigned i = 0; !__atomic_load_n(&is_over, __ATOMIC_RELAXED); i++)
		server_set_addr(s, &moved[i % 2]);
	return NULL;
}

/* One is all ones, the other all twos: a mixture would be neither. */
static void nobody_sees_half_of_a_change(void **state)
{
	const union addr configured = moved[0];
	unsigned seen[2] = {0, 0};
	pthread_t thread;

	(void)state;
	moved[0] = addr_of("[1111:1111:1111:1111:1111:1111:1111:1111]:4369");
	moved[1] = addr_of("[2222:2222:2222:2222:2222:2222:2222:2222]:8738");
	is_over = false;
	server_set_addr(s, &moved[0]);
	assert_int_equal(pthread_create(&thread, NULL, move_it, NULL), 0);
	for (unsigned i = 0; i < 200000; i++) {
		union addr buf;
		const union addr *now = server_addr(s, &configured, &buf);

		for (int k = 0; k < 2; k++)
			seen[k] += !memcmp(now, &moved[k], sizeof(now->in6));
	}
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(seen[0] + seen[1], 200000);
}

static void it_lives_as_long_as_its_references(void **state)
{
	(void)state;
	assert_ptr_equal(server_get(s), s);
	server_put(s);
	assert_string_equal(s->name, "127.0.0.1:3000");
	server_put(NULL);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_one_is_up),
		TEST(the_cause_is_told_while_it_is_down_or_out),
		TEST(three_failures_in_a_row_take_it_out),
		TEST(each_time_for_twice_as_long),
		TEST(failures_while_it_is_out_do_not_prolong_it),
		TEST(checks_take_it_out_and_back),
		TEST(the_operator_takes_it_out_and_back),
		TEST(connections_have_a_limit),
		TEST(workers_use_it_at_once),
		TEST(it_is_where_its_name_led_last),
		TEST(nobody_sees_half_of_a_change),
		TEST(it_lives_as_long_as_its_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

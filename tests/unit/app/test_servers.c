/* SPDX-License-Identifier: BSD-2-Clause */
/* user/app/servers.c: which server gets the next connection. */
#include "app/servers.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/heard.h"

#define NOW   1000000
#define COUNT 5 /* the last two are backups */
#define MANY  6000

static struct conf_server confs[CONFIG_SERVERS_MAX];
static struct conf_app conf;
static struct servers servers;
static uint64_t dice;

static void begin(size_t count, size_t backups)
{
	memset(confs, 0, sizeof(confs));
	for (size_t i = 0; i < count; i++) {
		snprintf(confs[i].name, sizeof(confs[i].name), "s%zu", i);
		confs[i].backup = i + backups >= count;
	}
	conf = (struct conf_app){.name = "web", .servers = {confs, count}, .queue_max = 2};
	assert_int_equal(servers_init(&servers, &conf, 2), 0);
	dice = 0x1234567;
	heard_begin();
}

static int down(void **state)
{
	(void)state;
	heard_end();
	servers_fini(&servers);
	return 0;
}

static int choose(uint64_t tried)
{
	bool idle = false;

	return servers_choose(&servers, 1, tried, NOW, &dice, &idle);
}

/* How often each of them is chosen, of MANY times. */
static void spread(unsigned times[CONFIG_SERVERS_MAX], uint64_t tried)
{
	memset(times, 0, CONFIG_SERVERS_MAX * sizeof(*times));
	for (unsigned i = 0; i < MANY; i++) {
		int at = choose(tried);

		assert_in_range(at, 0, servers.count - 1);
		times[at]++;
		server_leave(servers.set[at]);
	}
}

static void out(size_t i)
{
	for (unsigned n = 0; n < SERVER_FAILS; n++)
		server_failed(servers.set[i], 0, NOW, "refused");
}

static void all_that_are_up_get_their_share(void **state)
{
	unsigned times[CONFIG_SERVERS_MAX];

	(void)state;
	begin(COUNT, 2);
	spread(times, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(times[i], MANY / 3 - MANY / 20, MANY / 3 + MANY / 20);
	assert_int_equal(times[3] + times[4], 0);
	spread(times, 1 << 1);
	assert_int_equal(times[1], 0);
	assert_int_equal(times[0] + times[2], MANY);
}

/* Of two at random: the busiest of three gets one only if both dice show it, 1 of 9. */
static void less_goes_to_who_is_busy(void **state)
{
	unsigned times[CONFIG_SERVERS_MAX];

	(void)state;
	begin(3, 0);
	servers.set[0]->rows[1].busy = 10;
	servers.set[1]->rows[1].busy = 5;
	servers.set[2]->rows[0].busy = 1000; /* of another worker: not known here */
	spread(times, 0);
	assert_in_range(times[0], MANY / 9 - MANY / 30, MANY / 9 + MANY / 30);
	assert_in_range(times[1], MANY / 3 - MANY / 30, MANY / 3 + MANY / 30);
	assert_in_range(times[2], 5 * MANY / 9 - MANY / 30, 5 * MANY / 9 + MANY / 30);
}

static void who_is_out_gets_none(void **state)
{
	unsigned times[CONFIG_SERVERS_MAX];

	(void)state;
	begin(COUNT, 2);
	out(0);
	server_set_health(servers.set[1], SERVER_BAD, NOW, "x");
	spread(times, 0);
	assert_int_equal(times[2], MANY);
}

static void backups_are_for_when_no_other_is_up(void **state)
{
	unsigned times[CONFIG_SERVERS_MAX];

	(void)state;
	begin(COUNT, 2);
	out(0);
	out(1);
	server_set_admin(servers.set[2], SERVER_DRAIN, NOW);
	out(4);
	spread(times, 0);
	assert_int_equal(times[3], MANY);
}

/* Who looks dead may not be. But what the operator has taken out stays out. */
static void when_all_are_down_all_are_tried(void **state)
{
	unsigned times[CONFIG_SERVERS_MAX];

	(void)state;
	begin(COUNT, 2);
	for (size_t i = 0; i < COUNT; i++)
		server_set_health(servers.set[i], SERVER_BAD, NOW, "x");
	server_set_admin(servers.set[1], SERVER_DOWN, NOW);
	spread(times, 0);
	assert_int_equal(times[1], 0);
	for (unsigned i = 0; i < COUNT; i++)
		assert_true(i == 1 || times[i] > MANY / 8);
}

static void none_may_be_left(void **state)
{
	(void)state;
	begin(2, 1);
	assert_int_equal(choose(3), -ENOENT);
	server_set_admin(servers.set[0], SERVER_DRAIN, NOW);
	assert_int_equal(choose(2), -ENOENT);
	server_set_admin(servers.set[1], SERVER_DOWN, NOW);
	assert_int_equal(choose(0), -ENOENT);
	assert_int_equal(servers.set[0]->connections, 0);
}

/* Each has its share of connections; who has no room is passed over. */
static void connections_are_counted_up_to_the_limit(void **state)
{
	(void)state;
	begin(3, 0);
	conf.server_connections_max = 4;
	for (unsigned i = 0; i < 12; i++)
		assert_in_range(choose(0), 0, 2);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(servers.set[i]->connections, 4);
	assert_int_equal(choose(0), -EAGAIN);
	server_leave(servers.set[1]);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(choose(0), 1);
		server_leave(servers.set[1]);
	}
	assert_int_equal(choose(1 << 1), -EAGAIN);
}

/* A full one is no reason to use a backup: it is not down. */
static void nobody_takes_a_backup_for_want_of_room(void **state)
{
	(void)state;
	begin(2, 1);
	conf.server_connections_max = 1;
	assert_int_equal(choose(0), 0);
	assert_int_equal(choose(0), -EAGAIN);
}

static void room_is_room_of_one_that_is_not_taken_out(void **state)
{
	(void)state;
	begin(2, 0);
	assert_true(servers_have_room(&servers, 1));
	conf.server_connections_max = 1;
	assert_int_equal(choose(1 << 1), 0);
	assert_true(servers_have_room(&servers, 1));
	server_set_admin(servers.set[1], SERVER_DRAIN, NOW);
	assert_false(servers_have_room(&servers, 1));
	server_leave(servers.set[0]);
	assert_true(servers_have_room(&servers, 1));
}

/* It needs no room, and no connection is counted. */
static void an_idle_leg_will_do(void **state)
{
	struct server_row *row;
	bool idle = true;

	(void)state;
	begin(2, 0);
	conf.server_connections_max = 1;
	row = &servers.set[0]->rows[1];
	assert_int_equal(servers_choose(&servers, 1, 1 << 1, NOW, &dice, &idle), 0);
	assert_false(idle); /* it had none */
	assert_int_equal(servers.set[0]->connections, 1);
	row->idle = 1;
	idle = true;
	assert_int_equal(servers_choose(&servers, 1, 1 << 1, NOW, &dice, &idle), 0);
	assert_true(idle);
	assert_int_equal(servers.set[0]->connections, 1);
	/* Not for whoever wants a fresh one, and those of another worker are not ours. */
	assert_int_equal(choose(1 << 1), -EAGAIN);
	idle = true;
	assert_int_equal(servers_choose(&servers, 0, 1 << 1, NOW, &dice, &idle), -EAGAIN);
	/* Nor of a server that is out. */
	idle = true;
	server_set_admin(servers.set[0], SERVER_DRAIN, NOW);
	assert_int_equal(servers_choose(&servers, 1, 0, NOW, &dice, &idle), 1);
	assert_false(idle);
	assert_false(servers_have_room(&servers, 1));
	server_set_admin(servers.set[0], SERVER_READY, NOW);
	assert_true(servers_have_room(&servers, 1));
	assert_false(servers_have_room(&servers, 0));
}

static void as_many_as_there_may_be(void **state)
{
	unsigned times[CONFIG_SERVERS_MAX];

	(void)state;
	begin(CONFIG_SERVERS_MAX, 0);
	spread(times, 0);
	for (unsigned i = 0; i < CONFIG_SERVERS_MAX; i++)
		assert_in_range(times[i], 1, MANY / 16);
	assert_int_equal(choose(~(1ull << 63)), 63);
}

static void the_queue_has_a_limit(void **state)
{
	(void)state;
	begin(1, 0);
	assert_true(servers_wait(&servers) && servers_wait(&servers));
	assert_false(servers_wait(&servers));
	servers_wait_over(&servers);
	assert_true(servers_wait(&servers));
	assert_int_equal(servers.set[0]->wanted, 2);
	servers_wait_over(&servers);
	servers_wait_over(&servers);
	assert_int_equal(servers.set[0]->wanted, 0);
	conf.queue_max = 0;
	assert_false(servers_wait(&servers));
}

/* A server is known by its name. Its place in the list does not count. */
static void who_stays_keeps_what_is_known_of_it(void **state)
{
	static struct conf_server other[] = {{.name = "s9"}, {.name = "s1"}};
	struct conf_app next_conf = {.name = "web", .servers = {other, 2}};
	struct servers next;

	(void)state;
	begin(2, 0);
	out(1);
	servers.set[1]->connections = 7;
	assert_int_equal(servers_init(&next, &next_conf, 2), 0);
	servers_inherit(&next, &servers);
	assert_ptr_equal(next.set[1], servers.set[1]);
	assert_int_equal(next.set[1]->refs, 2);
	assert_int_equal(next.set[0]->connections, 0);
	assert_false(server_is_up(next.set[1], NOW));
	servers_fini(&next);
	assert_int_equal(servers.set[1]->refs, 1);
}

#define TEST(t) cmocka_unit_test_teardown(t, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_that_are_up_get_their_share),
		TEST(less_goes_to_who_is_busy),
		TEST(who_is_out_gets_none),
		TEST(backups_are_for_when_no_other_is_up),
		TEST(when_all_are_down_all_are_tried),
		TEST(none_may_be_left),
		TEST(connections_are_counted_up_to_the_limit),
		TEST(nobody_takes_a_backup_for_want_of_room),
		TEST(room_is_room_of_one_that_is_not_taken_out),
		TEST(an_idle_leg_will_do),
		TEST(as_many_as_there_may_be),
		TEST(the_queue_has_a_limit),
		TEST(who_stays_keeps_what_is_known_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

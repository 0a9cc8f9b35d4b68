/* SPDX-License-Identifier: BSD-2-Clause */
/* generation.c: references to a configuration, and counts that go on in the next one. */
#include "listen_rig.h"

#include <pthread.h>

static int nothing_is_left(void **state)
{
	(void)state;
	return generation_count() ? -1 : 0;
}

static void one_lives_as_long_as_its_references(void **state)
{
	struct generation *g = rig_generation(2, 7);

	(void)state;
	assert_int_equal(generation_count(), 1);
	assert_int_equal(g->number, 7);
	assert_int_equal(g->conf->listeners_count, 2);
	assert_ptr_equal(generation_get(g), g);
	generation_put(g);
	assert_int_equal(generation_count(), 1);
	assert_int_equal(g->conf->listeners_count, 2);
	generation_put(g);
	assert_int_equal(generation_count(), 0);
	generation_put(NULL);
	assert_int_equal(generation_count(), 0);
}

static void several_at_a_time(void **state)
{
	struct generation *a = rig_generation(1, 1), *b = rig_generation(1, 2);

	(void)state;
	assert_int_equal(generation_count(), 2);
	generation_put(a);
	assert_int_equal(generation_count(), 1);
	generation_put(b);
}

static void a_configuration_without_listeners(void **state)
{
	struct generation *g = rig_generation(0, 1), *next = rig_generation(0, 2);

	(void)state;
	generation_inherit(next, g, NULL);
	generation_put(g);
	generation_put(next);
}

/* Two of three go on, in another order; the new one begins at zero. */
static void counts_go_on(void **state)
{
	static const int from[] = {2, -1, 0};
	struct generation *before = rig_generation(3, 1), *next = rig_generation(3, 2);

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		before->tallies[i]->connections = 10 + i;
	generation_inherit(next, before, from);
	assert_ptr_equal(next->tallies[0], before->tallies[2]);
	assert_ptr_equal(next->tallies[2], before->tallies[0]);
	assert_int_equal(next->tallies[0]->connections, 12);
	assert_int_equal(next->tallies[1]->connections, 0);
	/* A count outlives the generation that it began in. */
	generation_put(before);
	assert_int_equal(next->tallies[2]->connections, 10);
	next->tallies[2]->connections--;
	generation_put(next);
}

static void name_server(struct generation *g, const char *app, const char *server)
{
	struct conf_app *conf = g->conf->apps;

	strcpy(conf->name, app);
	conf->named = true;
	strcpy(conf->servers.set[0].name, server);
	servers_fini(&g->apps[0]);
	assert_int_equal(servers_init(&g->apps[0], conf, 1), 0);
}

/* What is known of a server belongs to its name and its application's. */
static void servers_go_on(void **state)
{
	static const int from[] = {0};
	struct generation *before = rig_generation(1, 1), *same = rig_generation(1, 2),
			  *other = rig_generation(1, 3);

	(void)state;
	name_server(before, "web", "a:1");
	name_server(same, "web", "a:1");
	name_server(other, "mail", "a:1");
	before->apps[0].set[0]->admin = SERVER_DRAIN;
	generation_inherit(same, before, from);
	assert_ptr_equal(same->apps[0].set[0], before->apps[0].set[0]);
	generation_put(before);
	generation_inherit(other, same, from);
	assert_int_equal(other->apps[0].set[0]->admin, SERVER_READY);
	assert_int_equal(same->apps[0].set[0]->admin, SERVER_DRAIN);
	assert_int_equal(same->apps[0].set[0]->refs, 1);
	generation_put(same);
	generation_put(other);
}

/* A reload that is refused: the next one goes first. */
static void the_next_one_may_go_first(void **state)
{
	static const int from[] = {0};
	struct generation *before = rig_generation(1, 1), *next = rig_generation(1, 2);

	(void)state;
	before->tallies[0]->connections = 5;
	generation_inherit(next, before, from);
	generation_put(next);
	assert_int_equal(before->tallies[0]->connections, 5);
	generation_put(before);
}

static void counts_go_on_through_many(void **state)
{
	static const int from[] = {0};
	struct generation *g = rig_generation(1, 1);
	struct tally *first = g->tallies[0];

	(void)state;
	for (unsigned n = 2; n < 100; n++) {
		struct generation *next = rig_generation(1, n);

		generation_inherit(next, g, from);
		generation_put(g);
		g = next;
		assert_ptr_equal(g->tallies[0], first);
		assert_int_equal(first->refs, 1);
	}
	generation_put(g);
}

static void *get_and_put(void *arg)
{
	for (int i = 0; i < 20000; i++)
		generation_put(generation_get(arg));
	generation_put(arg);
	return NULL;
}

static void threads_share_one(void **state)
{
	struct generation *g = rig_generation(1, 1);
	pthread_t thread[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, get_and_put, generation_get(g)),
				 0);
	generation_put(g); /* the last one to end frees it */
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
}

#define TEST(name) cmocka_unit_test_teardown(name, nothing_is_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_lives_as_long_as_its_references),
		TEST(several_at_a_time),
		TEST(a_configuration_without_listeners),
		TEST(counts_go_on),
		TEST(servers_go_on),
		TEST(the_next_one_may_go_first),
		TEST(counts_go_on_through_many),
		TEST(threads_share_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

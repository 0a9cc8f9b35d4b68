/* What kedge does when there is not enough of something. */
#include "conn_rig.h"

#include <sys/resource.h>

/* Out of descriptors: accepting pauses, goes on by itself, and loses nobody. */
static void out_of_descriptors_is_a_pause(void **state)
{
	enum { MANY = 8 };
	struct rlimit old, low;
	int clients[MANY], hold[MANY];

	(void)state;
	listener_conf.proxy = PROXY_PREFIX_REQUIRE;
	prepare();
	for (int i = 0; i < MANY; i++)
		clients[i] = net_connect(port);
	for (int i = 0; i < MANY; i++)
		hold[i] = dup(0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)hold[MANY - 1] + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	close(hold[0]);
	close(hold[1]);
	assert_int_equal(worker_start(&worker), 0);
	until(&stats->accepted, 2);
	poll(NULL, 0, 50);
	assert_int_equal(stats->accepted, 2);
	for (int i = 2; i < MANY; i++)
		close(hold[i]);
	until(&stats->accepted, MANY);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	for (int i = 0; i < MANY; i++)
		close(clients[i]);
	until(&stats->closed, MANY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(out_of_descriptors_is_a_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard.c: the life of a guard, from opening to closing, on an interface that the test has made.
 * tests/bpf/test_guard.c tests what it does to packets, tests/e2e/test_guard.py a running kedge.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "bpf/kbpf_host.h"
#include "guard/guard.h"
#include "tests/lib/heard.h"
#include "tests/lib/loading.h"
#include "tests/lib/own_ns.h"

#define GUARD                                                                      \
	"--guard-mode generic --guard-interfaces kv0 --app 127.0.0.1:9 --tls off " \
	"--proxy-protocol require --trust 10.0.0.1 "

static bool can;
static char why[KBPF_WHY_SIZE], pins[80];

static int group_up(void **state)
{
	can = own_real_root() && own_bpffs_up() && own_net_up() &&
	      own_ip("link add kv0 type veth peer name kv1") && own_ip("link set kv0 up");
	if (own_bpffs[0])
		setenv("LIBXDP_BPFFS", own_bpffs, 1);
	snprintf(pins, sizeof(pins), "%s/test", own_bpffs);
	return loading_begin(state);
}

static int group_down(void **state)
{
	if (own_bpffs[0])
		own_bpffs_down();
	return loading_end(state);
}

static int up(void **state)
{
	(void)state;
	why[0] = '\0';
	return 0;
}

static int down(void **state)
{
	(void)state;
	heard_end();
	return 0;
}

static struct conf *conf_of(const char *args)
{
	struct conf *conf = must_load(NULL, args);

	free(conf->pin);
	conf->pin = can ? strdup(pins) : NULL;
	return conf;
}

/* Skips the test unless we are root. */
static struct conf *need_root_conf_of(const char *args)
{
	if (!can) {
		print_message("only root may attach\n");
		skip();
	}
	return conf_of(args);
}

static struct guard *must_open(const struct conf *conf)
{
	struct guard *g = NULL;

	if (guard_open(&g, conf, why))
		fail_msg("%s", why);
	return g;
}

static bool is_on(void)
{
	__u32 id = 0;

	return !bpf_xdp_query_id((int)if_nametoindex("kv0"), 0, &id) && id;
}

/* Of one of its pinned maps. */
static int map_of(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s-guard/%s", pins, name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

static struct kedge_guard_config config_now(void)
{
	struct kedge_guard_config config;
	int fd = map_of("kdg_guard_config");

	assert_int_equal(bpf_map_lookup_elem(fd, &(__u32){0}, &config), 0);
	close(fd);
	return config;
}

static unsigned listeners_now(void)
{
	int fd = map_of("kdg_guard_listener");
	struct kedge_guard_address key;
	void *before = NULL;
	unsigned n = 0;

	while (!bpf_map_get_next_key(fd, before, &key)) {
		n++;
		before = &key;
	}
	close(fd);
	return n;
}

/* --- without one ------------------------------------------------------------------------------ */

static void without_a_guard(void **state)
{
	struct kedge_guard_stats sum;
	struct guard_refused row;

	(void)state;
	memset(&sum, 0xff, sizeof(sum));
	guard_stats(NULL, &sum);
	assert_int_equal(((const uint64_t *)&sum)[0], 0);
	assert_int_equal(guard_refused(NULL, &row, 1), 0);
	assert_int_equal(guard_wait_ms(NULL), -1);
	guard_run(NULL);
	guard_leave(NULL);
	guard_close(NULL);
}

static void no_interface_carries_a_listener(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = conf_of("--guard-mode generic --guard-interfaces all-listeners --app "
				    "127.0.0.1:9 --tls off --listen 203.0.113.77:1");
	struct guard *g = NULL;

	(void)state;
	assert_int_equal(guard_open(&g, conf, why), -EADDRNOTAVAIL);
	assert_null(g);
	assert_string_equal(why, "listener 203.0.113.77:1: no interface has its address: name the "
				 "interfaces in guard-interfaces");
}

/* Nothing is attached, pinned or locked afterwards. */
static void an_interface_that_is_not_there(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf =
		need_root_conf_of("--guard-mode generic --guard-interfaces kv0 --guard-interfaces "
				  "nosuch0 --app 127.0.0.1:9 --tls off --listen 192.0.2.1:1");
	struct guard *g = NULL;
	char path[128];

	(void)state;
	assert_int_equal(guard_open(&g, conf, why), -ENODEV);
	assert_null(g);
	assert_string_equal(why, "interface nosuch0: No such device: `ip link` "
				 "shows those that are there");
	assert_false(is_on());
	snprintf(path, sizeof(path), "%s-guard", pins);
	assert_int_equal(access(path, F_OK), -1);
}

/* --- one life --------------------------------------------------------------------------------- */

static void it_opens_arms_and_closes(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = need_root_conf_of(GUARD "--listen 192.0.2.1:1");
	struct guard *g = must_open(conf);
	const struct guard_interface *on;
	struct kedge_guard_config config = config_now();
	uint64_t lease;
	size_t count;

	(void)state;
	heard_begin();
	assert_true(is_on());
	on = guard_interfaces(g, &count);
	assert_int_equal(count, 1);
	assert_string_equal(on[0].name, "kv0");
	/* Until it is armed everything passes, and guard_run() has nothing to do. */
	assert_int_equal(config.version, KEDGE_GUARD_ABI_VERSION);
	assert_int_equal(config.lease_ns, 0);
	assert_int_equal(listeners_now(), 1);
	assert_int_equal(guard_wait_ms(g), -1);
	guard_run(g);
	assert_int_equal(config_now().lease_ns, 0);
	assert_true(guard_may_update(g));

	guard_arm(g, conf);
	assert_heard("guard: on kv0 (generic");
	lease = config_now().lease_ns;
	assert_true(lease > monotonic_ns());
	assert_in_range(guard_wait_ms(g), 0, 1000);
	guard_run(g); /* too early to renew anything */
	if (guard_wait_ms(g) > 0)
		assert_int_equal(config_now().lease_ns, lease);

	guard_close(g);
	assert_false(is_on());
	assert_int_equal(access(pins, F_OK), -1);
}

static void rules_are_replaced(void **state)
{
	static const uint16_t ports[] = {1, 2};
	_cleanup_(conf_freep)
	struct conf *conf = need_root_conf_of(GUARD "--listen 192.0.2.1:1");
	struct guard *g = must_open(conf);
	_cleanup_(conf_freep)
	struct conf *next =
		conf_of(GUARD "--guard-source-rate 77 --listen 192.0.2.1:0 --listen 192.0.2.1:0");
	unsigned side = config_now().side;

	(void)state;
	heard_begin();
	assert_int_equal(guard_prepare(g, next, ports, why), 0);
	assert_int_equal(listeners_now(), 3);
	assert_int_equal(config_now().side, side);
	guard_cancel(g);
	assert_int_equal(listeners_now(), 1);
	assert_int_equal(guard_prepare(g, next, ports, why), 0);
	guard_commit(g, next);
	assert_int_equal(listeners_now(), 2);
	assert_int_equal(config_now().side, !side);
	assert_int_equal(config_now().source_rate, 77);
	guard_close(g);
}

/* It stays on its interface, its lease never ends, and the next guard removes it. */
static void one_that_is_kept(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = need_root_conf_of(GUARD "--guard-keep on --listen 192.0.2.1:1");
	struct guard *g = must_open(conf);

	(void)state;
	heard_begin();
	guard_arm(g, conf);
	assert_true(config_now().lease_ns == UINT64_MAX);
	assert_int_equal(guard_wait_ms(g), -1);
	guard_close(g);
	assert_true(is_on());
	/* The next one is not kept. After it, no guard is left, not even the first. */
	conf->guard.keep = false;
	g = must_open(conf);
	guard_arm(g, conf);
	assert_heard("one that a dead kedge left");
	guard_close(g);
	assert_false(is_on());
}

/* Also with guard-keep, a guard that was never armed is detached. */
static void a_start_that_fails_later_leaves_nothing(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = need_root_conf_of(GUARD "--guard-keep on --listen 192.0.2.1:1");
	struct guard *g = must_open(conf);

	(void)state;
	guard_close(g);
	assert_false(is_on());
}

static void its_pins_are_given_away(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = need_root_conf_of(GUARD "--listen 192.0.2.1:1");
	struct guard *g = must_open(conf);
	char path[128];
	struct stat st;

	(void)state;
	assert_int_equal(guard_give(g, 12345, 12345), 0);
	snprintf(path, sizeof(path), "%s-guard/kdg_guard_stats", pins);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 12345);
	guard_close(g);
	free(conf->pin);
	conf->pin = NULL;
	g = must_open(conf);
	assert_int_equal(guard_give(g, 12345, 12345), 0);
	guard_close(g);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_guard),
		TEST(no_interface_carries_a_listener),
		TEST(an_interface_that_is_not_there),
		TEST(it_opens_arms_and_closes),
		TEST(rules_are_replaced),
		TEST(one_that_is_kept),
		TEST(a_start_that_fails_later_leaves_nothing),
		TEST(its_pins_are_given_away),
	};

	return cmocka_run_group_tests(tests, group_up, group_down);
}

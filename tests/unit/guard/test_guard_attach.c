/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard_attach.c: on to an interface and off again, beside others. Root attaches to an interface
 * of a network that the test has made, with the pins on a bpffs of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/kbpf_host.h"
#include "guard.skel.h"
#include "guard/guard_attach.h"
#include "guard/guard_lock.h"
#include "tests/lib/child.h"
#include "tests/lib/own_ns.h"

#define NAME "kv0"

static bool can;
static char why[KBPF_WHY_SIZE];

struct own {
	struct guard_bpf *skel;
	struct xdp_program *prog;
	struct guard_interface at;
};

static int group_up(void **state)
{
	(void)state;
	kbpf_log();
	guard_attach_log();
	can = own_real_root() && own_bpffs_up() && own_net_up() &&
	      own_ip("link add " NAME " type veth peer name kv1") && own_ip("link set " NAME " up");
	if (own_bpffs[0])
		setenv("LIBXDP_BPFFS", own_bpffs, 1);
	return 0;
}

static int group_down(void **state)
{
	(void)state;
	if (own_bpffs[0])
		own_bpffs_down();
	return 0;
}

static void need_root(void)
{
	if (can)
		return;
	print_message("only root may attach\n");
	skip();
}

static void open_one(struct own *o, const char *name)
{
	*o = (struct own){.skel = guard_bpf__open()};
	snprintf(o->at.name, sizeof(o->at.name), "%s", name);
	assert_non_null(o->skel);
	o->prog = guard_attach_open(o->skel->obj, 50, why);
	if (!o->prog)
		fail_msg("%s", why);
}

static void close_one(struct own *o)
{
	guard_attach_close(o->prog);
	guard_bpf__destroy(o->skel);
}

static void attach_one(struct own *o)
{
	open_one(o, NAME);
	if (guard_attach(o->prog, &o->at, GUARD_GENERIC, why))
		fail_msg("%s", why);
}

/* Is any XDP program there? */
static bool is_there(const struct guard_interface *at)
{
	__u32 id = 0;

	assert_int_equal(bpf_xdp_query_id((int)at->index, 0, &id), 0);
	return id != 0;
}

static void an_interface_that_is_not_there(void **state)
{
	struct own o;

	(void)state;
	open_one(&o, "nosuch0");
	assert_int_equal(guard_attach(o.prog, &o.at, GUARD_GENERIC, why), -ENODEV);
	assert_string_equal(why, "interface nosuch0: No such device: `ip link` "
				 "shows those that are there");
	close_one(&o);
	guard_attach_close(NULL);
}

static int is_refused(void)
{
	struct own o;
	char caps[80], want[192];

	open_one(&o, can ? NAME : "lo");
	kbpf_missing_caps(caps, sizeof(caps));
	snprintf(want, sizeof(want),
		 "interface %s: no %s: run as root, or grant them (docs/guard.md)", o.at.name,
		 caps);
	if (!caps[0] || guard_attach(o.prog, &o.at, GUARD_GENERIC, why) >= 0)
		return 1;
	close_one(&o);
	return strcmp(why, want) ? 2 : 0;
}

/* In a network of its own. */
static void without_capabilities(void **state)
{
	(void)state;
	if (geteuid() == 0 && !can)
		skip(); /* root of a user namespace has all capabilities */
	assert_int_equal(as_nobody(is_refused), 0);
}

static void on_and_off(void **state)
{
	struct own o;
	unsigned id;

	(void)state;
	need_root();
	attach_one(&o);
	id = guard_attach_id(o.prog);
	assert_true(id > 0);
	assert_true(o.at.index > 0);
	assert_int_equal(o.at.mode, GUARD_GENERIC);
	assert_true(is_there(&o.at));
	assert_int_equal(guard_detach(id + 1000000, &o.at), -ENOENT);
	assert_true(is_there(&o.at));
	assert_int_equal(guard_detach(id, &o.at), 0);
	assert_false(is_there(&o.at));
	assert_int_equal(guard_detach(id, &o.at), -ENOENT);
	close_one(&o);
}

static void native_or_generic(void **state)
{
	struct own o;

	(void)state;
	need_root();
	assert_true(own_ip("link add kd0 type dummy") || own_ip("link add kd0 type bridge"));
	/* A device without XDP of its own. */
	open_one(&o, "kd0");
	assert_int_equal(guard_attach(o.prog, &o.at, GUARD_NATIVE, why), -EOPNOTSUPP);
	assert_string_equal(why, "interface kd0: its driver has no XDP of its "
				 "own: --guard-mode generic");
	if (guard_attach(o.prog, &o.at, GUARD_AUTO, why))
		fail_msg("%s", why);
	assert_int_equal(o.at.mode, GUARD_GENERIC);
	assert_int_equal(guard_detach(guard_attach_id(o.prog), &o.at), 0);
	close_one(&o);
	own_ip("link del kd0");
	/* And one that has it. */
	open_one(&o, NAME);
	if (guard_attach(o.prog, &o.at, GUARD_AUTO, why))
		fail_msg("%s", why);
	assert_int_equal(o.at.mode, GUARD_NATIVE);
	assert_int_equal(guard_detach(guard_attach_id(o.prog), &o.at), 0);
	close_one(&o);
}

/* A guard is alive while a process holds its lock. */
static void the_dead_are_removed_and_the_living_stay(void **state)
{
	struct own alive, dead;
	int lock;

	(void)state;
	need_root();
	attach_one(&alive);
	lock = guard_lock(guard_attach_id(alive.prog));
	assert_true(lock >= 0);
	assert_int_equal(guard_remove_dead(0, &alive.at), 0);
	if (alive.at.chained) { /* a dispatcher has room for another one */
		attach_one(&dead);
		assert_int_equal(guard_remove_dead(guard_attach_id(dead.prog), &alive.at), 0);
		assert_int_equal(guard_remove_dead(0, &alive.at), 1);
		assert_int_equal(guard_detach(guard_attach_id(dead.prog), &alive.at), -ENOENT);
		close_one(&dead);
	}
	assert_true(is_there(&alive.at));
	guard_unlock(&lock, guard_attach_id(alive.prog));
	assert_int_equal(guard_remove_dead(guard_attach_id(alive.prog), &alive.at), 0);
	assert_int_equal(guard_remove_dead(0, &alive.at), 1);
	assert_false(is_there(&alive.at));
	assert_int_equal(guard_remove_dead(0, &alive.at), 0);
	close_one(&alive);
}

/* A program of others, without a dispatcher: it stays, and there is no room for ours. */
static void anothers_program_is_left_alone(void **state)
{
	const struct bpf_insn pass[] = {{.code = 0xb7, .imm = 2},
					{.code = 0x95}}; /* r0 = XDP_PASS; exit */
	struct own o;
	int other;

	(void)state;
	need_root();
	other = bpf_prog_load(BPF_PROG_TYPE_XDP, "other", "GPL", pass, 2, NULL);
	assert_true(other >= 0);
	open_one(&o, NAME);
	o.at.index = 0;
	assert_true(own_ip("link set " NAME " up"));
	assert_int_equal(bpf_xdp_attach((int)if_nametoindex(NAME), other, 0, NULL), 0);
	assert_int_equal(guard_attach(o.prog, &o.at, GUARD_AUTO, why), -EBUSY);
	assert_string_equal(why,
			    "interface " NAME ": another XDP program is there, which leaves no "
			    "room for one beside it: xdp-loader status " NAME " names it");
	assert_int_equal(guard_remove_dead(0, &o.at), 0);
	assert_true(is_there(&o.at));
	assert_int_equal(bpf_xdp_detach((int)o.at.index, 0, NULL), 0);
	close(other);
	close_one(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interface_that_is_not_there),
		cmocka_unit_test(without_capabilities),
		cmocka_unit_test(on_and_off),
		cmocka_unit_test(native_or_generic),
		cmocka_unit_test(the_dead_are_removed_and_the_living_stay),
		cmocka_unit_test(anothers_program_is_left_alone),
	};

	return cmocka_run_group_tests(tests, group_up, group_down);
}

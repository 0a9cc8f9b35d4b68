/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening the BPF side: pins and their owners, error messages, slots. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/kbpf_host.h"
#include "flow.skel.h"
#include "guard.skel.h"
#include "leg.h"
#include "peername.skel.h"
#include "http/xff.h"

#define PINS "/sys/fs/bpf/kedge-test-open"

static char why[256];

static struct kbpf_opts opts = {.edit = true, .bypass = true, .workers = 3, .flows_max = 10};

static int setup(void **state)
{
	/* Leftovers of a run that was killed. */
	if (system("rm -rf " PINS))
		return -1;
	opts.cgroup = cgroup_enter("open");
	return 0;
}

static int teardown(void **state)
{
	cgroup_leave();
	return 0;
}

static void assert_opens(struct kbpf **bpf, const struct kbpf_opts *o)
{
	if (kbpf_open(bpf, o, why))
		fail_msg("kbpf_open: %s", why);
}

static void assert_pinned(bool there)
{
	static const char *const names[] = {"kdg_flow", "kdg_note", "kdg_text", "kdg_stats",
					    "kdg_pair", "kdg_app",  "kdg_leg",  "kdg_appleg"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", PINS, names[i]);
		assert_int_equal(access(path, F_OK) == 0, there);
	}
}

static void pins_come_and_go(void **state)
{
	struct kbpf_opts o = opts;
	struct kbpf *bpf;

	o.pin = PINS;
	assert_opens(&bpf, &o);
	assert_pinned(true);
	kbpf_close(bpf);
	assert_int_equal(access(PINS, F_OK), -1);
}

static void a_directory_that_was_there_stays(void **state)
{
	struct kbpf_opts o = opts;
	struct kbpf *bpf;

	o.pin = PINS;
	assert_int_equal(mkdir(PINS, 0700), 0);
	assert_opens(&bpf, &o);
	kbpf_close(bpf);
	assert_pinned(false);
	assert_int_equal(rmdir(PINS), 0);
}

static void pins_of_the_living_are_respected(void **state)
{
	struct kbpf_opts o = opts;
	struct kbpf *bpf, *second;

	o.pin = PINS;
	assert_opens(&bpf, &o);
	assert_int_equal(kbpf_open(&second, &o, why), -EBUSY);
	assert_non_null(strstr(why, "another kedge"));
	assert_pinned(true);
	kbpf_close(bpf);
}

static void pins_of_the_dead_are_replaced(void **state)
{
	struct kbpf_opts o = opts;
	struct kbpf *bpf;
	pid_t child;
	int status;

	o.pin = PINS;
	child = fork();
	if (!child)
		_exit(kbpf_open(&bpf, &o, why) ? 1 : 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_pinned(true);
	assert_opens(&bpf, &o);
	assert_pinned(true);
	kbpf_close(bpf);
	assert_pinned(false);
	rmdir(PINS);
}

static void not_a_bpffs(void **state)
{
	struct kbpf_opts o = opts;
	char dir[] = "/tmp/kedge-test-XXXXXX";
	struct kbpf *bpf;

	assert_non_null(mkdtemp(dir));
	o.pin = dir;
	assert_int_equal(kbpf_open(&bpf, &o, why), -EINVAL);
	assert_non_null(strstr(why, "bpffs"));
	rmdir(dir);
}

static void not_a_cgroup(void **state)
{
	struct kbpf_opts o = opts;
	struct kbpf *bpf;

	o.cgroup = "/nonexistent";
	assert_int_equal(kbpf_open(&bpf, &o, why), -ENOENT);
	assert_non_null(strstr(why, "/nonexistent"));
	o.cgroup = "/tmp";
	assert_int_equal(kbpf_open(&bpf, &o, why), -EINVAL);
	assert_non_null(strstr(why, "not a cgroup v2"));
}

static void our_own_cgroup_is_found(void **state)
{
	struct kbpf_opts o = opts;
	struct kbpf *bpf;

	o.cgroup = NULL;
	assert_opens(&bpf, &o);
	kbpf_close(bpf);
}

/* Without capabilities, in a child: the refusal names them. */
static void no_capabilities(void **state)
{
	pid_t child = fork();
	struct kbpf *bpf;
	int status;

	if (!child) {
		int err;

		if (setresuid(65534, 65534, 65534))
			_exit(2);
		err = kbpf_open(&bpf, &opts, why);
		_exit(err == -EPERM && strstr(why, "CAP_BPF") && strstr(why, "CAP_NET_ADMIN") ? 0
											      : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Ten flows among three workers: four each. */
static void slots_run_out_and_come_back(void **state)
{
	struct http1_conf conf = {0};
	struct kbpf_flow flow[5];
	struct kbpf *bpf;
	int fd[5];

	assert_opens(&bpf, &opts);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 5; i++) {
			fd[i] = socket(AF_INET, SOCK_STREAM, 0);
			assert_int_equal(kbpf_flow_add(bpf, &flow[i], fd[i], 1, &conf, false),
					 i < 4 ? 0 : -ENOSPC);
		}
		for (int i = 0; i < 5; i++) {
			kbpf_flow_del(bpf, &flow[i]);
			kbpf_flow_del(bpf, &flow[i]); /* not registered any more: nothing happens */
			close(fd[i]);
		}
	}
	kbpf_close(bpf);
}

/* The steps that the verifier took for a program of ours. */
static uint32_t verified(const struct bpf_program *prog)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len), 0);
	return info.verified_insns;
}

/*
 * A verifier gives up after a million steps; a change that comes near will fail on another kernel.
 * The object is loaded here, so that the programs of other kedges do not count.
 */
static void bound_steps(struct bpf_object *obj)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	unsigned programs = 0;

	bpf_object__for_each_map(map, obj) {
		if (bpf_map__type(map) != BPF_MAP_TYPE_SK_STORAGE && !bpf_map__max_entries(map))
			assert_int_equal(bpf_map__set_max_entries(map, 16), 0);
	}
	kbpf_log();
	assert_int_equal(bpf_object__load(obj), 0);
	bpf_object__for_each_program(prog, obj) {
		uint32_t steps = verified(prog);

		printf("measured %s: %u steps of the verifier\n", bpf_program__name(prog), steps);
		assert_in_range(steps, 1, 300000);
		programs++;
	}
	assert_true(programs);
}

static void verified_in_few_steps(void **state)
{
	struct flow_bpf *flow = flow_bpf__open();
	struct peername_bpf *peername = peername_bpf__open();
	struct guard_bpf *guard = guard_bpf__open();

	assert_true(flow && peername && guard);
	bound_steps(flow->obj);
	assert_in_range(verified(flow->progs.kdg_request), 1000, 300000);
	bound_steps(peername->obj);
	bound_steps(guard->obj);
	flow_bpf__destroy(flow);
	peername_bpf__destroy(peername);
	guard_bpf__destroy(guard);
}

/* The program would not see these bytes: nothing may go out unedited. */
static void only_tcp_sockets(void **state)
{
	struct http1_conf conf = {0};
	struct kbpf_flow flow;
	struct kbpf *bpf;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_opens(&bpf, &opts);
	assert_int_equal(kbpf_flow_add(bpf, &flow, fd, 0, &conf, false), -EOPNOTSUPP);
	close(fd);
	kbpf_close(bpf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pins_come_and_go),
		cmocka_unit_test(a_directory_that_was_there_stays),
		cmocka_unit_test(pins_of_the_living_are_respected),
		cmocka_unit_test(pins_of_the_dead_are_replaced),
		cmocka_unit_test(not_a_bpffs),
		cmocka_unit_test(not_a_cgroup),
		cmocka_unit_test(our_own_cgroup_is_found),
		cmocka_unit_test(no_capabilities),
		cmocka_unit_test(slots_run_out_and_come_back),
		cmocka_unit_test(only_tcp_sockets),
		cmocka_unit_test(verified_in_few_steps),
	};

	need_root();
	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kbpf.c: opening and its errors, and the entries of flows. tests/bpf/ tests editing and bypass.
 * The sockops program is attached only to a cgroup that the test has made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf/kbpf.h"
#include "bpf/kbpf_host.h"
#include "tests/lib/child.h"
#include "tests/lib/net.h"
#include "tests/lib/own_ns.h"

static struct kbpf_opts opts;
static struct kbpf *bpf, *common; /* common: for all tests of flows; a load takes long */
static char why[KBPF_WHY_SIZE], pins[80];
static bool root;

/* In place of libbpf's. */
static int delete_fails; /* errno; 0: it works */
static int deleted_from; /* the last map */

int bpf_map_delete_elem(int fd, const void *key)
{
	union bpf_attr attr = {.map_fd = (__u32)fd, .key = (uintptr_t)key};

	deleted_from = fd;
	errno = delete_fails;
	return delete_fails ? -1 : (int)syscall(SYS_bpf, BPF_MAP_DELETE_ELEM, &attr, sizeof(attr));
}

static int group_up(void **state)
{
	(void)state;
	root = own_real_root();
	if (root && own_bpffs_up())
		snprintf(pins, sizeof(pins), "%s/test", own_bpffs);
	return 0;
}

static int group_down(void **state)
{
	(void)state;
	kbpf_close(common);
	if (own_bpffs[0])
		own_bpffs_down();
	return 0;
}

static int up(void **state)
{
	(void)state;
	opts = (struct kbpf_opts){.edit = true, .workers = 2, .flows_max = 6};
	bpf = NULL;
	why[0] = '\0';
	return 0;
}

static int down(void **state)
{
	(void)state;
	if (bpf != common)
		kbpf_close(bpf);
	return pins[0] && !access(pins, F_OK);
}

static void need_root(void)
{
	if (root)
		return;
	print_message("bpf(2) is root's\n");
	skip();
}

static void must_open(void)
{
	need_root();
	if (kbpf_open(&bpf, &opts, why))
		fail_msg("%s", why);
}

/* Two workers with four slots each, and six flows in all. Without bypass the cgroup is not used. */
static void use_common(void)
{
	need_root();
	opts.flows_each = 4;
	opts.cgroup = "/nonexistent";
	if (!common && kbpf_open(&common, &opts, why))
		fail_msg("%s", why);
	bpf = common;
}

/* --- refusals --------------------------------------------------------------------------------- */

static void numbers_that_make_no_sense(void **state)
{
	(void)state;
	opts.workers = 0;
	assert_int_equal(kbpf_open(&bpf, &opts, why), -EINVAL);
	assert_string_equal(why, "BPF maps: 0 workers, 6 flows");
	opts.workers = KEDGE_WORKERS_MAX + 1;
	assert_int_equal(kbpf_open(&bpf, &opts, why), -EINVAL);
	opts.workers = 1;
	opts.flows_max = 0;
	assert_int_equal(kbpf_open(&bpf, &opts, why), -EINVAL);
	assert_string_equal(why, "BPF maps: 1 workers, 0 flows");
	assert_null(bpf);
	kbpf_close(NULL);
	kbpf_unpin(NULL);
}

static int is_refused(void)
{
	if (kbpf_open(&bpf, &opts, why) != -EPERM)
		return 1;
	return strcmp(why, "BPF programs refused: no CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON: run as "
			   "root, or grant them")
		       ? 2
		       : 0;
}

static void without_capabilities(void **state)
{
	(void)state;
	assert_int_equal(as_nobody(is_refused), 0);
}

/* Nothing that was attached or pinned before is left. */
static void a_cgroup_that_is_none(void **state)
{
	(void)state;
	need_root();
	opts.bypass = true;
	opts.cgroup = "/nonexistent";
	opts.pin = pins[0] ? pins : NULL;
	assert_int_equal(kbpf_open(&bpf, &opts, why), -ENOENT);
	assert_string_equal(why, "cgroup /nonexistent: No such file or directory: name a cgroup v2 "
				 "directory that exists");
	assert_null(bpf);
}

/* --- what is opened --------------------------------------------------------------------------- */

static unsigned programs_on(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	__u32 ids[8], count = 8, flags;

	assert_int_equal(bpf_prog_query(fd, BPF_CGROUP_SOCK_OPS, 0, &flags, ids, &count), 0);
	close(fd);
	return count;
}

static bool is_pinned(const char *name, struct stat *st)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", pins, name);
	return !stat(path, st);
}

/* Its pins may go before it does, and it works on without them. */
static void bypass_is_on_its_cgroup_as_long_as_it_is_open(void **state)
{
	const char *cgroup;
	struct stat st;

	(void)state;
	need_root();
	cgroup = pins[0] ? own_cgroup_up() : NULL;
	if (!cgroup)
		skip();
	opts.bypass = true;
	opts.cgroup = cgroup;
	opts.pin = pins;
	must_open();
	assert_int_equal(programs_on(cgroup), 1);
	assert_int_equal(kbpf_give(bpf, 12345, 12345), 0);
	assert_false(is_pinned("kdg_sockops", &st));
	assert_true(is_pinned("kdg_flow", &st));
	assert_int_equal(st.st_uid, 12345);
	kbpf_unpin(bpf);
	assert_int_equal(access(pins, F_OK), -1);
	assert_true(kbpf_may_update(bpf));
	assert_int_equal(programs_on(cgroup), 1);
	kbpf_unpin(bpf);
	assert_int_equal(kbpf_give(bpf, 12345, 12345), 0);
	kbpf_close(bpf);
	bpf = NULL;
	assert_int_equal(programs_on(cgroup), 0);
	own_cgroup_down();
}

static void each_worker_has_a_row(void **state)
{
	(void)state;
	use_common();
	kbpf_stats(bpf, 0)->accepted = 1;
	kbpf_stats(bpf, 1)->accepted = 2;
	assert_int_equal(kbpf_stats(bpf, 0)->accepted, 1);
	assert_int_equal(kbpf_stats(bpf, 1) - kbpf_stats(bpf, 0), 1);
}

/* --- flows ------------------------------------------------------------------------------------ */

static int tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	return fd;
}

static void slots_run_out_and_come_back(void **state)
{
	struct kbpf_flow flow[5], other;
	int fd[6];

	(void)state;
	use_common();
	for (int i = 0; i < 6; i++)
		fd[i] = tcp();
	for (int i = 0; i < 5; i++)
		assert_int_equal(kbpf_flow_add(bpf, &flow[i], fd[i], 1, NULL, false),
				 i < 4 ? 0 : -ENOSPC);
	assert_int_equal(flow[4].cookie, 0);
	kbpf_flow_del(bpf, &flow[4]); /* was never registered */
	/* Another worker has its own. */
	assert_int_equal(kbpf_flow_add(bpf, &other, fd[5], 0, NULL, false), 0);
	kbpf_flow_del(bpf, &other);
	kbpf_flow_del(bpf, &flow[1]);
	kbpf_flow_del(bpf, &flow[1]); /* no slot comes back twice */
	assert_int_equal(kbpf_flow_add(bpf, &flow[1], fd[4], 1, NULL, false), 0);
	assert_int_equal(kbpf_flow_add(bpf, &other, fd[5], 1, NULL, false), -ENOSPC);
	for (int i = 0; i < 4; i++)
		kbpf_flow_del(bpf, &flow[i]);
	for (int i = 0; i < 6; i++)
		close(fd[i]);
}

/* The map of flows is full and slots are left. A failure must not lose a slot. */
static void flows_run_out_before_slots(void **state)
{
	struct kbpf_flow flow[8];
	int fd[8];

	(void)state;
	use_common();
	for (int i = 0; i < 8; i++)
		fd[i] = tcp();
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(kbpf_flow_add(bpf, &flow[i], fd[i], i / 3, NULL, false), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(kbpf_flow_add(bpf, &flow[6], fd[6], 0, NULL, false), -ENOSPC);
	kbpf_flow_del(bpf, &flow[3]);
	kbpf_flow_del(bpf, &flow[4]);
	/* One more than worker 0 had before. */
	assert_int_equal(kbpf_flow_add(bpf, &flow[6], fd[6], 0, NULL, false), 0);
	assert_int_equal(kbpf_flow_add(bpf, &flow[7], fd[7], 0, NULL, false), -ENOSPC);
	for (int i = 0; i < 8; i++)
		kbpf_flow_del(bpf, &flow[i]); /* also those that are gone */
	for (int i = 0; i < 8; i++)
		close(fd[i]);
}

/* kdg_flow is the last map from which a flow is deleted. */
static unsigned rows_of_flows(void)
{
	uint64_t key, next, *at = NULL;
	unsigned n = 0;

	for (; !bpf_map_get_next_key(deleted_from, at, &next); n++) {
		key = next;
		at = &key;
	}
	return n;
}

/* A program could write to the note of its slot. */
static void a_row_that_cannot_be_deleted(void **state)
{
	struct kbpf_flow flow[2];
	int fd[2] = {tcp(), tcp()};

	(void)state;
	use_common();
	assert_int_equal(kbpf_flow_add(bpf, &flow[0], fd[0], 0, NULL, false), 0);
	delete_fails = EBUSY;
	kbpf_flow_del(bpf, &flow[0]);
	assert_int_equal(rows_of_flows(), 1);
	assert_int_equal(kbpf_flow_add(bpf, &flow[1], fd[1], 0, NULL, false), -EBUSY);
	assert_int_equal(kbpf_flow_add(bpf, &flow[1], fd[1], 0, NULL, false), -EBUSY);
	/* Another worker has slots of its own. */
	assert_int_equal(kbpf_flow_add(bpf, &flow[1], fd[1], 1, NULL, false), 0);
	delete_fails = 0;
	kbpf_flow_del(bpf, &flow[1]);
	assert_int_equal(rows_of_flows(), 1);
	assert_int_equal(kbpf_flow_add(bpf, &flow[1], fd[1], 0, NULL, false), 0);
	assert_int_equal(rows_of_flows(), 1);
	kbpf_flow_del(bpf, &flow[1]);
	assert_int_equal(rows_of_flows(), 0);
	close(fd[0]);
	close(fd[1]);
}

/* A sockhash takes unix sockets too, but no program would see their bytes. */
static void only_tcp_sockets(void **state)
{
	struct kbpf_flow flow;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	use_common();
	for (int i = 0; i < 10; i++) { /* more often than there are slots */
		assert_int_equal(kbpf_flow_add(bpf, &flow, fd, 0, NULL, false), -EOPNOTSUPP);
		assert_int_equal(kbpf_flow_add(bpf, &flow, udp, 0, NULL, false), -EOPNOTSUPP);
		assert_int_equal(kbpf_flow_add(bpf, &flow, -1, 0, NULL, false), -EBADF);
	}
	close(fd);
	close(udp);
	fd = tcp();
	assert_int_equal(kbpf_flow_add(bpf, &flow, fd, 0, NULL, false), 0);
	kbpf_flow_del(bpf, &flow);
	close(fd);
}

static void what_the_flow_is_told(void **state)
{
	struct http1_conf conf = {.text_len = 42, .mode = HTTP1_XFF_NEVER};
	struct kbpf_flow flow;
	int fd = tcp();

	(void)state;
	use_common();
	memset(&flow, 0xff, sizeof(flow));
	assert_int_equal(kbpf_flow_add(bpf, &flow, fd, 1, &conf, false), 0);
	assert_int_not_equal(flow.cookie, 0);
	assert_int_equal(flow.worker, 1);
	assert_true(flow.edits);
	assert_int_equal(flow.text_len, 42);
	assert_non_null(flow.note);
	assert_false(kbpf_flow_paired(bpf, &flow));
	flow.note->paired = 1;
	assert_true(kbpf_flow_paired(bpf, &flow));
	kbpf_flow_del(bpf, &flow);
	assert_false(kbpf_flow_paired(bpf, &flow));
	assert_int_equal(flow.cookie, 0);
	/* The next flow does not see the note of the slot's last owner. */
	assert_int_equal(kbpf_flow_add(bpf, &flow, fd, 1, NULL, false), 0);
	assert_false(kbpf_flow_paired(bpf, &flow));
	assert_false(flow.edits);
	kbpf_flow_del(bpf, &flow);
	close(fd);
}

static void only_established_sockets_join(void **state)
{
	struct http1_conf conf = {0};
	struct kbpf_flow flow;
	int fd = tcp(), one, other;

	(void)state;
	use_common();
	assert_int_equal(kbpf_flow_add(bpf, &flow, fd, 0, &conf, false), 0);
	assert_int_equal(kbpf_flow_join(bpf, &flow, fd), -ECONNRESET);
	kbpf_flow_del(bpf, &flow);
	close(fd);
	net_pair(&one, &other, 0);
	assert_int_equal(kbpf_flow_add(bpf, &flow, one, 0, &conf, false), 0);
	assert_int_equal(kbpf_flow_join(bpf, &flow, one), 0);
	kbpf_flow_del(bpf, &flow);
	kbpf_flow_del(bpf, &flow);
	close(one);
	close(other);
}

static void the_answer_to_an_upgrade(void **state)
{
	struct http1_conf conf = {0};
	struct kbpf_flow flow;
	int fd = tcp();

	(void)state;
	use_common();
	assert_int_equal(kbpf_flow_add(bpf, &flow, fd, 0, &conf, false), 0);
	assert_int_equal(kbpf_flow_resume(bpf, &flow, true), -EINVAL); /* nobody waits */
	flow.note->standing = KEDGE_WAITING;
	flow.note->withheld = 9;
	assert_int_equal(kbpf_flow_resume(bpf, &flow, true), 0);
	assert_int_equal(flow.note->command, KEDGE_COMMAND_TUNNEL);
	assert_int_equal(flow.note->standing, KEDGE_TUNNEL);
	assert_int_equal(flow.note->withheld, 0);
	assert_int_equal(kbpf_flow_resume(bpf, &flow, false), -EINVAL);
	flow.note->standing = KEDGE_WAITING;
	assert_int_equal(kbpf_flow_resume(bpf, &flow, false), 0);
	assert_int_equal(flow.note->command, KEDGE_COMMAND_HTTP);
	assert_int_equal(flow.note->standing, KEDGE_BETWEEN);
	kbpf_flow_del(bpf, &flow);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(numbers_that_make_no_sense),
		TEST(without_capabilities),
		TEST(a_cgroup_that_is_none),
		TEST(bypass_is_on_its_cgroup_as_long_as_it_is_open),
		TEST(each_worker_has_a_row),
		TEST(slots_run_out_and_come_back),
		TEST(a_row_that_cannot_be_deleted),
		TEST(flows_run_out_before_slots),
		TEST(only_tcp_sockets),
		TEST(what_the_flow_is_told),
		TEST(only_established_sockets_join),
		TEST(the_answer_to_an_upgrade),
	};

	return cmocka_run_group_tests(tests, group_up, group_down);
}

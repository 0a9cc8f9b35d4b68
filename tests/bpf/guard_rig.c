/* SPDX-License-Identifier: BSD-2-Clause */
#include "guard_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "guard.skel.h"

struct guard_bpf *guard;
int guard_program = -1;

int guard_setup(void **state)
{
	(void)state;
	/* The tests have their own sockets, routes and sysctls. */
	if (unshare(CLONE_NEWNET) || system("ip link set lo up")) {
		fprintf(stderr, "no network namespace of our own: %s\n", strerror(errno));
		return -1;
	}
	guard = guard_bpf__open();
	if (!guard)
		return -1;
	guard->rodata->guard_can_cookie = true;
	if (guard_bpf__load(guard))
		return -1;
	guard_program = bpf_program__fd(guard->progs.kdg_guard);
	return 0;
}

int guard_teardown(void **state)
{
	(void)state;
	guard_bpf__destroy(guard);
	return 0;
}

static void update(struct bpf_map *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY))
		fail_msg("%s: %s", bpf_map__name(map), strerror(errno));
}

void guard_configure(struct kedge_guard_config config)
{
	config.version = KEDGE_GUARD_ABI_VERSION;
	if (!config.lease_ns)
		config.lease_ns = ~0ULL;
	update(guard->maps.kdg_guard_config, &(__u32){0}, &config);
}

void guard_listen(unsigned side, const char *ip, uint16_t port, unsigned set, bool judge)
{
	struct kedge_guard_address key = {.side = side, .port = htons(port)};
	struct kedge_guard_listener value = {.set = set, .judge = judge};

	packet_ip(key.ip, ip);
	update(guard->maps.kdg_guard_listener, &key, &value);
}

void guard_allow(unsigned side, unsigned set, const char *cidr)
{
	struct kedge_guard_prefix key = {.side = side, .set = set};
	const char *slash = strchr(cidr, '/');
	char ip[64];

	snprintf(ip, sizeof(ip), "%.*s", (int)(slash - cidr), cidr);
	packet_ip(key.ip, ip);
	key.prefixlen = 64u + (strchr(ip, ':') ? 0u : 96u) + (unsigned)atoi(slash + 1);
	update(guard->maps.kdg_guard_allow, &key, &(__u8){1});
}

static void clear_map(struct bpf_map *map)
{
	uint8_t key[64];

	while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, key))
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(map), key), 0);
}

/* Any core may add a row at once. */
static void forget_the_newest(void)
{
	uint64_t *never = calloc((size_t)libbpf_num_possible_cpus(), sizeof(*never));

	assert_non_null(never);
	update(guard->maps.kdg_guard_newest, &(__u32){0}, never);
	free(never);
}

void guard_clear(void)
{
	clear_map(guard->maps.kdg_guard_listener);
	clear_map(guard->maps.kdg_guard_allow);
	clear_map(guard->maps.kdg_guard_bucket);
	clear_map(guard->maps.kdg_guard_fragment);
	clear_map(guard->maps.kdg_guard_refused);
	forget_the_newest();
	update(guard->maps.kdg_guard_total, &(__u32){0}, &(struct kedge_guard_bucket){0});
}

void guard_rig_counters(uint64_t counts[KEDGE_GUARD_COUNTS])
{
	int cores = libbpf_num_possible_cpus();
	struct kedge_guard_stats *rows = calloc((size_t)cores, sizeof(*rows));
	__u32 only = 0;

	assert_non_null(rows);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(guard->maps.kdg_guard_stats), &only, rows),
			 0);
	memset(counts, 0, KEDGE_GUARD_COUNTS * sizeof(*counts));
	for (int i = 0; i < cores; i++)
		for (unsigned c = 0; c < KEDGE_GUARD_COUNTS; c++)
			counts[c] += ((uint64_t *)&rows[i])[c];
	free(rows);
}

const char *guard_counter_name(unsigned count)
{
	static const char *const names[] = {
#define X(name, text) #name,
#include "kedge/guard_stats.def"
#undef X
	};

	return count < KEDGE_GUARD_COUNTS ? names[count] : "none";
}

unsigned guard_rig_run(const void *bytes, size_t len, unsigned *count)
{
	uint64_t before[KEDGE_GUARD_COUNTS], after[KEDGE_GUARD_COUNTS];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = (__u32)len);
	unsigned rose = 0;

	*count = KEDGE_GUARD_COUNTS;
	guard_rig_counters(before);
	if (bpf_prog_test_run_opts(guard_program, &opts))
		fail_msg("BPF_PROG_TEST_RUN of %zu bytes: %s", len, strerror(errno));
	guard_rig_counters(after);
	for (unsigned c = 0; c < KEDGE_GUARD_COUNTS; c++) {
		rose += (unsigned)(after[c] - before[c]);
		if (after[c] != before[c])
			*count = c;
	}
	assert_int_equal(rose, 1);
	return opts.retval;
}

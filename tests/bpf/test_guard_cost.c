/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cost of the guard: nanoseconds per packet by verdict, and the number of instructions that
 * this kernel's verifier walked. The figures are printed. The test checks the verdicts, and a bound
 * on the verifier's work that is far below its limit of a million.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>

#include "guard_rig.h"
#include "leg.h"

#define ROUNDS          11
#define REPEAT_MAX      1000000
#define VERIFIED_MAX    100000
#define INSTRUCTION_MAX 2500 /* as loaded, of 8 bytes each */
#define SOURCES         1000 /* allowed prefixes of each family */

#define HERE4     "192.0.2.1"
#define HERE6     "2001:db8::1"
#define STRANGER4 "203.0.113.9"
#define STRANGER6 "2001:db8:dead::9"

struct kind {
	const char *what;
	struct packet_spec packet;
	unsigned verdict;
};

#define TCP(from_, to_, port, flags_) .from = from_, .to = to_, .to_port = port, .flags = flags_

static const struct kind kinds[] = {
	{"pass, no IP", {TCP(STRANGER4, HERE4, 443, SYN), .ethertype = 0x0806}, XDP_PASS},
	{"pass, UDP", {TCP(STRANGER4, HERE4, 443, 0), .protocol = 17}, XDP_PASS},
	{"pass, UDP, IPv6", {TCP(STRANGER6, HERE6, 443, 0), .protocol = 17}, XDP_PASS},
	{"pass, TCP to another port", {TCP(STRANGER4, HERE4, 22, ACK)}, XDP_PASS},
	{"pass, the same, IPv6", {TCP(STRANGER6, HERE6, 22, ACK)}, XDP_PASS},
	{"pass, the same behind four headers",
	 {TCP(STRANGER6, HERE6, 22, ACK), .ext = "hddd"},
	 XDP_PASS},
	{"allow, data", {TCP("10.7.0.1", HERE4, 443, ACK), .data = 1000}, XDP_PASS},
	{"allow, data, IPv6", {TCP("2001:db8:7::1", HERE6, 443, ACK), .data = 1000}, XDP_PASS},
	{"allow, SYN", {TCP("10.7.0.1", HERE4, 443, SYN)}, XDP_PASS},
	{"allow, SYN, IPv6", {TCP("2001:db8:7::1", HERE6, 443, SYN)}, XDP_PASS},
	{"drop, SYN of a stranger", {TCP(STRANGER4, HERE4, 443, SYN)}, XDP_DROP},
	{"drop, the same, IPv6", {TCP(STRANGER6, HERE6, 443, SYN)}, XDP_DROP},
	{"drop, data of a stranger", {TCP(STRANGER4, HERE4, 443, ACK)}, XDP_DROP},
};

static unsigned repeat(void)
{
	const char *text = getenv("KEDGE_GUARD_REPEAT");
	unsigned n = text ? (unsigned)atoi(text) : 100000;

	return n && n < REPEAT_MAX ? n : REPEAT_MAX;
}

/* Limits that are never reached, so that each SYN looks at both buckets. */
static int rules(void **state)
{
	char cidr[40];

	(void)state;
	guard_clear();
	guard_listen(0, HERE4, 443, 1, true);
	guard_listen(0, HERE6, 443, 1, true);
	guard_listen(0, "0.0.0.0", 8443, 1, true);
	for (unsigned i = 0; i < SOURCES; i++) {
		snprintf(cidr, sizeof(cidr), "10.%u.%u.0/24", i / 256, i % 256);
		guard_allow(0, 1, cidr);
		snprintf(cidr, sizeof(cidr), "2001:db8:%x::/48", i);
		guard_allow(0, 1, cidr);
	}
	guard_allow(0, 1, "10.7.0.0/16");
	guard_configure((struct kedge_guard_config){.source_rate = 1000000000,
						    .source_burst = 1000000000,
						    .source_bits_v4 = 32,
						    .source_bits_v6 = 64,
						    .total_rate = 1000000000,
						    .total_burst = 1000000000});
	return 0;
}

static int compare(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return x < y ? -1 : x > y;
}

/* The median of some rounds. */
static __u32 cost(const struct kind *k)
{
	__u32 each[ROUNDS];
	struct packet p;

	packet_make(&p, &k->packet);
	for (int i = 0; i < ROUNDS; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p.bytes,
			    .data_size_in = (__u32)p.len, .repeat = (int)repeat());

		assert_int_equal(bpf_prog_test_run_opts(guard_program, &opts), 0);
		if (opts.retval != k->verdict)
			fail_msg("%s: verdict %u", k->what, opts.retval);
		each[i] = opts.duration;
	}
	qsort(each, ROUNDS, sizeof(*each), compare);
	return each[ROUNDS / 2];
}

static void packets(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		printf("measured kdg_guard: %s: %u ns\n", kinds[i].what, cost(&kinds[i]));
}

/* A flood comes from ever new addresses. Measured by the kernel, which reads the clock twice. */
static void flood(void **state)
{
	struct packet_spec s = {TCP(STRANGER4, HERE4, 443, SYN)};
	int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	struct bpf_prog_info before = {0}, after = {0};
	__u32 len = sizeof(before);
	struct packet p;
	unsigned count;

	(void)state;
	assert_true(stats >= 0);
	packet_make(&p, &s);
	assert_int_equal(bpf_obj_get_info_by_fd(guard_program, &before, &len), 0);
	for (uint32_t i = 0; i < repeat(); i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p.bytes,
			    .data_size_in = (__u32)p.len);

		memcpy(p.bytes + p.l3 + 12, &(uint32_t){i * 2654435761u | 0xc0}, 4);
		assert_int_equal(bpf_prog_test_run_opts(guard_program, &opts), 0);
	}
	assert_int_equal(bpf_obj_get_info_by_fd(guard_program, &after, &len), 0);
	assert_int_equal(guard_rig_run(p.bytes, p.len, &count), XDP_DROP);
	printf("measured kdg_guard: drop, SYN of ever another stranger: %.0f ns\n",
	       (double)(after.run_time_ns - before.run_time_ns) /
		       (double)(after.run_cnt - before.run_cnt));
	close(stats);
}

static void instructions(void **state)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	(void)state;
	assert_int_equal(bpf_obj_get_info_by_fd(guard_program, &info, &len), 0);
	printf("measured kdg_guard: %u instructions, %u verified\n", info.xlated_prog_len / 8,
	       info.verified_insns);
	assert_in_range(info.xlated_prog_len / 8, 1, INSTRUCTION_MAX);
	assert_in_range(info.verified_insns, 1, VERIFIED_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(packets, rules),
		cmocka_unit_test_setup(flood, rules),
		cmocka_unit_test(instructions),
	};

	need_root();
	return cmocka_run_group_tests(tests, guard_setup, guard_teardown);
}

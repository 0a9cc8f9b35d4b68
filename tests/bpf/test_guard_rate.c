/* SPDX-License-Identifier: BSD-2-Clause */
/* The limits on new connections: of one source prefix, and of all together. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "guard.skel.h"
#include "guard_rig.h"
#include "leg.h"

#define HERE4 "192.0.2.1"
#define HERE6 "2001:db8::1"

#define COUNT(name) KEDGE_GUARD_COUNT_##name

static int rules(void **state)
{
	(void)state;
	guard_clear();
	guard_configure((struct kedge_guard_config){0});
	guard_listen(0, HERE4, 443, 1, true);
	guard_listen(0, HERE6, 443, 1, true);
	guard_listen(0, HERE4, 80, 2, false);
	guard_allow(0, 1, "10.0.0.0/8");
	guard_allow(0, 1, "2001:db8::/32");
	return 0;
}

static unsigned connect_from(const char *from, unsigned *count)
{
	struct packet_spec s = {.from = from, .to_port = 443, .flags = SYN};
	struct packet p;

	s.to = strchr(from, ':') ? HERE6 : HERE4;
	packet_make(&p, &s);
	return guard_rig_run(p.bytes, p.len, count);
}

static void expect(const char *from, unsigned count)
{
	unsigned counted, verdict = connect_from(from, &counted);

	if (counted != count || verdict != (count == COUNT(allowed) ? XDP_PASS : XDP_DROP))
		fail_msg("from %s: verdict %u and %s, wanted %s", from, verdict,
			 guard_counter_name(counted), guard_counter_name(count));
}

/*
 * Connects until it is refused for `reason`: `burst` times, and once more for each second that
 * passed meanwhile, which is none unless the machine is very slow.
 */
static void expect_burst(const char *from, unsigned burst, unsigned reason)
{
	uint64_t began = monotonic_ns();
	unsigned passed = 0, count;

	while (connect_from(from, &count) == XDP_PASS && count == COUNT(allowed))
		passed++;
	assert_int_equal(count, reason);
	assert_true(passed >= burst);
	assert_true(passed <= burst + (monotonic_ns() - began) / 1000000000);
}

static struct kedge_guard_config source_limit(uint64_t burst)
{
	return (struct kedge_guard_config){.source_rate = 1,
					   .source_burst = burst,
					   .source_bits_v4 = 24,
					   .source_bits_v6 = 64};
}

static void source_key(struct kedge_guard_source *key, const char *from, size_t zeros)
{
	packet_ip(key->ip, from);
	memset(key->ip + 16 - zeros, 0, zeros);
}

static uint64_t source_full_ns(const char *from, size_t zeros)
{
	struct kedge_guard_bucket bucket;
	struct kedge_guard_source key;

	source_key(&key, from, zeros);
	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(guard->maps.kdg_guard_bucket), &key, &bucket), 0);
	return bucket.full_ns;
}

static void set_source(const char *from, size_t zeros, uint64_t full_ns)
{
	struct kedge_guard_bucket bucket = {.full_ns = full_ns};
	struct kedge_guard_source key;

	source_key(&key, from, zeros);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(guard->maps.kdg_guard_bucket), &key,
					     &bucket, BPF_ANY),
			 0);
}

static uint64_t total_full_ns(void)
{
	struct kedge_guard_bucket bucket;

	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(guard->maps.kdg_guard_total), &(__u32){0}, &bucket),
		0);
	return bucket.full_ns;
}

static void without_limits_any_number_passes(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++)
		expect("10.0.0.1", COUNT(allowed));
}

static void a_burst_passes_and_no_more(void **state)
{
	(void)state;
	guard_configure(source_limit(5));
	expect_burst("10.0.0.1", 5, COUNT(rate_source));
	expect_burst("2001:db8::7", 5, COUNT(rate_source));
	rules(NULL);
	guard_configure(source_limit(1));
	expect_burst("10.0.0.1", 1, COUNT(rate_source));
}

static void prefixes_have_their_own(void **state)
{
	(void)state;
	guard_configure(source_limit(2));
	expect_burst("10.0.0.1", 2, COUNT(rate_source));
	set_source("10.0.0.1", 1, monotonic_ns() + 100000000000);
	expect("10.0.0.255", COUNT(rate_source));
	expect("10.0.1.0", COUNT(allowed));
	set_source("2001:db8::1", 8, monotonic_ns() + 100000000000);
	expect("2001:db8::ffff:1", COUNT(rate_source));
	expect("2001:db8:0:1::", COUNT(allowed));
}

static void expect_shared(unsigned bits_v4, unsigned bits_v6, const char *one, const char *other,
			  bool shared)
{
	struct kedge_guard_config config = source_limit(1);

	rules(NULL);
	config.source_bits_v4 = bits_v4;
	config.source_bits_v6 = bits_v6;
	guard_configure(config);
	expect(one, COUNT(allowed));
	expect(other, shared ? COUNT(rate_source) : COUNT(allowed));
}

static void prefixes_of_every_length(void **state)
{
	(void)state;
	expect_shared(32, 128, "10.0.0.0", "10.0.0.1", false);
	expect_shared(32, 128, "10.0.0.1", "10.0.0.1", true);
	expect_shared(31, 128, "10.0.0.0", "10.0.0.1", true);
	expect_shared(31, 128, "10.0.0.1", "10.0.0.2", false);
	expect_shared(17, 128, "10.0.0.0", "10.0.127.255", true);
	expect_shared(17, 128, "10.0.127.255", "10.0.128.0", false);
	expect_shared(0, 128, "10.0.0.1", "10.255.0.1", true);
	expect_shared(0, 0, "10.0.0.1", "2001:db8::1", false);
	expect_shared(32, 128, "2001:db8::", "2001:db8::1", false);
	expect_shared(32, 127, "2001:db8::", "2001:db8::1", true);
	expect_shared(32, 64, "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", true);
	expect_shared(32, 64, "2001:db8::", "2001:db8:0:1::", false);
	expect_shared(32, 33, "2001:db8::", "2001:db8:7fff::", true);
	expect_shared(32, 33, "2001:db8:7fff::", "2001:db8:8000::", false);
	expect_shared(32, 0, "2001:db8::", "2001:db8:8000::", true);
}

/* The effect of time on a bucket, by setting the time when it is full. */
static void buckets_fill_with_time(void **state)
{
	const uint64_t second = 1000000000;

	(void)state;
	guard_configure(source_limit(4));
	set_source("10.0.0.1", 1, monotonic_ns() + 100 * second);
	expect("10.0.0.1", COUNT(rate_source));
	set_source("10.0.0.1", 1, monotonic_ns() + 3 * second); /* one token of four is there */
	expect("10.0.0.1", COUNT(allowed));
	assert_true(source_full_ns("10.0.0.1", 1) <= monotonic_ns() + 4 * second);
	assert_true(source_full_ns("10.0.0.1", 1) + 60 * second > monotonic_ns() + 4 * second);
	/* Full for a long time: it holds one burst, not more. */
	set_source("10.0.0.1", 1, 1);
	expect_burst("10.0.0.1", 4, COUNT(rate_source));
}

static void a_token_comes_when_it_is_time(void **state)
{
	struct kedge_guard_config config = source_limit(1);
	uint64_t began;
	unsigned count;

	(void)state;
	config.source_rate = 20;
	guard_configure(config);
	began = monotonic_ns();
	expect("10.0.0.1", COUNT(allowed));
	do {
		assert_true(monotonic_ns() - began < 10000000000);
	} while (connect_from("10.0.0.1", &count) != XDP_PASS);
	assert_true(monotonic_ns() - began >= 50000000);
}

static void in_all(void **state)
{
	char from[20];
	unsigned passed = 0, count = COUNT(allowed);
	uint64_t began = monotonic_ns();

	(void)state;
	guard_configure((struct kedge_guard_config){.total_rate = 1, .total_burst = 10});
	while (count == COUNT(allowed)) {
		snprintf(from, sizeof(from), "10.%u.0.1", passed);
		if (connect_from(from, &count) == XDP_PASS)
			passed++;
	}
	assert_int_equal(count, COUNT(rate_total));
	assert_in_range(passed, 10, 10 + (monotonic_ns() - began) / 1000000000);
	expect("2001:db8::1", COUNT(rate_total));
}

static void a_refusal_takes_no_token_of_the_other(void **state)
{
	struct kedge_guard_config config = source_limit(1);
	uint64_t full;

	(void)state;
	config.total_rate = 1;
	config.total_burst = 3;
	guard_configure(config);
	expect("10.0.0.1", COUNT(allowed));
	full = total_full_ns();
	set_source("10.0.0.1", 1, monotonic_ns() + 100000000000);
	expect("10.0.0.1", COUNT(rate_source));
	assert_int_equal(total_full_ns(), full);
	config.total_burst = 1;
	guard_configure(config);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(guard->maps.kdg_guard_total), &(__u32){0},
					     &(uint64_t){monotonic_ns() + 100000000000}, BPF_ANY),
			 0);
	expect("10.0.1.1", COUNT(rate_total));
	assert_int_equal(source_full_ns("10.0.1.1", 1), 0);
}

static void only_new_connections_are_limited(void **state)
{
	struct packet_spec s = {.from = "10.0.0.1", .to = HERE4, .to_port = 443};
	static const uint8_t flags[] = {ACK, SYN | ACK, RST, FIN | ACK};
	struct packet p;
	unsigned count;

	(void)state;
	guard_configure(source_limit(1));
	expect_burst("10.0.0.1", 1, COUNT(rate_source));
	for (size_t i = 0; i < sizeof(flags); i++) {
		s.flags = flags[i];
		packet_make(&p, &s);
		assert_int_equal(guard_rig_run(p.bytes, p.len, &count), XDP_PASS);
		assert_int_equal(count, COUNT(allowed));
	}
	/* Strangers take nothing. */
	expect("11.0.0.1", COUNT(stranger));
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(guard->maps.kdg_guard_bucket),
					     &(struct kedge_guard_source){{[10] = 0xff, 0xff, 11}},
					     &(uint64_t){0}),
			 -ENOENT);
}

static void a_listener_for_all_is_limited(void **state)
{
	struct packet_spec s = {.from = "11.0.0.1", .to = HERE4, .to_port = 80, .flags = SYN};
	struct packet p;
	unsigned count;

	(void)state;
	guard_configure(source_limit(1));
	packet_make(&p, &s);
	assert_int_equal(guard_rig_run(p.bytes, p.len, &count), XDP_PASS);
	assert_int_equal(guard_rig_run(p.bytes, p.len, &count), XDP_DROP);
	assert_int_equal(count, COUNT(rate_source));
}

static void observed_limits_drop_nothing(void **state)
{
	struct kedge_guard_config config = source_limit(1);
	struct kedge_guard_refused row;
	uint8_t key[16];
	unsigned count;

	(void)state;
	config.flags = KEDGE_GUARD_OBSERVE | KEDGE_GUARD_COOKIES;
	guard_configure(config);
	expect("10.0.0.1", COUNT(allowed));
	assert_int_equal(connect_from("10.0.0.1", &count), XDP_PASS);
	assert_int_equal(count, COUNT(rate_source));
	packet_ip(key, "10.0.0.1");
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(guard->maps.kdg_guard_refused), key, &row),
			 0);
	assert_int_equal(row.reason, COUNT(rate_source));
}

#define THREADS 4
#define REPEAT  400000 /* long enough that the threads do run at the same time */

static void *flood(void *arg)
{
	struct packet_spec s = {.from = "10.0.0.1", .to = HERE4, .to_port = 443, .flags = SYN};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .repeat = REPEAT);
	struct packet p;

	packet_make(&p, &s);
	opts.data_in = p.bytes;
	opts.data_size_in = (__u32)p.len;
	*(int *)arg = bpf_prog_test_run_opts(guard_program, &opts);
	return NULL;
}

static void flood_at_once(void)
{
	pthread_t threads[THREADS];
	int err[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, flood, &err[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(err[i], 0);
	}
}

/* Cores that race may each take one token too many, but only once. */
static void cores_share_a_bucket(void **state)
{
	uint64_t before[KEDGE_GUARD_COUNTS], after[KEDGE_GUARD_COUNTS], began = monotonic_ns();
	uint64_t passed;

	(void)state;
	guard_configure(source_limit(1000));
	guard_rig_counters(before);
	flood_at_once();
	guard_rig_counters(after);
	passed = after[COUNT(allowed)] - before[COUNT(allowed)];
	assert_int_equal(passed + after[COUNT(rate_source)] - before[COUNT(rate_source)],
			 THREADS * REPEAT);
	assert_in_range(passed, 1000, 1000 + THREADS - 1 + (monotonic_ns() - began) / 1000000000);
}

/* Each token is counted, even if many are taken at the same moment. */
static void no_token_is_taken_unpaid(void **state)
{
	struct kedge_guard_config config = source_limit(10 * THREADS * REPEAT);
	const uint64_t cost = (uint64_t)THREADS * REPEAT * 1000000000;
	uint64_t began = monotonic_ns();

	(void)state;
	config.total_rate = 1;
	config.total_burst = config.source_burst;
	guard_configure(config);
	flood_at_once();
	assert_in_range(total_full_ns(), began + cost, monotonic_ns() + cost);
	assert_in_range(source_full_ns("10.0.0.1", 1), began + cost, monotonic_ns() + cost);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(without_limits_any_number_passes, rules),
		cmocka_unit_test_setup(a_burst_passes_and_no_more, rules),
		cmocka_unit_test_setup(prefixes_have_their_own, rules),
		cmocka_unit_test_setup(prefixes_of_every_length, rules),
		cmocka_unit_test_setup(buckets_fill_with_time, rules),
		cmocka_unit_test_setup(a_token_comes_when_it_is_time, rules),
		cmocka_unit_test_setup(in_all, rules),
		cmocka_unit_test_setup(a_refusal_takes_no_token_of_the_other, rules),
		cmocka_unit_test_setup(only_new_connections_are_limited, rules),
		cmocka_unit_test_setup(a_listener_for_all_is_limited, rules),
		cmocka_unit_test_setup(observed_limits_drop_nothing, rules),
		cmocka_unit_test_setup(cores_share_a_bucket, rules),
		cmocka_unit_test_setup(no_token_is_taken_unpaid, rules),
	};

	need_root();
	return cmocka_run_group_tests(tests, guard_setup, guard_teardown);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guard's verdicts that depend on more than the frame: sockets, routes, earlier fragments,
 * replaced rules, refused sources.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "guard.skel.h"
#include "guard_rig.h"
#include "leg.h"

#define HERE4     "192.0.2.1"
#define HERE6     "2001:db8::1"
#define FRIEND4   "10.1.2.3"
#define STRANGER4 "203.0.113.9"
#define STRANGER6 "2001:db8:dead::9"

#define COUNT(name) KEDGE_GUARD_COUNT_##name

static void expect(const struct packet_spec *s, unsigned verdict, unsigned count)
{
	unsigned counted, got;
	struct packet p;

	packet_make(&p, s);
	got = guard_rig_run(p.bytes, p.len, &counted);
	if (got != verdict || counted != count)
		fail_msg("%s -> %s:%u: verdict %u and %s, wanted %u and %s", s->from, s->to,
			 s->to_port, got, guard_counter_name(counted), verdict,
			 guard_counter_name(count));
}

static int rules(void **state)
{
	(void)state;
	guard_clear();
	guard_configure((struct kedge_guard_config){0});
	guard_listen(0, HERE4, 443, 1, true);
	guard_listen(0, HERE6, 443, 1, true);
	guard_allow(0, 1, "10.0.0.0/8");
	return 0;
}

/* Both ends of a connection over loopback, and the listener. */
struct connection {
	union addr listener, client;
	int fds[3];
};

static void connection_open(struct connection *c, const char *where)
{
	const char *why;
	socklen_t len;

	assert_int_equal(addr_parse(&c->listener, where, &why), 0);
	len = addr_len(&c->listener);
	c->fds[0] = socket(c->listener.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	c->fds[1] = socket(c->listener.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(c->fds[0], &c->listener.sa, len), 0);
	assert_int_equal(listen(c->fds[0], 5), 0);
	assert_int_equal(getsockname(c->fds[0], &c->listener.sa, &len), 0);
	assert_int_equal(connect(c->fds[1], &c->listener.sa, len), 0);
	assert_int_equal(getsockname(c->fds[1], &c->client.sa, &len), 0);
	c->fds[2] = accept4(c->fds[0], NULL, NULL, SOCK_CLOEXEC);
	assert_true(c->fds[2] >= 0);
}

static void connection_close(struct connection *c)
{
	for (int i = 0; i < 3; i++)
		close(c->fds[i]);
}

static void expect_established(const char *where, const char *ip)
{
	struct packet_spec s = {.from = ip, .to = ip, .flags = ACK};
	struct connection c;

	connection_open(&c, where);
	s.to_port = addr_port(&c.listener);
	s.from_port = addr_port(&c.client);
	guard_listen(0, ip, s.to_port, 1, true);
	expect(&s, XDP_PASS, COUNT(established));
	/* A second connection with the same tuple would be a new one. */
	s.flags = SYN;
	expect(&s, XDP_DROP, COUNT(stranger));
	/* The listener alone is no connection. */
	s.flags = ACK;
	s.from_port = (uint16_t)(s.from_port ^ 1);
	expect(&s, XDP_DROP, COUNT(stranger_data));
	connection_close(&c);
}

static void accepted_connections_go_on(void **state)
{
	(void)state;
	expect_established("127.0.0.1:0", "127.0.0.1");
	expect_established("[::1]:0", "::1");
}

/* While a connection closes, its last packets still belong to it. */
static void closed_connections_end_in_peace(void **state)
{
	struct packet_spec s = {.from = "127.0.0.1", .to = "127.0.0.1", .flags = ACK | FIN};
	struct connection c;
	char byte;

	(void)state;
	connection_open(&c, "127.0.0.1:0");
	s.to_port = addr_port(&c.listener);
	s.from_port = addr_port(&c.client);
	guard_listen(0, s.to, s.to_port, 1, true);
	close(c.fds[2]);
	assert_int_equal(read(c.fds[1], &byte, 1), 0);
	expect(&s, XDP_PASS, COUNT(established));
	close(c.fds[1]); /* TIME_WAIT at the listener's side */
	expect(&s, XDP_PASS, COUNT(established));
	close(c.fds[0]);
}

static void replaced_rules_hold_at_once(void **state)
{
	struct packet_spec old = {.from = FRIEND4, .to = HERE4, .to_port = 443, .flags = SYN};
	struct packet_spec fresh = {.from = STRANGER4, .to = HERE4, .to_port = 443, .flags = SYN};

	(void)state;
	guard_listen(1, HERE4, 443, 1, true);
	guard_allow(1, 1, "203.0.113.0/24");
	expect(&old, XDP_PASS, COUNT(allowed));
	expect(&fresh, XDP_DROP, COUNT(stranger));
	guard_configure((struct kedge_guard_config){.side = 1});
	expect(&old, XDP_DROP, COUNT(stranger));
	expect(&fresh, XDP_PASS, COUNT(allowed));
}

static void no_rules_pass_everything(void **state)
{
	struct packet_spec s = {.from = STRANGER4, .to = HERE4, .to_port = 443, .flags = SYN};
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct kedge_guard_config none = {.lease_ns = ~0ULL};
	struct packet p;

	(void)state;
	guard_clear();
	expect(&s, XDP_PASS, COUNT(other));
	/* Nor does a configuration of another layout count. */
	rules(NULL);
	none.version = KEDGE_GUARD_ABI_VERSION + 1;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(guard->maps.kdg_guard_config), &(__u32){0},
					     &none, BPF_ANY),
			 0);
	packet_make(&p, &s);
	opts.data_in = p.bytes;
	opts.data_size_in = (__u32)p.len;
	assert_int_equal(bpf_prog_test_run_opts(guard_program, &opts), 0);
	assert_int_equal(opts.retval, XDP_PASS);
}

static void the_lease_is_of_this_clock(void **state)
{
	struct packet_spec s = {.from = STRANGER4, .to = HERE4, .to_port = 443, .flags = SYN};

	(void)state;
	guard_configure((struct kedge_guard_config){.lease_ns = monotonic_ns() + 600000000000});
	expect(&s, XDP_DROP, COUNT(stranger));
	guard_configure((struct kedge_guard_config){.lease_ns = monotonic_ns() - 1000000000});
	expect(&s, XDP_PASS, COUNT(expired));
}

static void follow(const char *from, const char *to, const char *ext)
{
	struct packet_spec s = {.from = from, .to = to, .to_port = 443, .flags = SYN, .ext = ext};
	struct packet_spec first, later, last;

	s.id = 0x1234;
	first = later = last = s;
	first.fragment = MORE;
	later.fragment = MORE | 10;
	last.fragment = 20;
	expect(&later, XDP_PASS, COUNT(other));
	expect(&first, XDP_DROP, COUNT(stranger));
	expect(&later, XDP_DROP, COUNT(fragment_later));
	expect(&last, XDP_DROP, COUNT(fragment_later));
	/* Of another datagram. */
	last.id++;
	expect(&last, XDP_PASS, COUNT(other));
	last.id = s.id;
	last.protocol = 17;
	expect(&last, XDP_PASS, COUNT(other));
	/* A datagram of the same number, for somebody else. */
	first.to_port = 22;
	expect(&first, XDP_PASS, COUNT(other));
	expect(&later, XDP_PASS, COUNT(other));
}

static void later_fragments_follow_the_first(void **state)
{
	struct packet_spec s = {.from = STRANGER4, .to = HERE4, .to_port = 443, .flags = SYN};
	struct packet_spec later;
	uint64_t long_ago = monotonic_ns() - 2000000000;
	struct kedge_guard_datagram key = {.id = htons(7), .protocol = IPPROTO_TCP};

	(void)state;
	guard_configure((struct kedge_guard_config){.flags = KEDGE_GUARD_FOLLOW});
	follow(STRANGER4, HERE4, NULL);
	follow(STRANGER6, HERE6, "f");
	follow(STRANGER6, HERE6, "hf");
	/* Datagram ids are reused. */
	packet_ip(key.from, s.from);
	packet_ip(key.to, s.to);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(guard->maps.kdg_guard_fragment), &key,
					     &long_ago, BPF_ANY),
			 0);
	later = s;
	later.id = 7;
	later.fragment = 10;
	expect(&later, XDP_PASS, COUNT(other));
	/* Not any more, though one is remembered. */
	later.id = 0x1234;
	s.fragment = MORE;
	s.id = 0x1234;
	guard_configure((struct kedge_guard_config){.flags = KEDGE_GUARD_FOLLOW});
	expect(&s, XDP_DROP, COUNT(stranger));
	guard_configure((struct kedge_guard_config){0});
	expect(&later, XDP_PASS, COUNT(other));
	s.id = 8;
	expect(&s, XDP_DROP, COUNT(stranger));
	later.id = 8;
	expect(&later, XDP_PASS, COUNT(other));
}

static void observed_fragments_pass(void **state)
{
	struct packet_spec s = {.from = STRANGER4, .to = HERE4, .to_port = 443, .flags = SYN};

	(void)state;
	guard_configure(
		(struct kedge_guard_config){.flags = KEDGE_GUARD_FOLLOW | KEDGE_GUARD_OBSERVE});
	s.fragment = MORE;
	expect(&s, XDP_PASS, COUNT(stranger));
	s.fragment = 10;
	expect(&s, XDP_PASS, COUNT(fragment_later));
	guard_configure((struct kedge_guard_config){.flags = KEDGE_GUARD_FOLLOW, .lease_ns = 1});
	expect(&s, XDP_PASS, COUNT(expired));
}

static void expect_refused(const char *who, unsigned packets, unsigned reason)
{
	struct kedge_guard_refused row;
	uint64_t now = monotonic_ns();
	uint8_t key[16];

	packet_ip(key, who);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(guard->maps.kdg_guard_refused), key, &row),
			 0);
	assert_int_equal(row.packets, packets);
	assert_int_equal(row.reason, reason);
	assert_true(row.last_ns <= now && now - row.last_ns < 60000000000);
}

static void the_refused_are_remembered(void **state)
{
	struct packet_spec s = {.from = STRANGER4, .to = HERE4, .to_port = 443, .flags = SYN};
	uint8_t key[16];

	(void)state;
	expect(&s, XDP_DROP, COUNT(stranger));
	expect(&s, XDP_DROP, COUNT(stranger));
	expect_refused(STRANGER4, 2, COUNT(stranger));
	s.flags = ACK;
	expect(&s, XDP_DROP, COUNT(stranger_data));
	expect_refused(STRANGER4, 3, COUNT(stranger_data));
	usleep(1000);
	s = (struct packet_spec){.from = STRANGER6, .to = HERE6, .to_port = 443, .flags = SYN};
	expect(&s, XDP_DROP, COUNT(stranger));
	expect_refused(STRANGER6, 1, COUNT(stranger));
	s = (struct packet_spec){.from = FRIEND4, .to = HERE4, .to_port = 443, .flags = SYN};
	expect(&s, XDP_PASS, COUNT(allowed));
	packet_ip(key, FRIEND4);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(guard->maps.kdg_guard_refused), key,
					     &(struct kedge_guard_refused){0}),
			 -ENOENT);
}

/* Each core adds a row in 100 us, so there may be one at once of each. */
static void ever_new_ones_are_not_all_remembered(void **state)
{
	struct packet_spec s = {.from = STRANGER4, .to = HERE4, .to_port = 443, .flags = SYN};
	uint64_t rows = 0, began = monotonic_ns();
	struct packet p;
	unsigned count;
	uint8_t key[16];

	(void)state;
	packet_make(&p, &s);
	for (unsigned i = 0; i < 1000; i++) {
		p.bytes[p.l3 + 14] = (uint8_t)(i >> 8);
		p.bytes[p.l3 + 15] = (uint8_t)i;
		assert_int_equal(guard_rig_run(p.bytes, p.len, &count), XDP_DROP);
	}
	for (const void *at = NULL;
	     !bpf_map_get_next_key(bpf_map__fd(guard->maps.kdg_guard_refused), at, key); at = key)
		rows++;
	assert_in_range(rows, 1,
			(uint64_t)libbpf_num_possible_cpus() + (monotonic_ns() - began) / 100000);
}

static void run(const char *command)
{
	if (system(command))
		fail_msg("%s", command);
}

/* On a router, forwarded packets are not for its listener on all addresses. */
static void what_passes_through_is_not_judged(void **state)
{
	struct packet_spec s = {
		.from = STRANGER4, .to = "192.0.2.1", .to_port = 8443, .flags = SYN};
	struct packet_spec s6 = {.from = STRANGER6, .to = HERE6, .to_port = 8443, .flags = SYN};

	(void)state;
	guard_listen(0, "0.0.0.0", 8443, 1, true);
	guard_listen(0, "::", 8443, 1, true);
	run("ip route add 198.51.100.0/24 dev lo && ip addr add 192.0.2.1/32 dev lo &&"
	    "ip route add 2001:db8:1::/48 dev lo && ip addr add 2001:db8::1/128 dev lo nodad &&"
	    "echo 1 >/proc/sys/net/ipv4/conf/lo/forwarding &&"
	    "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding");
	expect(&s, XDP_DROP, COUNT(stranger));
	expect(&s6, XDP_DROP, COUNT(stranger));
	s.to = "198.51.100.1";
	s6.to = "2001:db8:1::1";
	expect(&s, XDP_PASS, COUNT(other));
	expect(&s6, XDP_PASS, COUNT(other));
	s.flags = ACK;
	s6.flags = ACK;
	expect(&s, XDP_PASS, COUNT(other));
	expect(&s6, XDP_PASS, COUNT(other));
	s.doff = 4;
	expect(&s, XDP_PASS, COUNT(other));
	s.to = "192.0.2.1";
	expect(&s, XDP_DROP, COUNT(malformed));
	run("echo 0 >/proc/sys/net/ipv4/conf/lo/forwarding &&"
	    "echo 0 >/proc/sys/net/ipv6/conf/all/forwarding");
	s.to = "198.51.100.1";
	expect(&s, XDP_DROP, COUNT(malformed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(accepted_connections_go_on, rules),
		cmocka_unit_test_setup(closed_connections_end_in_peace, rules),
		cmocka_unit_test_setup(replaced_rules_hold_at_once, rules),
		cmocka_unit_test_setup(no_rules_pass_everything, rules),
		cmocka_unit_test_setup(the_lease_is_of_this_clock, rules),
		cmocka_unit_test_setup(later_fragments_follow_the_first, rules),
		cmocka_unit_test_setup(observed_fragments_pass, rules),
		cmocka_unit_test_setup(the_refused_are_remembered, rules),
		cmocka_unit_test_setup(ever_new_ones_are_not_all_remembered, rules),
		cmocka_unit_test_setup(what_passes_through_is_not_judged, rules),
	};

	need_root();
	return cmocka_run_group_tests(tests, guard_setup, guard_teardown);
}

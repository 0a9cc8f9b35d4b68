/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guard's verdict on single frames: a table of {description, frame, verdict, counter}. Each
 * frame is also tested in observe mode, after the lease, and truncated at every byte.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "guard_rig.h"
#include "leg.h"

#define HERE4     "192.0.2.1"
#define HERE6     "2001:db8::1"
#define FRIEND4   "10.1.2.3"
#define FRIEND6   "2001:db8:a::5"
#define STRANGER4 "203.0.113.9"
#define STRANGER6 "2001:db8:dead::9"
#define DROP      XDP_DROP
#define PASS      XDP_PASS

#define TCP(from_, to_, port, flags_) .from = from_, .to = to_, .to_port = port, .flags = flags_

#define COUNT(name) KEDGE_GUARD_COUNT_##name

struct fixture {
	const char *what;
	struct packet_spec packet;
	unsigned verdict;
	unsigned count;
};

static const struct fixture who[] = {
	{"IPv4 stranger", {TCP(STRANGER4, HERE4, 443, SYN)}, DROP, COUNT(stranger)},
	{"IPv6 stranger", {TCP(STRANGER6, HERE6, 443, SYN)}, DROP, COUNT(stranger)},
	{"IPv4 friend", {TCP(FRIEND4, HERE4, 443, SYN)}, PASS, COUNT(allowed)},
	{"IPv6 friend", {TCP(FRIEND6, HERE6, 443, SYN)}, PASS, COUNT(allowed)},
	{"/8, its first", {TCP("10.0.0.0", HERE4, 443, SYN)}, PASS, COUNT(allowed)},
	{"/8, its last", {TCP("10.255.255.255", HERE4, 443, SYN)}, PASS, COUNT(allowed)},
	{"/8, one before", {TCP("9.255.255.255", HERE4, 443, SYN)}, DROP, COUNT(stranger)},
	{"/8, one behind", {TCP("11.0.0.0", HERE4, 443, SYN)}, DROP, COUNT(stranger)},
	{"/32", {TCP("198.51.100.7", HERE4, 443, SYN)}, PASS, COUNT(allowed)},
	{"/32, one before", {TCP("198.51.100.6", HERE4, 443, SYN)}, DROP, COUNT(stranger)},
	{"/32, one behind", {TCP("198.51.100.8", HERE4, 443, SYN)}, DROP, COUNT(stranger)},
	{"/64, its last", {TCP("2001:db8:a::ffff", HERE6, 443, SYN)}, PASS, COUNT(allowed)},
	{"/64, one behind", {TCP("2001:db8:a:1::", HERE6, 443, SYN)}, DROP, COUNT(stranger)},
	{"/128", {TCP("2001:db8:b::7", HERE6, 443, SYN)}, PASS, COUNT(allowed)},
	{"/128, one behind", {TCP("2001:db8:b::8", HERE6, 443, SYN)}, DROP, COUNT(stranger)},
	{"0.0.0.0/0", {TCP(STRANGER4, "192.0.2.4", 443, SYN)}, PASS, COUNT(allowed)},
	{"0.0.0.0/0 is no IPv6", {TCP(STRANGER6, "2001:db8::4", 443, SYN)}, DROP, COUNT(stranger)},
	{"::/0", {TCP(STRANGER6, "2001:db8::5", 443, SYN)}, PASS, COUNT(allowed)},
	{"::/0 is IPv4, too", {TCP(STRANGER4, "192.0.2.5", 443, SYN)}, PASS, COUNT(allowed)},
	{"data of a friend", {TCP(FRIEND4, HERE4, 443, ACK), .data = 30}, PASS, COUNT(allowed)},
	{"data of a stranger", {TCP(STRANGER4, HERE4, 443, ACK)}, DROP, COUNT(stranger_data)},
	{"the same, IPv6", {TCP(STRANGER6, HERE6, 443, ACK)}, DROP, COUNT(stranger_data)},
	{"reset of a stranger", {TCP(STRANGER4, HERE4, 443, RST)}, DROP, COUNT(stranger_data)},
	{"SYN-ACK of a stranger",
	 {TCP(STRANGER4, HERE4, 443, SYN | ACK)},
	 DROP,
	 COUNT(stranger_data)},
	{"SYN and FIN", {TCP(STRANGER4, HERE4, 443, SYN | FIN)}, DROP, COUNT(stranger)},
	{"no flag at all", {TCP(STRANGER4, HERE4, 443, 0)}, DROP, COUNT(stranger_data)},
	{"mapped source", {TCP("::ffff:10.1.2.3", HERE6, 443, SYN)}, DROP, COUNT(stranger)},
	{"a SYN with data", {TCP(STRANGER4, HERE4, 443, SYN), .data = 100}, DROP, COUNT(stranger)},
	{"TCP options", {TCP(STRANGER4, HERE4, 443, SYN), .tcp_room = 40}, DROP, COUNT(stranger)},
	{"of a friend",
	 {TCP(FRIEND4, HERE4, 443, SYN), .tcp_room = 40, .data = 9},
	 PASS,
	 COUNT(allowed)},
};

static const struct fixture where[] = {
	{"another port", {TCP(STRANGER4, HERE4, 22, SYN)}, PASS, COUNT(other)},
	{"another port, IPv6", {TCP(STRANGER6, HERE6, 22, SYN)}, PASS, COUNT(other)},
	{"data to another port", {TCP(STRANGER4, HERE4, 22, ACK), .data = 64}, PASS, COUNT(other)},
	{"from our port",
	 {TCP(STRANGER4, HERE4, 50000, SYN), .from_port = 443},
	 PASS,
	 COUNT(other)},
	{"another address", {TCP(STRANGER4, "192.0.2.2", 443, SYN)}, PASS, COUNT(other)},
	{"another address, IPv6", {TCP(STRANGER6, "2001:db8::2", 443, SYN)}, PASS, COUNT(other)},
	{"mapped destination", {TCP(STRANGER6, "::ffff:192.0.2.1", 443, SYN)}, PASS, COUNT(other)},
	{"mapped, all addresses",
	 {TCP(STRANGER6, "::ffff:192.0.2.1", 8443, SYN)},
	 PASS,
	 COUNT(other)},
	{"all addresses, IPv4", {TCP(FRIEND4, HERE4, 8443, SYN)}, DROP, COUNT(stranger)},
	{"all addresses, IPv6", {TCP(FRIEND6, HERE6, 8443, SYN)}, DROP, COUNT(stranger)},
	{"another of all", {TCP(FRIEND4, "192.0.2.77", 8443, SYN)}, DROP, COUNT(stranger)},
	{"its own friend", {TCP(STRANGER4, HERE4, 8443, SYN)}, PASS, COUNT(allowed)},
	{"the same, IPv6", {TCP("2001:db8:c:1::9", HERE6, 8443, SYN)}, PASS, COUNT(allowed)},
	{"only IPv4", {TCP(STRANGER6, HERE6, 8444, SYN)}, PASS, COUNT(other)},
	{"only IPv4 is guarded", {TCP(STRANGER4, HERE4, 8444, SYN)}, DROP, COUNT(stranger)},
	{"exact before all", {TCP(STRANGER4, "192.0.2.6", 8443, SYN)}, PASS, COUNT(allowed)},
	{"any source", {TCP(STRANGER4, HERE4, 80, SYN)}, PASS, COUNT(allowed)},
	{"any source, data", {TCP(STRANGER4, HERE4, 80, ACK)}, PASS, COUNT(allowed)},
	{"rules not in force", {TCP(STRANGER4, HERE4, 445, SYN)}, PASS, COUNT(other)},
	{"sources not in force", {TCP("192.168.1.1", HERE4, 443, SYN)}, DROP, COUNT(stranger)},
};

static const struct fixture frames[] = {
	{"802.1Q", {TCP(STRANGER4, HERE4, 443, SYN), .tags = {0x8100}}, DROP, COUNT(stranger)},
	{"802.1Q, IPv6",
	 {TCP(STRANGER6, HERE6, 443, SYN), .tags = {0x8100}},
	 DROP,
	 COUNT(stranger)},
	{"802.1Q of a friend",
	 {TCP(FRIEND4, HERE4, 443, SYN), .tags = {0x8100}},
	 PASS,
	 COUNT(allowed)},
	{"802.1ad", {TCP(STRANGER4, HERE4, 443, SYN), .tags = {0x88a8}}, DROP, COUNT(stranger)},
	{"802.1Q in 802.1ad",
	 {TCP(STRANGER4, HERE4, 443, SYN), .tags = {0x88a8, 0x8100}},
	 DROP,
	 COUNT(stranger)},
	{"802.1Q twice, IPv6",
	 {TCP(STRANGER6, HERE6, 443, SYN), .tags = {0x8100, 0x8100}},
	 DROP,
	 COUNT(stranger)},
	{"two tags, a friend",
	 {TCP(FRIEND6, HERE6, 443, SYN), .tags = {0x88a8, 0x8100}},
	 PASS,
	 COUNT(allowed)},
	{"two tags, another port",
	 {TCP(STRANGER4, HERE4, 22, SYN), .tags = {0x88a8, 0x8100}},
	 PASS,
	 COUNT(other)},
	{"three tags",
	 {TCP(STRANGER4, HERE4, 443, SYN), .tags = {0x88a8, 0x8100, 0x8100}},
	 PASS,
	 COUNT(other)},
	{"ARP", {TCP(STRANGER4, HERE4, 443, SYN), .ethertype = 0x0806}, PASS, COUNT(other)},
	{"MPLS", {TCP(STRANGER4, HERE4, 443, SYN), .ethertype = 0x8847}, PASS, COUNT(other)},
	{"PPPoE", {TCP(STRANGER4, HERE4, 443, SYN), .ethertype = 0x8864}, PASS, COUNT(other)},
	{"IPv6 that says IPv4",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ethertype = 0x0800},
	 PASS,
	 COUNT(other)},
	{"IPv4 that says IPv6",
	 {TCP(STRANGER4, HERE4, 443, SYN), .ethertype = 0x86dd},
	 PASS,
	 COUNT(other)},
	{"IPv4 options", {TCP(STRANGER4, HERE4, 443, SYN), .options = 8}, DROP, COUNT(stranger)},
	{"40 bytes of options",
	 {TCP(STRANGER4, HERE4, 443, SYN), .options = 40},
	 DROP,
	 COUNT(stranger)},
	{"options of a friend",
	 {TCP(FRIEND4, HERE4, 443, SYN), .options = 12},
	 PASS,
	 COUNT(allowed)},
	{"IPv4 header of 16 bytes",
	 {TCP(STRANGER4, HERE4, 443, SYN), .ihl = 4},
	 PASS,
	 COUNT(other)},
	/* Its end would be read as ports. */
	{"the same, to 443",
	 {TCP(STRANGER4, "192.0.1.187", 443, SYN), .ihl = 4},
	 PASS,
	 COUNT(other)},
	{"of version 5", {TCP(STRANGER4, HERE4, 443, SYN), .version = 5}, PASS, COUNT(other)},
	{"IPv6 of version 5", {TCP(STRANGER6, HERE6, 443, SYN), .version = 5}, PASS, COUNT(other)},
	{"UDP", {TCP(STRANGER4, HERE4, 443, SYN), .protocol = 17}, PASS, COUNT(other)},
	{"UDP, IPv6", {TCP(STRANGER6, HERE6, 443, SYN), .protocol = 17}, PASS, COUNT(other)},
	{"ICMP", {TCP(STRANGER4, HERE4, 443, SYN), .protocol = 1}, PASS, COUNT(other)},
	{"ICMPv6", {TCP(STRANGER6, HERE6, 443, SYN), .protocol = 58}, PASS, COUNT(other)},
	{"IPIP", {TCP(STRANGER4, HERE4, 443, SYN), .protocol = 4}, PASS, COUNT(other)},
	{"6in4", {TCP(STRANGER4, HERE4, 443, SYN), .protocol = 41}, PASS, COUNT(other)},
	{"GRE", {TCP(STRANGER4, HERE4, 443, SYN), .protocol = 47}, PASS, COUNT(other)},
	{"ESP", {TCP(STRANGER4, HERE4, 443, SYN), .protocol = 50}, PASS, COUNT(other)},
	{"AH", {TCP(STRANGER4, HERE4, 443, SYN), .protocol = 51}, PASS, COUNT(other)},
	{"4in6", {TCP(STRANGER6, HERE6, 443, SYN), .protocol = 4}, PASS, COUNT(other)},
	{"6in6", {TCP(STRANGER6, HERE6, 443, SYN), .protocol = 41}, PASS, COUNT(other)},
	{"GRE, IPv6", {TCP(STRANGER6, HERE6, 443, SYN), .protocol = 47}, PASS, COUNT(other)},
	{"ESP, IPv6", {TCP(STRANGER6, HERE6, 443, SYN), .protocol = 50}, PASS, COUNT(other)},
	{"AH, IPv6", {TCP(STRANGER6, HERE6, 443, SYN), .protocol = 51}, PASS, COUNT(other)},
	{"SCTP", {TCP(STRANGER4, HERE4, 443, SYN), .protocol = 132}, PASS, COUNT(other)},
	{"padding", {TCP(STRANGER4, HERE4, 443, SYN), .padding = 6}, DROP, COUNT(stranger)},
	{"put together, IPv4",
	 {TCP(STRANGER4, HERE4, 443, SYN), .length = -1, .data = 9},
	 DROP,
	 COUNT(stranger)},
	{"put together, IPv6",
	 {TCP(STRANGER6, HERE6, 443, SYN), .length = -1, .data = 9},
	 DROP,
	 COUNT(stranger)},
	{"of a friend",
	 {TCP(FRIEND4, HERE4, 443, SYN), .length = -1, .data = 9},
	 PASS,
	 COUNT(allowed)},
	{"length of an IP header",
	 {TCP(STRANGER4, HERE4, 443, SYN), .length = 20},
	 PASS,
	 COUNT(other)},
	{"length too short for ports",
	 {TCP(STRANGER4, HERE4, 443, SYN), .length = 23},
	 PASS,
	 COUNT(other)},
	{"length too short for TCP",
	 {TCP(FRIEND4, HERE4, 443, SYN), .length = 39},
	 DROP,
	 COUNT(malformed)},
	{"too short for options",
	 {TCP(FRIEND4, HERE4, 443, SYN), .tcp_room = 8, .length = 44},
	 DROP,
	 COUNT(malformed)},
	{"the same, IPv6", {TCP(FRIEND6, HERE6, 443, SYN), .length = 19}, DROP, COUNT(malformed)},
	{"IPv6 too short for ports",
	 {TCP(STRANGER6, HERE6, 443, SYN), .length = 3},
	 PASS,
	 COUNT(other)},
	{"TCP header of 16 bytes",
	 {TCP(FRIEND4, HERE4, 443, SYN), .doff = 4},
	 DROP,
	 COUNT(malformed)},
	{"the same, IPv6", {TCP(FRIEND6, HERE6, 443, SYN), .doff = 4}, DROP, COUNT(malformed)},
	{"the same, another port", {TCP(FRIEND4, HERE4, 22, SYN), .doff = 4}, PASS, COUNT(other)},
	{"TCP header behind the end",
	 {TCP(FRIEND4, HERE4, 443, SYN), .doff = 6},
	 DROP,
	 COUNT(malformed)},
};

static const struct fixture extensions[] = {
	{"hop-by-hop", {TCP(STRANGER6, HERE6, 443, SYN), .ext = "h"}, DROP, COUNT(stranger)},
	{"destination options",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "d"},
	 DROP,
	 COUNT(stranger)},
	{"long destination options",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "D"},
	 DROP,
	 COUNT(stranger)},
	{"routing, at its end",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "r"},
	 DROP,
	 COUNT(stranger)},
	{"routing, to be sent on",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "R"},
	 PASS,
	 COUNT(other)},
	{"all of them", {TCP(STRANGER6, HERE6, 443, SYN), .ext = "hDrd"}, DROP, COUNT(stranger)},
	{"of a friend", {TCP(FRIEND6, HERE6, 443, SYN), .ext = "hDrd"}, PASS, COUNT(allowed)},
	{"to another port", {TCP(STRANGER6, HERE6, 22, SYN), .ext = "hDrd"}, PASS, COUNT(other)},
	{"behind tags",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "hd", .tags = {0x8100}},
	 DROP,
	 COUNT(stranger)},
	{"two dozen",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "d", .ext_times = 24},
	 DROP,
	 COUNT(stranger)},
	{"as many as a frame holds",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "d", .ext_times = 178},
	 DROP,
	 COUNT(stranger)},
	{"longer than the packet",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "l"},
	 PASS,
	 COUNT(other)},
	{"longer than the length",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "D", .length = 16},
	 PASS,
	 COUNT(other)},
	{"UDP behind them",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "hd", .protocol = 17},
	 PASS,
	 COUNT(other)},
	{"AH behind them",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "h", .protocol = 51},
	 PASS,
	 COUNT(other)},
	{"the same tunnelled",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "h", .protocol = 41},
	 PASS,
	 COUNT(other)},
	{"nothing behind them",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "h", .protocol = 59},
	 PASS,
	 COUNT(other)},
	{"a fragment that is whole",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "f"},
	 DROP,
	 COUNT(stranger)},
	{"length too short for them",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "hd", .length = 15},
	 PASS,
	 COUNT(other)},
	{"length too short for ports",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "hd", .length = 19},
	 PASS,
	 COUNT(other)},
	{"length too short for TCP",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "hd", .length = 35},
	 DROP,
	 COUNT(malformed)},
};

static const struct fixture fragments[] = {
	{"first",
	 {TCP(STRANGER4, HERE4, 443, SYN), .fragment = MORE, .data = 100},
	 DROP,
	 COUNT(stranger)},
	{"first, IPv6",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "f", .fragment = MORE},
	 DROP,
	 COUNT(stranger)},
	{"first of a friend",
	 {TCP(FRIEND4, HERE4, 443, SYN), .fragment = MORE},
	 PASS,
	 COUNT(allowed)},
	{"the same, IPv6",
	 {TCP(FRIEND6, HERE6, 443, SYN), .ext = "f", .fragment = MORE},
	 PASS,
	 COUNT(allowed)},
	{"first to another port",
	 {TCP(STRANGER4, HERE4, 22, SYN), .fragment = MORE},
	 PASS,
	 COUNT(other)},
	{"first, of 8 bytes",
	 {TCP(FRIEND4, HERE4, 443, SYN), .fragment = MORE, .length = 28},
	 DROP,
	 COUNT(fragment_first)},
	{"the same in padding",
	 {TCP(FRIEND4, HERE4, 443, SYN), .fragment = MORE, .length = 28, .padding = 20},
	 DROP,
	 COUNT(fragment_first)},
	{"the same, IPv6",
	 {TCP(FRIEND6, HERE6, 443, SYN), .ext = "f", .fragment = MORE, .length = 16},
	 DROP,
	 COUNT(fragment_first)},
	{"first, without its options",
	 {TCP(FRIEND4, HERE4, 443, SYN), .fragment = MORE, .tcp_room = 8, .length = 40},
	 DROP,
	 COUNT(fragment_first)},
	{"too short, another port",
	 {TCP(FRIEND4, HERE4, 22, SYN), .fragment = MORE, .length = 28},
	 PASS,
	 COUNT(other)},
	{"first, without ports",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "f", .fragment = MORE, .length = 8},
	 PASS,
	 COUNT(other)},
	{"later", {TCP(STRANGER4, HERE4, 443, SYN), .fragment = MORE | 1}, PASS, COUNT(other)},
	{"far", {TCP(STRANGER4, HERE4, 443, SYN), .fragment = MORE | 0x1000}, PASS, COUNT(other)},
	{"last", {TCP(STRANGER4, HERE4, 443, SYN), .fragment = 185}, PASS, COUNT(other)},
	{"later, IPv6",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "f", .fragment = MORE | 2},
	 PASS,
	 COUNT(other)},
	{"last, IPv6",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "f", .fragment = 0x1fff},
	 PASS,
	 COUNT(other)},
	{"far, IPv6",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "f", .fragment = 0x1f00},
	 PASS,
	 COUNT(other)},
	{"headers in the fragment",
	 {TCP(STRANGER6, HERE6, 443, SYN), .ext = "hfd", .fragment = MORE},
	 DROP,
	 COUNT(stranger)},
	{"UDP",
	 {TCP(STRANGER4, HERE4, 443, SYN), .protocol = 17, .fragment = MORE},
	 PASS,
	 COUNT(other)},
};

static void rules(void)
{
	guard_clear();
	guard_listen(0, HERE4, 443, 1, true);
	guard_listen(0, HERE6, 443, 1, true);
	guard_listen(0, "192.0.1.187", 443, 1, true);
	guard_listen(0, "0.0.0.0", 8443, 2, true);
	guard_listen(0, "::", 8443, 2, true);
	guard_listen(0, "0.0.0.0", 8444, 6, true);
	guard_listen(0, HERE4, 80, 3, false);
	guard_listen(0, "192.0.2.4", 443, 4, true);
	guard_listen(0, "2001:db8::4", 443, 4, true);
	guard_listen(0, "192.0.2.5", 443, 5, true);
	guard_listen(0, "2001:db8::5", 443, 5, true);
	guard_listen(0, "192.0.2.6", 8443, 4, true);
	guard_listen(1, HERE4, 445, 1, true);
	guard_allow(0, 1, "10.0.0.0/8");
	guard_allow(0, 1, "198.51.100.7/32");
	guard_allow(0, 1, "2001:db8:a::/64");
	guard_allow(0, 1, "2001:db8:b::7/128");
	guard_allow(0, 2, "203.0.113.0/25");
	guard_allow(0, 2, "2001:db8:c::/48");
	guard_allow(0, 4, "0.0.0.0/0");
	guard_allow(0, 5, "::/0");
	guard_allow(1, 1, "192.168.0.0/16");
}

static void expect(const struct fixture *f, const char *how, size_t len, const struct packet *p,
		   unsigned verdict, unsigned count)
{
	unsigned counted, got = guard_rig_run(p->bytes, len, &counted);

	if (got != verdict || counted != count)
		fail_msg("%s, %s, %zu of %zu bytes: verdict %u and %s, wanted %u and %s", f->what,
			 how, len, p->len, got, guard_counter_name(counted), verdict,
			 guard_counter_name(count));
}

/*
 * A truncated frame is judged by the bytes that are there, and only if they show that it is for us.
 */
static void expect_cut(const struct fixture *f, const struct packet *p)
{
	for (size_t len = 14; len < p->len; len++) {
		if (f->count == COUNT(other) || len < p->l4 + 4)
			expect(f, "cut off", len, p, PASS, COUNT(other));
		else if (f->count == COUNT(malformed) || f->count == COUNT(fragment_first))
			expect(f, "cut off", len, p, f->verdict, f->count);
		else if (len < p->l4 + p->tcp)
			expect(f, "cut off", len, p, DROP,
			       f->packet.fragment & MORE ? COUNT(fragment_first)
							 : COUNT(malformed));
		else
			expect(f, "cut off", len, p, f->verdict, f->count);
	}
}

static void expect_all(const struct fixture *f, const struct packet *p)
{
	unsigned expired = f->count == COUNT(other) ? COUNT(other) : COUNT(expired);

	guard_configure((struct kedge_guard_config){0});
	expect(f, "judged", p->len, p, f->verdict, f->count);
	expect_cut(f, p);
	guard_configure((struct kedge_guard_config){.flags = KEDGE_GUARD_OBSERVE});
	expect(f, "observed", p->len, p, PASS, f->count);
	guard_configure((struct kedge_guard_config){.lease_ns = 1});
	expect(f, "without a lease", p->len, p, PASS, expired);
}

static void expect_table(const struct fixture *f, size_t n)
{
	static struct packet p;

	rules();
	for (size_t i = 0; i < n; i++) {
		packet_make(&p, &f[i].packet);
		expect_all(&f[i], &p);
	}
}

#define TABLE(name)                                                 \
	static void name##_table(void **state)                      \
	{                                                           \
		(void)state;                                        \
		expect_table(name, sizeof(name) / sizeof(name[0])); \
	}

TABLE(who)
TABLE(where)
TABLE(frames)
TABLE(extensions)
TABLE(fragments)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_table),       cmocka_unit_test(where_table),
		cmocka_unit_test(frames_table),    cmocka_unit_test(extensions_table),
		cmocka_unit_test(fragments_table),
	};

	need_root();
	return cmocka_run_group_tests(tests, guard_setup, guard_teardown);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* user/base/addr.c: which texts are addresses, and which addresses lie in a prefix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"

static void every_form_of_address_is_read_and_printed(void **state)
{
	static const struct {
		const char *text, *printed;
		sa_family_t family;
		uint16_t port;
	} good[] = {
		{"192.0.2.1:443", "192.0.2.1:443", AF_INET, 443},
		{"0.0.0.0:0", "0.0.0.0:0", AF_INET, 0},
		{"255.255.255.255:65535", "255.255.255.255:65535", AF_INET, 65535},
		{"localhost:3000", "127.0.0.1:3000", AF_INET, 3000},
		{"[2001:DB8::1]:443", "[2001:db8::1]:443", AF_INET6, 443},
		{"[::]:80", "[::]:80", AF_INET6, 80},
		{"*:3443", "[::]:3443", AF_INET6, 3443},
		{":3443", "[::]:3443", AF_INET6, 3443},
		{"[::ffff:192.0.2.1]:443", "192.0.2.1:443", AF_INET6, 443},
		{"[1111:2222:3333:4444:5555:6666:7777:8888]:65535",
		 "[1111:2222:3333:4444:5555:6666:7777:8888]:65535", AF_INET6, 65535},
	};
	char buf[ADDR_TEXT_MAX];
	const char *why;
	union addr a;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		memset(&a, 0xaa, sizeof(a));
		assert_int_equal(addr_parse(&a, good[i].text, &why), 0);
		assert_int_equal(a.family, good[i].family);
		assert_int_equal(addr_port(&a), good[i].port);
		assert_int_equal(addr_len(&a), a.family == AF_INET ? sizeof(a.in) : sizeof(a.in6));
		memset(buf, 'x', sizeof(buf));
		addr_format(buf, &a);
		assert_string_equal(buf, good[i].printed);
	}
	assert_int_equal(addr_parse(&a, "[::1]:1", &why), 0);
	assert_int_equal(a.in6.sin6_scope_id, 0);
	assert_int_equal(a.in6.sin6_port, htons(1));
}

#define TEN     "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "1"

static void what_is_no_address_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "port is missing"},
		{"443", "a port alone"},
		{"https://192.0.2.1:443", "a URL"},
		{"192.0.2.1", "port is missing"},
		{"localhost", "port is missing"},
		{"[::1]", "port is missing"},
		{"[::1", "port is missing"},
		{"[:443", "port is missing"},
		{"[::1]x:443", "port is missing"},
		{"192.0.2.1:", "port is not a number"},
		{"192.0.2.1:65536", "port is not a number"},
		{"192.0.2.1:99999999999999999999", "port is not a number"},
		{"192.0.2.1:-1", "port is not a number"},
		{"192.0.2.1:+1", "port is not a number"},
		{"192.0.2.1: 1", "port is not a number"},
		{"192.0.2.1:080", "port is not a number"},
		{"192.0.2.1:0x50", "port is not a number"},
		{"192.0.2.1:443 ", "port is not a number"},
		{"192.0.2:443", "not an IPv4 address"},
		{"192.0.2.01:443", "not an IPv4 address"},
		{"192.0.2.256:443", "not an IPv4 address"},
		{" 192.0.2.1:443", "not an IPv4 address"},
		{"example.org:443", "not an IPv4 address"},
		{"**:443", "not an IPv4 address"},
		{"::1:443", "stands in brackets"},
		{"2001:db8::1:443", "stands in brackets"},
		{"[]:443", "not an IPv6 address"},
		{"[192.0.2.1]:443", "not an IPv6 address"},
		{"[fe80::1%lo]:443", "not an IPv6 address"},
		{"[1:2:3]:443", "not an IPv6 address"},
		{"[*]:443", "not an IPv6 address"},
		{"unix:", "unix:/PATH or unix:@NAME"},
		{"unix:run/app.sock", "unix:/PATH or unix:@NAME"},
		{"unix:/", "name of the unix socket is missing"},
		{"unix:@", "name of the unix socket is missing"},
		{"unix:/run/a\nb", "control character"},
		{"unix:@a\x7f", "control character"},
		{"unix:/456789" HUNDRED, "107 bytes"},
		{"unix:@456789" HUNDRED, "107 bytes"},
		{"UNIX:/run/app.sock", "port is not a number"},
		/* 45 letters fit, 46 would leave no room for the terminator */
		{"[123456789012345678901234567890123456789012345]:1", "not an IPv6 address"},
		{"[1234567890123456789012345678901234567890123456]:1", "too long"},
		{"1234567890123456789012345678901234567890123456:1", "too long"},
	};
	union addr a, before;
	const char *why;

	memset(&before, 0xaa, sizeof(before));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		a = before;
		why = NULL;
		assert_int_equal(addr_parse(&a, bad[i].text, &why), -EINVAL);
		assert_non_null(why);
		if (!strstr(why, bad[i].why))
			fail_msg("%s: '%s' does not say '%s'", bad[i].text, why, bad[i].why);
		assert_memory_equal(&a, &before, sizeof(a));
	}
}

static void families_without_ip_print_and_have_no_port(void **state)
{
	union addr a = {.un = {.sun_family = AF_UNIX, .sun_path = "/run/app.sock"}};
	char buf[ADDR_TEXT_MAX], ip[INET6_ADDRSTRLEN] = "before";

	addr_format(buf, &a);
	assert_string_equal(buf, "unix:/run/app.sock");
	assert_int_equal(addr_port(&a), 0);
	assert_int_equal(addr_len(&a), offsetof(struct sockaddr_un, sun_path) + 14);
	assert_int_equal(addr_format_ip(ip, &a), 0);
	assert_string_equal(ip, "");

	memset(a.un.sun_path, 'p', sizeof(a.un.sun_path));
	addr_format(buf, &a);
	assert_int_equal(strlen(buf), strlen("unix:") + sizeof(a.un.sun_path));

	a = (union addr){.family = AF_UNSPEC};
	addr_format(buf, &a);
	assert_string_equal(buf, "-");
	assert_int_equal(addr_len(&a), 0);
	assert_int_equal(addr_port(&a), 0);
}

/* The longest names too; and what is written is what bind(2) and getsockname(2) agree on. */
static void names_of_unix_sockets_are_read_and_printed(void **state)
{
	static const char *const good[] = {
		"unix:/run/app.sock",
		"unix:@app",
		"unix:/a",
		"unix:@a b:80",
		"unix:/run/[::1]:443",
		"unix:@23456" HUNDRED,
		"unix:/tmp/\xc3\xa9.sock",
		"unix:/23456" HUNDRED,
		"unix:@@",
	};
	char buf[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		const char *name = good[i] + strlen("unix:"), *why = NULL;
		bool abstract = name[0] == '@';
		union addr a;

		memset(&a, 0xaa, sizeof(a));
		assert_int_equal(addr_parse(&a, good[i], &why), 0);
		assert_int_equal(a.family, AF_UNIX);
		assert_int_equal(addr_is_path(&a), !abstract);
		assert_int_equal(addr_len(&a),
				 offsetof(struct sockaddr_un, sun_path) + strlen(name) + !abstract);
		addr_format(buf, &a);
		assert_string_equal(buf, good[i]);
	}
}

static void the_kernel_gives_a_name_back_as_it_was_given(void **state)
{
	union addr a, b = {0};
	socklen_t len = sizeof(b);
	const char *why;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(addr_parse(&a, "unix:@kedge test_addr", &why), 0);
	assert_int_equal(bind(fd, &a.sa, addr_len(&a)), 0);
	assert_int_equal(getsockname(fd, &b.sa, &len), 0);
	assert_int_equal(len, addr_len(&a));
	assert_int_equal(addr_len(&b), addr_len(&a));
	assert_memory_equal(&a.un, &b.un, sizeof(a.un));
	close(fd);
}

static void a_unix_socket_without_a_name_has_only_a_family(void **state)
{
	union addr a = {.family = AF_UNIX};
	char buf[ADDR_TEXT_MAX];

	(void)state;
	assert_int_equal(addr_len(&a), offsetof(struct sockaddr_un, sun_path));
	assert_false(addr_is_path(&a));
	addr_format(buf, &a);
	assert_string_equal(buf, "unix:");
}

static void an_ip_address_fits_into_less(void **state)
{
	static const char *const same[] = {"192.0.2.1:443", "[2001:db8::1]:443", "[::]:0"};
	static const union addr none;
	union addr_inet inet;
	const char *why;
	union addr a, b;

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		assert_int_equal(addr_parse(&a, same[i], &why), 0);
		a.in6.sin6_scope_id = a.family == AF_INET6 ? 7 : 0;
		inet = addr_to_inet(&a);
		assert_int_equal(inet.family, a.family);
		b = addr_from_inet(&inet);
		assert_memory_equal(&a, &b, addr_len(&a));
	}
	assert_int_equal(addr_parse(&a, "unix:/run/app.sock", &why), 0);
	inet = addr_to_inet(&a);
	b = addr_from_inet(&inet);
	assert_memory_equal(&b, &none, sizeof(b));
}

static void the_ip_alone_has_no_brackets_and_no_port(void **state)
{
	static const struct {
		const char *text, *ip;
	} cases[] = {
		{"198.51.100.22:35646", "198.51.100.22"},
		{"[2001:db8:0:0:0:0:0:22]:35646", "2001:db8::22"},
		{"[::ffff:198.51.100.22]:35646", "198.51.100.22"},
		{"[::198.51.100.22]:1", "::198.51.100.22"},
		{"[::1]:1", "::1"},
	};
	char ip[INET6_ADDRSTRLEN];
	const char *why;
	union addr a;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(addr_parse(&a, cases[i].text, &why), 0);
		assert_int_equal(addr_format_ip(ip, &a), strlen(cases[i].ip));
		assert_string_equal(ip, cases[i].ip);
	}
}

static void prefixes_are_read_as_v4_mapped(void **state)
{
	static const struct {
		const char *text;
		uint8_t bits, ip[16];
	} good[] = {
		{"10.0.0.0/8", 104, {[10] = 0xff, [11] = 0xff, [12] = 10}},
		{"192.0.2.1", 128, {[10] = 0xff, [11] = 0xff, [12] = 192, 0, 2, 1}},
		{"192.0.2.1/32", 128, {[10] = 0xff, [11] = 0xff, [12] = 192, 0, 2, 1}},
		{"0.0.0.0/0", 96, {[10] = 0xff, [11] = 0xff}},
		{"::ffff:10.0.0.0/104", 104, {[10] = 0xff, [11] = 0xff, [12] = 10}},
		{"2001:db8::/32", 32, {0x20, 0x01, 0x0d, 0xb8}},
		{"2001:db8:8000::/33", 33, {0x20, 0x01, 0x0d, 0xb8, 0x80}},
		{"::1", 128, {[15] = 1}},
		{"::/0", 0, {0}},
	};
	const char *why;
	struct cidr c;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		memset(&c, 0xaa, sizeof(c));
		assert_int_equal(cidr_parse(&c, good[i].text, &why), 0);
		assert_int_equal(c.bits, good[i].bits);
		assert_memory_equal(c.ip, good[i].ip, 16);
	}
}

static void what_is_no_prefix_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "not an IPv4 or IPv6 address"},
		{"/8", "not an IPv4 or IPv6 address"},
		{"10/8", "not an IPv4 or IPv6 address"},
		{"localhost/8", "not an IPv4 or IPv6 address"},
		{"[::1]/128", "not an IPv4 or IPv6 address"},
		{"10.0.0.0 /8", "not an IPv4 or IPv6 address"},
		{"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa/8", "not an IPv4 or"},
		{"10.0.0.0/", "from 0 to 32"},
		{"10.0.0.0/33", "from 0 to 32"},
		{"10.0.0.0/-1", "from 0 to 32"},
		{"10.0.0.0/08", "from 0 to 32"},
		{"10.0.0.0/8/8", "from 0 to 32"},
		{"10.0.0.0/255.0.0.0", "from 0 to 32"},
		{"2001:db8::/129", "from 0 to 128"},
		{"10.0.0.1/8", "below the prefix"},
		{"10.64.0.0/9", "below the prefix"},
		{"0.0.0.1/0", "below the prefix"},
		{"2001:db8::1/127", "below the prefix"},
		{"::1/0", "below the prefix"},
	};
	struct cidr c, before;
	const char *why;

	memset(&before, 0xaa, sizeof(before));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		c = before;
		why = NULL;
		assert_int_equal(cidr_parse(&c, bad[i].text, &why), -EINVAL);
		assert_non_null(why);
		if (!strstr(why, bad[i].why))
			fail_msg("%s: '%s' does not say '%s'", bad[i].text, why, bad[i].why);
		assert_memory_equal(&c, &before, sizeof(c));
	}
}

static bool matches(const char *prefix, const char *address)
{
	const char *why;
	struct cidr c;
	union addr a;

	assert_int_equal(cidr_parse(&c, prefix, &why), 0);
	assert_int_equal(addr_parse(&a, address, &why), 0);
	return cidr_match(&c, 1, &a);
}

static void an_address_lies_in_its_prefix_only(void **state)
{
	assert_true(matches("10.0.0.0/8", "10.255.255.255:1"));
	assert_false(matches("10.0.0.0/8", "11.0.0.0:1"));
	assert_false(matches("10.0.0.0/8", "9.255.255.255:1"));
	assert_true(matches("10.128.0.0/9", "10.128.0.0:1"));
	assert_false(matches("10.128.0.0/9", "10.127.255.255:1"));
	assert_true(matches("192.0.2.1", "192.0.2.1:1"));
	assert_false(matches("192.0.2.1", "192.0.2.0:1"));
	assert_true(matches("192.0.2.0/31", "192.0.2.1:1"));
	assert_false(matches("192.0.2.0/31", "192.0.2.2:1"));
	assert_true(matches("2001:db8::/33", "[2001:db8:7fff::1]:1"));
	assert_false(matches("2001:db8::/33", "[2001:db8:8000::1]:1"));
	assert_true(matches("::1", "[::1]:1"));
	assert_false(matches("::1", "[::2]:1"));
}

static void v4_mapped_is_ipv4_and_ipv6_prefixes_hold_none(void **state)
{
	assert_true(matches("10.0.0.0/8", "[::ffff:10.1.2.3]:1"));
	assert_false(matches("10.0.0.0/8", "[::ffff:11.1.2.3]:1"));
	assert_false(matches("10.0.0.0/8", "[::10.1.2.3]:1"));
	assert_true(matches("::ffff:10.0.0.0/104", "10.1.2.3:1"));
	assert_true(matches("0.0.0.0/0", "10.1.2.3:1"));
	assert_true(matches("0.0.0.0/0", "[::ffff:10.1.2.3]:1"));
	assert_false(matches("0.0.0.0/0", "[2001:db8::1]:1"));
	assert_true(matches("::/0", "[2001:db8::1]:1"));
	assert_false(matches("::/0", "10.1.2.3:1"));
	assert_false(matches("::/0", "[::ffff:10.1.2.3]:1"));
}

static void loopback_is_told_apart(void **state)
{
	static const char *const yes[] = {"127.0.0.1:1", "127.255.0.9:1", "[::1]:1",
					  "[::ffff:127.0.0.1]:1"};
	static const char *const no[] = {"128.0.0.1:1", "0.0.0.0:1", "[::]:1", "[::2]:1",
					 "unix:/a"};
	const char *why;
	union addr a;

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		assert_int_equal(addr_parse(&a, yes[i], &why), 0);
		assert_true(addr_is_loopback(&a));
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++) {
		assert_int_equal(addr_parse(&a, no[i], &why), 0);
		assert_false(addr_is_loopback(&a));
	}
}

static void a_set_is_searched_whole_and_an_empty_one_holds_nobody(void **state)
{
	union addr inside, outside, none = {.family = AF_UNSPEC};
	struct cidr set[3];
	const char *why;

	cidr_parse(&set[0], "10.0.0.0/8", &why);
	cidr_parse(&set[1], "::/0", &why);
	cidr_parse(&set[2], "192.0.2.0/24", &why);
	addr_parse(&inside, "192.0.2.200:1", &why);
	addr_parse(&outside, "192.0.3.0:1", &why);
	assert_true(cidr_match(set, 3, &inside));
	assert_false(cidr_match(set, 2, &inside));
	assert_false(cidr_match(set, 3, &outside));
	assert_false(cidr_match(set, 3, &none));
	assert_false(cidr_match(NULL, 0, &inside));
}

static void wildcards_and_families_are_told_apart(void **state)
{
	static const struct {
		const char *text;
		bool wildcard;
	} addresses[] = {{"0.0.0.0:1", true},          {"[::]:1", true},     {":1", true},
			 {"[::ffff:0.0.0.0]:1", true}, {"0.0.0.1:1", false}, {"[::1]:1", false}};
	static const struct {
		const char *text;
		bool ipv4;
	} prefixes[] = {
		{"0.0.0.0/0", true}, {"192.0.2.1", true}, {"::/0", false}, {"::/96", false}};
	const char *why;
	struct cidr c;
	union addr a;

	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		assert_int_equal(addr_parse(&a, addresses[i].text, &why), 0);
		assert_int_equal(addr_is_wildcard(&a), addresses[i].wildcard);
	}
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		assert_int_equal(cidr_parse(&c, prefixes[i].text, &why), 0);
		assert_int_equal(cidr_is_ipv4(&c), prefixes[i].ipv4);
	}
	a = (union addr){.family = AF_UNSPEC};
	assert_false(addr_is_wildcard(&a));
}

static void addresses_are_equal_with_their_ports_only(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} cases[] = {
		{"192.0.2.1:443", "192.0.2.1:443", true},
		{"192.0.2.1:443", "192.0.2.1:444", false},
		{"192.0.2.1:443", "192.0.2.2:443", false},
		{"192.0.2.1:443", "[::ffff:192.0.2.1]:443", true},
		{"[2001:db8::1]:443", "[2001:db8::1]:443", true},
		{"[2001:db8::1]:443", "[2001:db8::1]:444", false},
		{"[2001:db8::1]:443", "[2001:db8::2]:443", false},
		{"192.0.2.1:443", "[2001:db8::1]:443", false},
	};
	const union addr path = {.un = {.sun_family = AF_UNIX, .sun_path = "/run/a"}};
	union addr a, b;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(addr_parse(&a, cases[i].a, &why), 0);
		assert_int_equal(addr_parse(&b, cases[i].b, &why), 0);
		assert_int_equal(addr_equal(&a, &b), cases[i].equal);
		assert_int_equal(addr_equal(&b, &a), cases[i].equal);
	}
	assert_false(addr_equal(&path, &path));
	assert_false(addr_equal(&a, &path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_address_is_read_and_printed),
		cmocka_unit_test(what_is_no_address_is_refused_with_a_reason),
		cmocka_unit_test(families_without_ip_print_and_have_no_port),
		cmocka_unit_test(names_of_unix_sockets_are_read_and_printed),
		cmocka_unit_test(the_kernel_gives_a_name_back_as_it_was_given),
		cmocka_unit_test(a_unix_socket_without_a_name_has_only_a_family),
		cmocka_unit_test(an_ip_address_fits_into_less),
		cmocka_unit_test(the_ip_alone_has_no_brackets_and_no_port),
		cmocka_unit_test(prefixes_are_read_as_v4_mapped),
		cmocka_unit_test(what_is_no_prefix_is_refused_with_a_reason),
		cmocka_unit_test(an_address_lies_in_its_prefix_only),
		cmocka_unit_test(v4_mapped_is_ipv4_and_ipv6_prefixes_hold_none),
		cmocka_unit_test(addresses_are_equal_with_their_ports_only),
		cmocka_unit_test(wildcards_and_families_are_told_apart),
		cmocka_unit_test(loopback_is_told_apart),
		cmocka_unit_test(a_set_is_searched_whole_and_an_empty_one_holds_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

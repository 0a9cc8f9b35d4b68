/* SPDX-License-Identifier: BSD-2-Clause */
/* user/http/xff.c: the text for each client and flag, and the flags for each key and client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "http/xff.h"
#include "tests/lib/http1_holds.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void check_text(const char *ip, enum http1_mode mode, __u16 flags, bool tls,
		       const char *want)
{
	union addr a = {.family = AF_UNIX};
	struct http1_conf c;

	if (inet_pton(AF_INET, ip, &a.in.sin_addr) == 1)
		a.family = AF_INET;
	else if (inet_pton(AF_INET6, ip, &a.in6.sin6_addr) == 1)
		a.family = AF_INET6;
	http1_conf_set(&c, mode, flags, &a, tls, 65535);
	assert_int_equal(c.text_len, strlen(want));
	assert_memory_equal(c.text, want, c.text_len);
	if (mode != HTTP1_XFF_NEVER) {
		assert_int_equal(c.ours_len, strchr(want, '\r') - want - HTTP1_PREFIX_LEN);
		assert_int_equal(c.xff_len, strchr(want, '\n') + 1 - want);
	}
}

static void the_text_has_a_line_for_each_flag(void **state)
{
	const __u16 both = HTTP1_SET_PROTO | HTTP1_SET_PORT;

	check_text("192.0.2.1", HTTP1_XFF_APPEND, 0, true, "X-Forwarded-For: 192.0.2.1\r\n");
	check_text("2001:db8::1", HTTP1_XFF_REPLACE, HTTP1_SET_PROTO, false,
		   "X-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Proto: http\r\n");
	check_text("::ffff:192.0.2.1", HTTP1_XFF_IF_NONE, 0, true,
		   "X-Forwarded-For: 192.0.2.1\r\n");
	check_text("1111:2222:3333:4444:5555:6666:7777:8888", HTTP1_XFF_APPEND, both, true,
		   "X-Forwarded-For: 1111:2222:3333:4444:5555:6666:7777:8888\r\n"
		   "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 65535\r\n");
	check_text("192.0.2.1", HTTP1_XFF_NEVER, HTTP1_SET_PORT, true,
		   "X-Forwarded-Port: 65535\r\n");
	check_text("192.0.2.1", HTTP1_XFF_NEVER, 0, true, "");
	check_text("a unix socket", HTTP1_XFF_APPEND, HTTP1_SET_FORWARDED, true,
		   "X-Forwarded-For: unknown\r\nForwarded: for=unknown;proto=https\r\n");
	check_text("192.0.2.1", HTTP1_XFF_NEVER, HTTP1_SET_FORWARDED | HTTP1_SET_REAL, false,
		   "Forwarded: for=192.0.2.1;proto=http\r\nX-Real-IP: 192.0.2.1\r\n");
	/* The longest. */
	check_text("1111:2222:3333:4444:5555:6666:7777:8888", HTTP1_XFF_APPEND,
		   both | HTTP1_SET_FORWARDED | HTTP1_SET_REAL, true,
		   "X-Forwarded-For: 1111:2222:3333:4444:5555:6666:7777:8888\r\n"
		   "Forwarded: for=\"[1111:2222:3333:4444:5555:6666:7777:8888]\";proto=https\r\n"
		   "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 65535\r\n"
		   "X-Real-IP: 1111:2222:3333:4444:5555:6666:7777:8888\r\n");
}

static void check_conf(struct conf *conf, const char *client, enum http1_mode mode, __u16 flags)
{
	union addr a = {.family = AF_INET};
	struct http1_conf c;

	assert_int_equal(inet_pton(AF_INET, client, &a.in.sin_addr), 1);
	conf->head_bytes_max = 9000;
	xff_prepare(&c, conf, &a, true, 443);
	assert_int_equal(c.head_bytes_max, 9000);
	assert_true(http1_conf_holds(&c));
	assert_int_equal(c.mode, mode);
	assert_int_equal(c.flags, flags);
}

/* A trusted client's fields are used, those of others are not. */
static void keys_become_flags(void **state)
{
	struct cidr trusted;
	struct conf conf = {.xff = XFF_IF_NONE, .x_forwarded_proto = true};
	const char *why;

	assert_int_equal(cidr_parse(&trusted, "192.0.2.0/24", &why), 0);
	check_conf(&conf, "192.0.2.1", HTTP1_XFF_IF_NONE, HTTP1_STRIP | HTTP1_SET_PROTO);
	conf.forwarding_keep = true;
	check_conf(&conf, "192.0.2.1", HTTP1_XFF_IF_NONE, HTTP1_SET_PROTO);
	conf.xff_trust.set = &trusted;
	conf.xff_trust.count = 1;
	check_conf(&conf, "192.0.2.1", HTTP1_XFF_IF_NONE, HTTP1_TRUSTED | HTTP1_SET_PROTO);
	check_conf(&conf, "198.51.100.1", HTTP1_XFF_IF_NONE, HTTP1_DROP_INCOMING | HTTP1_SET_PROTO);
	conf.forwarding_keep = false;
	check_conf(&conf, "198.51.100.1", HTTP1_XFF_IF_NONE,
		   HTTP1_STRIP | HTTP1_DROP_INCOMING | HTTP1_SET_PROTO);
	conf = (struct conf){.xff = XFF_NEVER,
			     .x_forwarded_port = true,
			     .x_real_ip = true,
			     .forwarded = true,
			     .aliases_remove = true,
			     .h2c_remove = true};
	check_conf(&conf, "192.0.2.1", HTTP1_XFF_NEVER,
		   HTTP1_STRIP | HTTP1_DROP_INCOMING | HTTP1_SET_PORT | HTTP1_SET_REAL |
			   HTTP1_SET_FORWARDED | HTTP1_CUT_ALIASES | HTTP1_CUT_H2C);
	conf.forwarding_keep = true;
	check_conf(&conf, "192.0.2.1", HTTP1_XFF_NEVER,
		   HTTP1_SET_PORT | HTTP1_SET_REAL | HTTP1_SET_FORWARDED | HTTP1_CUT_ALIASES |
			   HTTP1_CUT_H2C);
}

static const struct {
	union addr addr;
	const char *ip, *forwarded;
} clients[] = {
	{{.in = {.sin_family = AF_INET, .sin_addr.s_addr = 0}}, "0.0.0.0", "0.0.0.0"},
	{{.in = {.sin_family = AF_INET, .sin_addr.s_addr = ~0U}},
	 "255.255.255.255",
	 "255.255.255.255"},
	{{.in6 = {.sin6_family = AF_INET6}}, "::", "\"[::]\""},
	{{.family = AF_UNIX}, "unknown", "unknown"},
	{{.family = AF_UNSPEC}, "unknown", "unknown"},
};

/* The expected text, line by line. where[] gets the places for conf.line. */
static size_t write_lines(char *buf, size_t size, size_t client, enum http1_mode mode, __u16 flags,
			  uint16_t port, size_t where[HTTP1_GAPS + 1])
{
	const char *ip = clients[client].ip;
	size_t n = 0;

	if (mode != HTTP1_XFF_NEVER)
		n += (size_t)snprintf(buf, size, "X-Forwarded-For: %s\r\n", ip);
	if (flags & HTTP1_SET_FORWARDED)
		n += (size_t)snprintf(buf + n, size - n, "Forwarded: for=%s;proto=http\r\n",
				      clients[client].forwarded);
	where[0] = n;
	if (flags & HTTP1_SET_PROTO)
		n += (size_t)snprintf(buf + n, size - n, "X-Forwarded-Proto: http\r\n");
	where[1] = n;
	if (flags & HTTP1_SET_PORT && port) /* a unix socket has none */
		n += (size_t)snprintf(buf + n, size - n, "X-Forwarded-Port: %u\r\n", port);
	where[2] = n;
	if (flags & HTTP1_SET_REAL)
		n += (size_t)snprintf(buf + n, size - n, "X-Real-IP: %s\r\n", ip);
	where[3] = n;
	return n;
}

static void check_every_part(size_t client, enum http1_mode mode, __u16 flags, uint16_t port)
{
	size_t where[HTTP1_GAPS + 1], n;
	char want[HTTP1_TEXT_MAX + 64];
	struct http1_conf c;

	memset(&c, 0xaa, sizeof(c));
	n = write_lines(want, sizeof(want), client, mode, flags, port, where);
	http1_conf_set(&c, mode, flags, &clients[client].addr, false, port);
	assert_int_equal(c.mode, mode);
	assert_int_equal(c.flags, flags);
	assert_int_equal(c.head_bytes_max, KEDGE_HEAD_BYTES_DEFAULT);
	assert_int_equal(c.text_len, n);
	assert_memory_equal(c.text, want, n);
	for (size_t i = 0; i < COUNT(where); i++)
		assert_int_equal(c.line[i], where[i]);
	assert_int_equal(c.ours_len, mode == HTTP1_XFF_NEVER ? 0 : strlen(clients[client].ip));
	assert_int_equal(c.xff_len,
			 mode == HTTP1_XFF_NEVER ? 0 : HTTP1_PREFIX_LEN + c.ours_len + 2);
	/* Nothing of an earlier conf is left: two equal ones are equal bytes. */
	for (size_t i = n; i < sizeof(c.text); i++)
		assert_int_equal(c.text[i], 0);
}

static void the_places_of_all_lines_are_told(void **state)
{
	for (size_t client = 0; client < COUNT(clients); client++)
		for (int mode = HTTP1_XFF_APPEND; mode <= HTTP1_XFF_NEVER; mode++)
			for (unsigned flags = 0; flags < 0x200; flags++)
				check_every_part(client, mode, (__u16)flags, flags & 1 ? 0 : 443);
}

/* An IPv4 client at an IPv6 socket matches an IPv4 prefix. */
static void a_mapped_client_is_trusted_as_itself(void **state)
{
	union addr a = {.in6 = {.sin6_family = AF_INET6}};
	struct conf conf = {.head_bytes_max = 9000};
	struct http1_conf c;
	struct cidr trusted;
	const char *why;

	assert_int_equal(cidr_parse(&trusted, "192.0.2.0/24", &why), 0);
	conf.xff_trust.set = &trusted;
	conf.xff_trust.count = 1;
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &a.in6.sin6_addr), 1);
	xff_prepare(&c, &conf, &a, true, 443);
	assert_int_equal(c.flags, HTTP1_TRUSTED);
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.3.1", &a.in6.sin6_addr), 1);
	xff_prepare(&c, &conf, &a, true, 443);
	assert_int_equal(c.flags, HTTP1_DROP_INCOMING | HTTP1_STRIP);
	/* A client without an address is never trusted, whatever the list. */
	assert_int_equal(cidr_parse(&trusted, "0.0.0.0/0", &why), 0);
	xff_prepare(&c, &conf, &(union addr){.family = AF_UNIX}, true, 443);
	assert_int_equal(c.flags, HTTP1_DROP_INCOMING | HTTP1_STRIP);
}

/* What tests/prove takes for granted of a configuration. */
static void every_flag_and_mode_keeps_the_invariant(void **state)
{
	const union addr of[] = {{.family = AF_UNIX}, {.family = AF_INET}, {.family = AF_INET6}};
	struct http1_conf c;

	for (unsigned i = 0; i < COUNT(of) * 4 * 512; i++) {
		http1_conf_set(&c, i % 4, i / 4 % 512, &of[i / 2048], i & 1, 65535);
		if (!http1_conf_holds(&c))
			fail_msg("client %u, mode %u, flags %#x", i / 2048, i % 4, i / 4 % 512);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_has_a_line_for_each_flag),
		cmocka_unit_test(the_places_of_all_lines_are_told),
		cmocka_unit_test(every_flag_and_mode_keeps_the_invariant),
		cmocka_unit_test(keys_become_flags),
		cmocka_unit_test(a_mapped_client_is_trusted_as_itself),
	};

	return cmocka_run_group_tests_name("xff", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* guard_interface.c: which interfaces a configuration asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "guard/guard_interface.h"
#include "tests/lib/loading.h"

static struct sockaddr_in eth0_ip = {.sin_family = AF_INET}, lo_ip = {.sin_family = AF_INET};
static struct sockaddr_in6 eth1_ip = {.sin6_family = AF_INET6};
static struct sockaddr_in down_ip = {.sin_family = AF_INET};
static struct sockaddr eth2_mac = {.sa_family = AF_PACKET};

/* lo, eth0 with IPv4, eth1 with IPv6, eth2 and eth4 without an address, eth3 that is down. */
#define INTERFACE(next, name, flags, address)                                         \
	{                                                                             \
		.ifa_next = (next), .ifa_name = (char[]){name}, .ifa_flags = (flags), \
		.ifa_addr = (struct sockaddr *)(address)                              \
	}

static struct ifaddrs machine[] = {
	INTERFACE(&machine[1], "lo", IFF_UP | IFF_LOOPBACK, &lo_ip),
	INTERFACE(&machine[2], "eth2", IFF_UP, &eth2_mac),
	INTERFACE(&machine[3], "eth0", IFF_UP, &eth0_ip),
	INTERFACE(&machine[4], "eth1", IFF_UP, &eth1_ip),
	INTERFACE(&machine[5], "eth4", IFF_UP, NULL),
	INTERFACE(NULL, "eth3", 0, &down_ip),
};

/* The names, with blanks between; or what was said. */
static const char *interfaces_of(const char *flags)
{
	static char text[256];
	_cleanup_(freep)
	struct guard_interface *set = NULL;
	_cleanup_(conf_freep)
	struct conf *conf = must_load(NULL, flags);
	size_t count = 0, len = 0;

	inet_pton(AF_INET, "127.0.0.1", &lo_ip.sin_addr);
	inet_pton(AF_INET, "192.0.2.1", &eth0_ip.sin_addr);
	inet_pton(AF_INET6, "2001:db8::1", &eth1_ip.sin6_addr);
	inet_pton(AF_INET, "192.0.2.3", &down_ip.sin_addr);
	text[0] = '\0';
	if (guard_interfaces_find(&set, &count, conf, machine, text, sizeof(text)) < 0)
		return text;
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
					set[i].name);
	return text;
}

#define PLAIN "--app 127.0.0.1:9 --tls off "

static void interfaces_of_the_listeners(void **state)
{
	(void)state;
	assert_string_equal(interfaces_of(PLAIN "--listen 192.0.2.1:1"), "eth0");
	assert_string_equal(interfaces_of(PLAIN "--listen [2001:db8::1]:1 --listen 192.0.2.1:1"),
			    "eth1 eth0");
	/* Those that are up and have an address; loopback only if it is asked for. */
	assert_string_equal(interfaces_of(PLAIN "--listen :1"), "eth0 eth1");
	assert_string_equal(interfaces_of(PLAIN "--listen 0.0.0.0:1"), "eth0 eth1");
	assert_string_equal(interfaces_of(PLAIN "--listen 127.8.8.8:1"), "lo");
	assert_string_equal(interfaces_of(PLAIN "--listen [::1]:1 --listen [::]:2"),
			    "lo eth0 eth1");
	assert_string_equal(interfaces_of(PLAIN "--listen 192.0.2.9:1"),
			    "listener 192.0.2.9:1: no interface has its address: name the "
			    "interfaces in guard-interfaces");
}

static void interfaces_by_name(void **state)
{
	(void)state;
	assert_string_equal(interfaces_of("--guard-interfaces x --guard-interfaces y "
					  "--guard-interfaces x " PLAIN "--listen 192.0.2.1:1"),
			    "x y");
	assert_string_equal(interfaces_of("--guard-interfaces lo --guard-interfaces "
					  "all-listeners " PLAIN "--listen 192.0.2.1:1"),
			    "lo eth0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interfaces_of_the_listeners),
		cmocka_unit_test(interfaces_by_name),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}

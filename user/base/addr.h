/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: socket addresses and CIDR prefixes, text in and out. Pure, allocates nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

/* An IPv4, IPv6 or unix address; `family` AF_UNSPEC means none. Ports are in network byte order. */
union addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	sa_family_t family;
};

/* An IPv4 or IPv6 address, or none, where memory counts: a quarter of union addr. */
union addr_inet {
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	sa_family_t family;
};

/* "[" 45 "]:" 5 NUL, or "unix:" and a path or "@" and an abstract name */
#define ADDR_TEXT_MAX 128

/*
 * Parses "192.0.2.1:443", "[2001:db8::1]:443", "*:443" and ":443" (any IPv6 and IPv4 address),
 * "localhost:3000" (127.0.0.1), "unix:/run/app.sock" and, for a name of Linux's abstract namespace,
 * "unix:@app". Port 0 is allowed: bind(2) then chooses. Returns 0, or -EINVAL with *why set to a
 * static reason and *out untouched.
 */
int addr_parse(union addr *out, const char *text, const char **why);

/* An address of the unix family with a file: not abstract, and not without a name. */
bool addr_is_path(const union addr *a);

/* Other families become AF_UNSPEC. */
union addr_inet addr_to_inet(const union addr *a);
union addr addr_from_inet(const union addr_inet *a);

/* Length for bind(2) and connect(2); 0 for AF_UNSPEC. */
socklen_t addr_len(const union addr *a);

/*
 * "192.0.2.1:443", "[2001:db8::1]:443", "unix:/path", "unix:@name" or, for no address, "-"; always
 * terminated. v4-mapped prints as IPv4.
 */
void addr_format(char buf[ADDR_TEXT_MAX], const union addr *a);

/*
 * The address without a port, as X-Forwarded-For has it; v4-mapped prints as IPv4. Returns the
 * length; 0 and an empty string for other families.
 */
size_t addr_format_ip(char buf[INET6_ADDRSTRLEN], const union addr *a);

/* The 16 bytes of an IPv6 address, or of an IPv4 one as v4-mapped; false for other families. */
bool addr_ip(uint8_t ip[16], const union addr *a);

/* True also for a v4-mapped address. */
bool addr_is_ipv4(const union addr *a);

/* True for 0.0.0.0 and ::. */
bool addr_is_wildcard(const union addr *a);

/* True for ::1 and all of 127.0.0.0/8; a v4-mapped address counts as IPv4. */
bool addr_is_loopback(const union addr *a);

/* True for the same IP address and port; v4-mapped equals IPv4. False for other families. */
bool addr_equal(const union addr *a, const union addr *b);

/* Port in host byte order; 0 for other families. */
uint16_t addr_port(const union addr *a);

/* A prefix; `ip` in network byte order, IPv4 as v4-mapped, `bits` counted on 128. */
struct cidr {
	uint8_t ip[16];
	uint8_t bits;
};

/*
 * Parses "10.0.0.0/8", "2001:db8::/32", or a single address. Host bits below the prefix are an
 * error. Returns 0, or -EINVAL with *why set to a static reason and *out untouched.
 */
int cidr_parse(struct cidr *out, const char *text, const char **why);

/* True for a prefix of IPv4 addresses, false for one of IPv6 ones. */
bool cidr_is_ipv4(const struct cidr *c);

/* "10.0.0.0/8", "2001:db8::1": as it may be written; always terminated. */
#define CIDR_TEXT_MAX (INET6_ADDRSTRLEN + 4)
void cidr_format(char buf[CIDR_TEXT_MAX], const struct cidr *c);

/*
 * True when the address lies in one of the n prefixes. A v4-mapped address counts as IPv4, and IPv4
 * lies in no prefix shorter than ::ffff:0:0/96: ::/0 means IPv6 only.
 */
bool cidr_match(const struct cidr *set, size_t n, const union addr *a);

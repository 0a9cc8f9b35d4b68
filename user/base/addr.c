/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"

static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

/* Copies text[0..n) as a string; false when it does not fit. */
static bool copy_text(char *buf, size_t size, const char *text, size_t n)
{
	if (n >= size)
		return false;
	memcpy(buf, text, n);
	buf[n] = '\0';
	return true;
}

/* The host part, n bytes without brackets; `bracketed` tells which form it had. */
static const char *parse_host(union addr *a, const char *text, size_t n, bool bracketed)
{
	char host[INET6_ADDRSTRLEN];

	if (!bracketed && (n == 0 || (n == 1 && text[0] == '*'))) {
		a->in6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
		return NULL;
	}
	if (!bracketed && memchr(text, ':', n))
		return "an IPv6 address stands in brackets: [2001:db8::1]:443";
	if (!copy_text(host, sizeof(host), text, n))
		return "the address is too long";
	if (bracketed) {
		a->in6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
		return inet_pton(AF_INET6, host, &a->in6.sin6_addr) == 1 ? NULL
									 : "not an IPv6 address";
	}
	a->in = (struct sockaddr_in){.sin_family = AF_INET};
	if (!strcmp(host, "localhost")) {
		a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return NULL;
	}
	return inet_pton(AF_INET, host, &a->in.sin_addr) == 1
		       ? NULL
		       : "not an IPv4 address (names other than localhost are not looked up)";
}

/* Behind "unix:". The path ends with a NUL in sun_path, as getsockname(2) gives it back. */
static const char *parse_unix(union addr *out, const char *text)
{
	union addr a = {.un = {.sun_family = AF_UNIX}};
	size_t len = strlen(text);

	if (text[0] != '/' && text[0] != '@')
		return "a unix socket is unix:/PATH or unix:@NAME";
	if (len < 2)
		return "the name of the unix socket is missing";
	if (len >= sizeof(a.un.sun_path))
		return "a unix socket has a name of 107 bytes at most";
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return "there is a control character in the name";
	memcpy(a.un.sun_path, text, len);
	if (text[0] == '@')
		a.un.sun_path[0] = '\0';
	*out = a;
	return NULL;
}

int addr_parse(union addr *out, const char *text, const char **why)
{
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[';
	size_t host_len;
	uint64_t port;
	union addr a;

	if (!strncmp(text, "unix:", 5)) {
		*why = parse_unix(out, text + 5);
		return *why ? -EINVAL : 0;
	}
	if (strstr(text, "://")) {
		*why = "it is a URL: give address and port alone";
		return -EINVAL;
	}
	if (!colon && text[0] && strspn(text, "0123456789") == strlen(text)) {
		*why = "it is a port alone: put a colon, or an address and a colon, before it";
		return -EINVAL;
	}
	if (!colon || (bracketed && colon[-1] != ']')) {
		*why = "the port is missing: ADDRESS:PORT";
		return -EINVAL;
	}
	if (!decimal_parse_plain(colon + 1, strlen(colon + 1), UINT16_MAX, &port)) {
		*why = "the port is not a number from 0 to 65535";
		return -EINVAL;
	}
	host_len = (size_t)(colon - text) - (bracketed ? 2 : 0);
	*why = parse_host(&a, text + bracketed, host_len, bracketed);
	if (*why)
		return -EINVAL;
	if (a.family == AF_INET)
		a.in.sin_port = htons((uint16_t)port);
	else
		a.in6.sin6_port = htons((uint16_t)port);
	*out = a;
	return 0;
}

bool addr_is_path(const union addr *a)
{
	return a->family == AF_UNIX && a->un.sun_path[0];
}

/* An abstract name has no terminator: each byte counts, also a NUL at its end. */
static socklen_t unix_len(const struct sockaddr_un *un)
{
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	const char *path = un->sun_path;

	if (path[0])
		return (socklen_t)(head + strnlen(path, sizeof(un->sun_path) - 1) + 1);
	if (path[1])
		return (socklen_t)(head + 1 + strnlen(path + 1, sizeof(un->sun_path) - 1));
	return (socklen_t)head;
}

union addr_inet addr_to_inet(const union addr *a)
{
	union addr_inet inet = {.family = AF_UNSPEC};

	if (a->family == AF_INET)
		inet.in = a->in;
	else if (a->family == AF_INET6)
		inet.in6 = a->in6;
	return inet;
}

union addr addr_from_inet(const union addr_inet *a)
{
	union addr wide = {.family = AF_UNSPEC};

	if (a->family == AF_INET)
		wide.in = a->in;
	else if (a->family == AF_INET6)
		wide.in6 = a->in6;
	return wide;
}

socklen_t addr_len(const union addr *a)
{
	switch (a->family) {
	case AF_INET:
		return sizeof(a->in);
	case AF_INET6:
		return sizeof(a->in6);
	case AF_UNIX:
		return unix_len(&a->un);
	default:
		return 0;
	}
}

/* The 16 bytes that CIDRs are compared on; false for families that have none. */
bool addr_ip(uint8_t ip[16], const union addr *a)
{
	switch (a->family) {
	case AF_INET:
		memcpy(ip, v4_mapped, 12);
		memcpy(ip + 12, &a->in.sin_addr, 4);
		return true;
	case AF_INET6:
		memcpy(ip, &a->in6.sin6_addr, 16);
		return true;
	default:
		return false;
	}
}

bool addr_is_ipv4(const union addr *a)
{
	uint8_t ip[16];

	return addr_ip(ip, a) && !memcmp(ip, v4_mapped, sizeof(v4_mapped));
}

bool addr_equal(const union addr *a, const union addr *b)
{
	uint8_t x[16], y[16];

	return addr_ip(x, a) && addr_ip(y, b) && !memcmp(x, y, sizeof(x)) &&
	       addr_port(a) == addr_port(b);
}

bool addr_is_wildcard(const union addr *a)
{
	static const uint8_t zero[16];
	uint8_t ip[16];

	if (!addr_ip(ip, a))
		return false;
	return !memcmp(ip, zero, 16) ||
	       (!memcmp(ip, v4_mapped, sizeof(v4_mapped)) && !memcmp(ip + 12, zero, 4));
}

bool addr_is_loopback(const union addr *a)
{
	uint8_t ip[16];

	if (!addr_ip(ip, a))
		return false;
	if (addr_is_ipv4(a))
		return ip[12] == IN_LOOPBACKNET; /* all of 127.0.0.0/8; lo has one of them */
	return IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)ip);
}

size_t addr_format_ip(char buf[INET6_ADDRSTRLEN], const union addr *a)
{
	uint8_t ip[16];

	buf[0] = '\0';
	if (!addr_ip(ip, a))
		return 0;
	if (!memcmp(ip, v4_mapped, 12))
		inet_ntop(AF_INET, ip + 12, buf, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, ip, buf, INET6_ADDRSTRLEN);
	return strlen(buf);
}

void addr_format(char buf[ADDR_TEXT_MAX], const union addr *a)
{
	char ip[INET6_ADDRSTRLEN];

	if (a->family == AF_UNIX) {
		const char *path = a->un.sun_path;
		bool abstract = !path[0] && path[1];

		/* sun_path need not be terminated. */
		snprintf(buf, ADDR_TEXT_MAX, "unix:%s%.*s", abstract ? "@" : "",
			 (int)sizeof(a->un.sun_path) - abstract, path + abstract);
		return;
	}
	if (!addr_format_ip(ip, a))
		snprintf(buf, ADDR_TEXT_MAX, "-");
	else if (strchr(ip, ':'))
		snprintf(buf, ADDR_TEXT_MAX, "[%s]:%u", ip, addr_port(a));
	else
		snprintf(buf, ADDR_TEXT_MAX, "%s:%u", ip, addr_port(a));
}

uint16_t addr_port(const union addr *a)
{
	switch (a->family) {
	case AF_INET:
		return ntohs(a->in.sin_port);
	case AF_INET6:
		return ntohs(a->in6.sin6_port);
	default:
		return 0;
	}
}

/* The first `bits` bits of x and y are the same. */
static bool same_bits(const uint8_t x[16], const uint8_t y[16], unsigned int bits)
{
	unsigned int whole = bits / 8, rest = bits % 8;

	if (memcmp(x, y, whole))
		return false;
	return rest == 0 || (x[whole] ^ y[whole]) >> (8 - rest) == 0;
}

static bool host_bits_clear(const struct cidr *c)
{
	uint8_t masked[16] = {0};

	memcpy(masked, c->ip, c->bits / 8);
	if (c->bits % 8)
		masked[c->bits / 8] = c->ip[c->bits / 8] & (uint8_t)(0xff00 >> c->bits % 8);
	return !memcmp(masked, c->ip, 16);
}

int cidr_parse(struct cidr *out, const char *text, const char **why)
{
	const char *slash = strchrnul(text, '/');
	char host[INET6_ADDRSTRLEN];
	struct cidr c = {.bits = 128};
	uint64_t bits, family_bits;

	*why = "not an IPv4 or IPv6 address";
	if (!copy_text(host, sizeof(host), text, (size_t)(slash - text)))
		return -EINVAL;
	if (inet_pton(AF_INET, host, c.ip + 12) == 1) {
		memcpy(c.ip, v4_mapped, 12);
		family_bits = 32;
	} else if (inet_pton(AF_INET6, host, c.ip) == 1) {
		family_bits = 128;
	} else {
		return -EINVAL;
	}
	if (*slash) {
		*why = family_bits == 32 ? "the prefix length is not a number from 0 to 32"
					 : "the prefix length is not a number from 0 to 128";
		if (!decimal_parse_plain(slash + 1, strlen(slash + 1), family_bits, &bits))
			return -EINVAL;
		c.bits = (uint8_t)(128 - family_bits + bits);
	}
	*why = "bits are set below the prefix length";
	if (!host_bits_clear(&c))
		return -EINVAL;
	*why = NULL;
	*out = c;
	return 0;
}

bool cidr_is_ipv4(const struct cidr *c)
{
	return c->bits >= 96 && !memcmp(c->ip, v4_mapped, 12);
}

void cidr_format(char buf[CIDR_TEXT_MAX], const struct cidr *c)
{
	bool v4 = cidr_is_ipv4(c);
	unsigned bits = v4 ? c->bits - 96u : c->bits;
	size_t len;

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? c->ip + 12 : c->ip, buf, INET6_ADDRSTRLEN);
	len = strlen(buf);
	if (bits < (v4 ? 32 : 128))
		snprintf(buf + len, CIDR_TEXT_MAX - len, "/%u", bits);
}

bool cidr_match(const struct cidr *set, size_t n, const union addr *a)
{
	uint8_t ip[16];
	bool is_v4;

	if (!addr_ip(ip, a))
		return false;
	is_v4 = !memcmp(ip, v4_mapped, 12);
	for (size_t i = 0; i < n; i++) {
		/* ::/0 is all of IPv6 and no IPv4: that is 0.0.0.0/0. */
		if (is_v4 && set[i].bits < 96)
			continue;
		if (same_bits(set[i].ip, ip, set[i].bits))
			return true;
	}
	return false;
}

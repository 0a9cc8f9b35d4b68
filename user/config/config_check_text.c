/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts for checks by HTTP. See config_check_text.h. */
#include "config/config_check_text.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/decimal.h"
#include "base/host_name.h"

const char *config_check_path_fault(const char *text)
{
	if (text[0] != '/')
		return "does not begin with a slash";
	/* RFC 9110, section 7.1: a client leaves it out of the target. */
	if (strchr(text, '#'))
		return "has a fragment (#), which is no part of what a server is asked for";
	return NULL;
}

static bool is_address(int family, const char *text, size_t n)
{
	char copy[INET6_ADDRSTRLEN] = "", bin[sizeof(struct in6_addr)];

	if (n >= sizeof(copy))
		return false;
	memcpy(copy, text, n);
	return inet_pton(family, copy, bin) == 1;
}

static bool is_host(const char *text, size_t n)
{
	if (n > 2 && text[0] == '[' && text[n - 1] == ']')
		return is_address(AF_INET6, text + 1, n - 2);
	return host_name_valid(text, n) || is_address(AF_INET, text, n);
}

const char *config_check_host_fault(const char *text)
{
	const char *bracket = strrchr(text, ']'), *colon = strchr(bracket ? bracket : text, ':');
	uint64_t port = 1;

	if (colon && !decimal_parse_plain(colon + 1, strlen(colon + 1), UINT16_MAX, &port))
		port = 0;
	if (port && is_host(text, colon ? (size_t)(colon - text) : strlen(text)))
		return NULL;
	return "is not a host: a name or an address, IPv6 in brackets, and perhaps a port";
}

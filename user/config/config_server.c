/* SPDX-License-Identifier: BSD-2-Clause */
/* One server of an application. See config_server.h. */
#include "config/config_server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/decimal.h"

bool config_server_like(const char *text)
{
	return strchr(text, ':') || strchr(text, '/') || strchr(text, '[');
}

/* "NAME:PORT". Returns the length of the name, or 0: that is not what it looks like. */
static size_t name_and_port(const char *text, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	uint64_t number;

	if (!n || text[0] == '[' || memchr(text, ':', n) ||
	    !decimal_parse_plain(colon + 1, strlen(colon + 1), UINT16_MAX, &number))
		return 0;
	*port = (uint16_t)number;
	return n;
}

static int refuse_addr(const char *text, const char *reason, char why[WHY_MAX])
{
	char what[WHY_MAX];

	snprintf(what, sizeof(what), "is not %s: %.150s",
		 strncmp(text, "unix:", strlen("unix:")) ? "ADDR:PORT" : "a unix socket", reason);
	return why_refuse(why, text, what);
}

/* A URL says more than kedge needs, and "https" what it does not do. NULL: it is none. */
static const char *url(const char *text)
{
	if (!strstr(text, "://"))
		return NULL;
	if (!strncasecmp(text, "https:", strlen("https:")))
		return "is a URL: kedge speaks plain HTTP to the application; give the address "
		       "and port of that alone, such as 127.0.0.1:3000";
	return "is a URL: give address and port alone, such as 127.0.0.1:3000";
}

/* What an address, or a name, cannot be. NULL: it is fine. */
static const char *unusable(const struct conf_server *s)
{
	if (s->addr.family == AF_UNIX)
		return NULL;
	if (!(s->host ? s->port : addr_port(&s->addr)))
		return "has no port";
	return !s->host && addr_is_wildcard(&s->addr)
		       ? "is not one address: name the host, such as 127.0.0.1"
		       : NULL;
}

int config_server_parse(struct conf_server *out, const char *text, char why[WHY_MAX])
{
	struct conf_server s = {.addr.family = AF_UNSPEC};
	const char *reason;
	size_t n = 0;

	reason = url(text);
	if (reason)
		return why_refuse(why, text, reason);
	if (addr_parse(&s.addr, text, &reason) < 0) {
		s.addr = (union addr){.family = AF_UNSPEC};
		n = name_and_port(text, &s.port);
		if (!n)
			return refuse_addr(text, reason, why);
		if (!host_name_valid(text, n))
			return why_refuse(why, text,
					  "is neither an IPv4 address nor the name of a host");
		s.host = strndup(text, n);
		if (!s.host)
			return why_out_of_memory(why);
		snprintf(s.name, sizeof(s.name), "%s:%u", s.host, s.port);
	} else {
		addr_format(s.name, &s.addr);
	}
	reason = unusable(&s);
	if (reason) {
		free(s.host);
		return why_refuse(why, text, reason);
	}
	s.backup = out->backup;
	*out = s;
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Composes the text that goes into heads. See xff.h. */
#include "http/xff.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof("X-Forwarded-For: ") - 1 == HTTP1_PREFIX_LEN, "the prefix of the text");
_Static_assert(HTTP1_PREFIX_LEN + (INET6_ADDRSTRLEN - 1) + sizeof("\r\n") +
			       sizeof("Forwarded: for=\"[]\";proto=https\r\n") +
			       (INET6_ADDRSTRLEN - 1) + sizeof("X-Forwarded-Proto: https\r\n") +
			       sizeof("X-Forwarded-Port: 65535\r\n") + sizeof("X-Real-IP: \r\n") +
			       (INET6_ADDRSTRLEN - 1) <=
		       HTTP1_TEXT_MAX,
	       "room for the longest text");
_Static_assert((int)XFF_APPEND == HTTP1_XFF_APPEND && (int)XFF_REPLACE == HTTP1_XFF_REPLACE &&
		       (int)XFF_IF_NONE == HTTP1_XFF_IF_NONE && (int)XFF_NEVER == HTTP1_XFF_NEVER,
	       "configuration and automaton name the same modes");

/* Where the lines are put. */
struct text {
	char buf[HTTP1_TEXT_MAX];
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...)
{
	size_t room = sizeof(t->buf) - t->len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->buf + t->len, room, format, args);
	va_end(args);
	assert(n >= 0 && (size_t)n < room);
	t->len += (size_t)n;
}

/* RFC 7239, 4 and 6: an IPv6 address has brackets and quotes. */
static void add_forwarded(struct text *t, const char *ip, const union addr *client, bool tls)
{
	const char *open = client->family == AF_INET6 ? "\"[" : "";
	const char *close = client->family == AF_INET6 ? "]\"" : "";

	add(t, "Forwarded: for=%s%s%s;proto=%s\r\n", open, ip, close, tls ? "https" : "http");
}

void http1_conf_set(struct http1_conf *out, enum http1_mode mode, __u16 flags,
		    const union addr *client, bool tls, uint16_t port)
{
	char ip[INET6_ADDRSTRLEN] = "unknown";
	struct text t = {.len = 0};

	*out = (struct http1_conf){
		.mode = (__u8)mode,
		.flags = flags,
		.head_bytes_max = KEDGE_HEAD_BYTES_DEFAULT,
	};
	if (client->family == AF_INET || client->family == AF_INET6)
		addr_format_ip(ip, client);
	if (mode != HTTP1_XFF_NEVER) {
		out->ours_len = (__u8)strlen(ip);
		add(&t, "X-Forwarded-For: %s\r\n", ip);
	}
	out->xff_len = (__u8)t.len;
	if (flags & HTTP1_SET_FORWARDED)
		add_forwarded(&t, ip, client, tls);
	out->line[0] = (__u8)t.len;
	if (flags & HTTP1_SET_PROTO)
		add(&t, "X-Forwarded-Proto: %s\r\n", tls ? "https" : "http");
	out->line[1] = (__u8)t.len;
	if (flags & HTTP1_SET_PORT && port)
		add(&t, "X-Forwarded-Port: %u\r\n", port);
	out->line[2] = (__u8)t.len;
	if (flags & HTTP1_SET_REAL)
		add(&t, "X-Real-IP: %s\r\n", ip);
	out->line[3] = (__u8)t.len;
	out->text_len = (__u8)t.len;
	memcpy(out->text, t.buf, t.len);
}

/*
 * The flags for the client's forwarding fields, by whether it is in xff-trust. Without a list
 * nobody is trusted, but X-Forwarded-For of everybody is kept, since ours is its last value. If
 * ours is never added, it is a forwarding field like the others.
 */
static __u16 trust(const struct conf *conf, const union addr *client)
{
	bool strip = !conf->forwarding_keep;

	if (cidr_match(conf->xff_trust.set, conf->xff_trust.count, client))
		return HTTP1_TRUSTED;
	return (conf->xff_trust.count || (strip && conf->xff == XFF_NEVER) ? HTTP1_DROP_INCOMING
									   : 0) |
	       (strip ? HTTP1_STRIP : 0);
}

void xff_prepare(struct http1_conf *out, const struct conf *conf, const union addr *client,
		 bool tls, uint16_t port)
{
	__u16 flags = trust(conf, client);

	if (conf->x_forwarded_proto)
		flags |= HTTP1_SET_PROTO;
	if (conf->x_forwarded_port)
		flags |= HTTP1_SET_PORT;
	if (conf->x_real_ip)
		flags |= HTTP1_SET_REAL;
	if (conf->forwarded)
		flags |= HTTP1_SET_FORWARDED;
	if (conf->aliases_remove)
		flags |= HTTP1_CUT_ALIASES;
	if (conf->h2c_remove)
		flags |= HTTP1_CUT_H2C;
	http1_conf_set(out, (enum http1_mode)conf->xff, flags, client, tls, port);
	assert(conf->head_bytes_max); /* 0 would refuse every request */
	out->head_bytes_max = conf->head_bytes_max;
}

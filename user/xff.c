/* Composes the text that goes into heads. See xff.h. */
#include "xff.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof("X-Forwarded-For: ") - 1 == HTTP1_PREFIX_LEN, "the prefix of the text");
_Static_assert(
	HTTP1_PREFIX_LEN + (INET6_ADDRSTRLEN - 1) +
			sizeof("\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 65535\r\n") <=
		HTTP1_TEXT_MAX,
	"room for the longest text");
_Static_assert((int)XFF_APPEND == HTTP1_XFF_APPEND && (int)XFF_REPLACE == HTTP1_XFF_REPLACE &&
		       (int)XFF_IF_NONE == HTTP1_XFF_IF_NONE && (int)XFF_NEVER == HTTP1_XFF_NEVER,
	       "configuration and automaton name the same modes");

void http1_conf_set(struct http1_conf *out, enum http1_mode mode, __u8 flags,
		    const union addr *client, bool tls, uint16_t port)
{
	char ip[INET6_ADDRSTRLEN] = "unknown", text[HTTP1_TEXT_MAX + 1] = "";
	size_t n = 0;

	*out = (struct http1_conf){
		.mode = (__u8)mode,
		.flags = flags,
		.head_bytes_max = KEDGE_HEAD_BYTES_DEFAULT,
	};
	if (client->family == AF_INET || client->family == AF_INET6)
		addr_format_ip(ip, client);
	if (mode != HTTP1_XFF_NEVER) {
		out->ours_len = (__u8)strlen(ip);
		n += (size_t)snprintf(text, sizeof(text), "X-Forwarded-For: %s\r\n", ip);
	}
	if (flags & HTTP1_SET_PROTO)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "X-Forwarded-Proto: %s\r\n",
				      tls ? "https" : "http");
	if (flags & HTTP1_SET_PORT)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "X-Forwarded-Port: %u\r\n", port);
	out->text_len = (__u8)n;
	memcpy(out->text, text, n);
}

void xff_prepare(struct http1_conf *out, const struct conf *conf, const union addr *client,
		 bool drop, bool tls, uint16_t port)
{
	__u8 flags = 0;

	if (drop)
		flags |= HTTP1_DROP_INCOMING;
	if (conf->x_forwarded_proto)
		flags |= HTTP1_SET_PROTO;
	if (conf->x_forwarded_port)
		flags |= HTTP1_SET_PORT;
	if (conf->aliases_remove)
		flags |= HTTP1_CUT_ALIASES;
	if (conf->h2c_remove)
		flags |= HTTP1_CUT_H2C;
	http1_conf_set(out, (enum http1_mode)conf->xff, flags, client, tls, port);
	assert(conf->head_bytes_max); /* 0 would refuse every request */
	out->head_bytes_max = conf->head_bytes_max;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what a flow's editor puts into its requests, from the configuration and the client. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "config/config.h"
#include "kedge/http1_state.h"

/*
 * Fills *out. An address that is not IPv4 or IPv6 is written as "unknown" (as RFC 7239, section 6,
 * has it). `flags`: HTTP1_DROP_INCOMING ... `tls`: the client leg has TLS. `port`: where the client
 * connected to, host byte order. Heads as large as by default. Cannot fail.
 */
void http1_conf_set(struct http1_conf *out, enum http1_mode mode, __u16 flags,
		    const union addr *client, bool tls, uint16_t port);

/*
 * The same from the configuration's keys, of which xff-trust tells whether the client is trusted.
 */
void xff_prepare(struct http1_conf *out, const struct conf *conf, const union addr *client,
		 bool tls, uint16_t port);

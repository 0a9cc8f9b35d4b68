/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: prepares the text that an editor puts into a flow's requests. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "config/config.h"
#include "kedge/http1_state.h"

/*
 * Fills *out. An address that is not IPv4 or IPv6 is written as "unknown" (RFC 7239, section 6).
 * `flags`: HTTP1_DROP_INCOMING ... `tls`: the client leg has TLS. `port`: the port that the client
 * connected to, host order. The head limit is the default. Cannot fail.
 */
void http1_conf_set(struct http1_conf *out, enum http1_mode mode, __u16 flags,
		    const union addr *client, bool tls, uint16_t port);

/*
 * The same from the configuration. Its xff-trust decides whether the client is trusted.
 */
void xff_prepare(struct http1_conf *out, const struct conf *conf, const union addr *client,
		 bool tls, uint16_t port);

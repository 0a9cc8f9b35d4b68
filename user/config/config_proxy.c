/* SPDX-License-Identifier: BSD-2-Clause */
/* What does not go together with send-proxy. See config_proxy.h. */
#include "config/config_proxy.h"

#include <stdio.h>

/*
 * A receiver takes headers from the addresses that it trusts, kedge's. With peername it sees every
 * client's address there. If it trusted them all, a client that gets past kedge could name any.
 */
const char *config_proxy_conflict(const struct conf *conf, char why[WHY_MAX])
{
	for (size_t i = 0; conf->peername != POLICY_OFF && i < conf->apps_count; i++) {
		if (conf->apps[i].send_proxy == SEND_PROXY_OFF)
			continue;
		snprintf(why, WHY_MAX,
			 "does not go together with peername: application %.80s would see a header "
			 "that comes from the client, not from kedge: set one of the two to off",
			 conf->apps[i].name);
		return "send-proxy";
	}
	return NULL;
}

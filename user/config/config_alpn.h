/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: can a listener, or a route, offer the protocols of its list? */
#pragma once

#include "config/config.h"
#include "config/config_settings.h"

/*
 * Listener `index` of the settings, with the mode and the TLS that it will have. A list that it has
 * from elsewhere is dropped if it has no TLS; its own is a mistake then.
 */
void config_check_alpn(struct conf_listener *l, const struct settings *from, int index,
		       struct mistakes *m);

/* The same for a route of it, from 1, whose entry begins at `at`. */
void config_check_alpn_of_route(const struct conf_route *r, const struct settings *from, int index,
				size_t route, const struct place *at, struct mistakes *m);

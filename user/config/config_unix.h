/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what does not go together with unix sockets. The kernel has TLS for TCP alone, BPF
 * does not see the messages of a unix socket, and its peers have no addresses.
 */
#pragma once

#include "config/config_mistakes.h"
#include "config/config_options.h"
#include "config/config.h"

/*
 * The name of an option that is `require` and cannot be had with the unix sockets of conf, with
 * why[]; NULL: there is none. A reload asks again, because it keeps the old values of some options.
 */
const char *config_unix_conflict(const struct conf *conf, char why[WHY_MAX]);

/*
 * One listener. `trust`, `mode`: where its own trust and socket-mode were written; NULL: nowhere. A
 * list that it shares with other listeners is taken from it: whoever may connect may send a prefix.
 */
void config_check_unix(struct conf_listener *l, const struct place *at, const struct place *trust,
		       const struct place *mode, struct mistakes *m);

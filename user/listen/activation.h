/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: listening sockets that were open before kedge was: passed by the service manager
 * (LISTEN_FDS of sd_listen_fds(3)). A listener gets the one that is bound to its address. They stay
 * open here for as long as kedge runs, so that a reload may come back to one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

struct passed {
	union addr addr; /* where it is bound */
	int fd;
	bool both_families;
	bool used; /* some listener has had it */
};

struct activation {
	struct passed *sockets;
	size_t count;
};

/* Takes over what was passed; the environment no longer says so afterwards. 0 or -errno after a
 * logged
 * line: something is not a listening TCP socket. */
int activation_take(struct activation *a);
void activation_close(struct activation *a);

/*
 * The socket for this listener, `count` times: one accept queue for all workers. 1 when there is
 * one; 0 when there is none; -errno after a logged line. a may be NULL.
 */
int activation_find(struct activation *a, int *fds, size_t count, const struct conf_listener *conf);

/* Warns of sockets that no listener has had: who connects there waits for nothing. */
void activation_warn_unused(const struct activation *a);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: listening sockets that the service manager opened and passed to kedge (LISTEN_FDS of
 * sd_listen_fds(3)). A listener gets the socket that is bound to its address. The sockets stay open
 * here as long as kedge runs, because a later configuration may need them again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

struct passed {
	union addr addr; /* where it is bound */
	int fd;
	bool both_families;
	bool used; /* a listener has had it */
};

struct activation {
	struct passed *sockets;
	size_t count;
};

/*
 * Takes over the sockets and removes LISTEN_* from the environment. 0; or -errno after a logged
 * line if one of them is not a listening socket of TCP or a unix stream socket. activation_close()
 * is needed in both cases.
 */
int activation_take(struct activation *a);
void activation_close(struct activation *a);

/*
 * Fills fds[] with `count` descriptors of the socket for this listener. All workers then share one
 * accept queue. 1; 0 if no socket has this address; -errno after a logged line, when the caller
 * closes those of fds[] that are not -1. a may be NULL.
 */
int activation_find(struct activation *a, int *fds, size_t count, const struct conf_listener *conf);

/* Warns of sockets that no listener has had. Clients that connect to one are never accepted. */
void activation_warn_unused(const struct activation *a);

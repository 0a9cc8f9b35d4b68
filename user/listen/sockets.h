/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the listening sockets of a configuration, until doors own them. */
#pragma once

#include <stddef.h>

#include "listen/activation.h"
#include "config/config.h"

struct sockets {
	size_t listeners, workers;
	int fd[]; /* [listener * workers + worker]; -1: none, or taken */
};

/*
 * Opens a socket per worker for each listener i with from[i] == -1 (from NULL: for each listener),
 * and logs where it is bound. If `passed` (or NULL) has a socket for the listener, uses that one.
 * 0; or -errno after a logged line, and no socket is left open.
 */
int sockets_open(struct sockets **out, const struct conf *conf, const int *from,
		 struct activation *passed);

/* The socket, which the caller owns from here on; -1 if there is none. */
int sockets_take(struct sockets *s, size_t listener, size_t worker);

/* Closes the sockets that nobody has taken. NULL is fine. */
void sockets_close(struct sockets *s);

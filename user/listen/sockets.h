/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the listening sockets of a configuration, from their opening until workers own them.
 */
#pragma once

#include <stddef.h>

#include "listen/activation.h"
#include "config/config.h"

struct sockets {
	size_t listeners, workers;
	int fd[]; /* [listener * workers + worker]; -1: none, or given away */
};

/*
 * Opens one for each worker and each listener whose from[] is -1 (from NULL: for all of them), or
 * takes the one that was passed for it (passed NULL: none were), and says where each is bound. 0 or
 * -errno after a logged line; then none is left open.
 */
int sockets_open(struct sockets **out, const struct conf *conf, const int *from,
		 struct activation *passed);

/* Gives away the socket, or -1. */
int sockets_take(struct sockets *s, size_t listener, size_t worker);

/* Closes what was not given away. NULL is fine. */
void sockets_close(struct sockets *s);

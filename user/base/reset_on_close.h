/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the next close(2) of this socket sends RST instead of FIN. */
#pragma once

#include <sys/socket.h>

static inline void reset_on_close(int fd)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

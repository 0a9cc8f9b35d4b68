/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/std_streams.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int std_streams_open(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* open(2) gives the lowest free number, which is this one: those below are open. */
		if (open("/dev/null", O_RDWR | O_NOCTTY) < 0)
			return -errno;
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* How another thread wakes a worker. See worker_wake.h. */
#include "conn/worker_wake.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"

void worker_wake(struct worker *w)
{
	uint64_t one = 1;

	if (w->started && write(w->wake_fd, &one, sizeof(one)) < 0)
		log_err(errno, "worker %u: cannot be woken", w->index);
}

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

bool worker_ask_idle(struct worker *w)
{
	struct worker *others = w->shared->workers;
	bool any = false;

	for (unsigned i = 0; others && i < w->shared->workers_count; i++) {
		struct worker *other = &others[i];

		if (other == w || !__atomic_load_n(&other->legs.idle_count, __ATOMIC_RELAXED))
			continue;
		any = true;
		if (!__atomic_exchange_n(&other->idle_asked, true, __ATOMIC_RELEASE))
			worker_wake(other);
	}
	return any;
}

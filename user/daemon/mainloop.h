/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what the main thread does while the workers run: it obeys signals, answers at the
 * control socket, and looks after watchdog and guard.
 */
#pragma once

#include "daemon/daemon.h"

/*
 * Blocks the signals that mean something to kedge, for this thread and those it starts, and ignores
 * those that would end it. A descriptor for mainloop_run(), or -1 with errno.
 */
int mainloop_signals(void);

/*
 * Returns 0 once a signal has come and every worker has ended; otherwise -errno after a line: a
 * second signal (-EINTR), or workers that ended by themselves (-EIO).
 */
int mainloop_run(struct daemon *d);

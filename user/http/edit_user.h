/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the editor in user space. It runs the automaton over the mover's buffer. */
#pragma once

#include "http/edit.h"
#include "kedge/http1_state.h"

/* NULL when out of memory. `conf` is copied. */
struct edit *edit_user_new(int fd, const struct http1_conf *conf, struct kedge_stats *stats,
			   struct brief *brief);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what must hold of the automaton's state (include/kedge/http1.h) and of an editor's
 * note, whatever bytes came. See base/check.h.
 */
#pragma once

#include "kedge/abi.h"
#include "kedge/http1_state.h"

/* Between two bytes. `c`: the conf that it runs with. */
void http1_check(const struct http1 *h, const struct http1_conf *c);
void http1_conf_check(const struct http1_conf *c);

/* Between two sends. */
void note_check(const struct kedge_note *n);

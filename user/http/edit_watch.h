/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: an editor around another one, which passes everything on and shows the heads of the
 * requests that went to the application. What the editor inside took is read by the same automaton
 * with the same conf, so that both find the same requests, wherever the one inside runs.
 */
#pragma once

#include "http/edit.h"
#include "kedge/http1_state.h"

/*
 * head[0..len) is a head as it came from the client: a whole one that went on; of one that was
 * refused, as much of its first line as came; of one that the end of the editor cut off, what came.
 */
typedef void edit_watch_fn(void *arg, const char *head, size_t len);

/*
 * Owns `inner` from here on; `conf` as that one has it (copied). NULL, with `inner` untouched, when
 * out of memory.
 */
struct edit *edit_watch_new(struct edit *inner, const struct http1_conf *conf, edit_watch_fn *seen,
			    void *arg);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: an editor around another one. It passes everything on, and shows the heads of the
 * requests that went to the application. It runs the same automaton with the same conf as the inner
 * editor, so that both find the same requests, even if the inner one is in the kernel.
 */
#pragma once

#include "http/edit.h"
#include "kedge/http1_state.h"

/*
 * head[0..len) is a head as it came from the client. It is whole if it went on. Of a refused head
 * it is the first line, as far as it came. So it is of a head that was incomplete when the editor
 * was freed.
 */
typedef void edit_watch_fn(void *arg, const char *head, size_t len);

/*
 * Owns `inner` from here on; `conf` as that one has it (copied). NULL, with `inner` untouched, when
 * out of memory.
 */
struct edit *edit_watch_new(struct edit *inner, const struct http1_conf *conf, edit_watch_fn *seen,
			    void *arg, struct brief *brief);

/*
 * The editor without the one around it, which is freed, if there is one. Only at KEDGE_BETWEEN.
 */
struct edit *edit_watch_leave(struct edit *e);

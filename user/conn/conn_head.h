/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn_idle.c and conn_end.c only: a head that comes in parts waits in kedge, in c->flow.up, until
 * it is whole. So a slow client holds no connection to the application.
 */
#pragma once

#include "conn/types.h"

/* So many bytes wait. Longer heads go on in parts. */
#define CONN_HEAD_WAITS_MAX 16384

/*
 * May the bytes that are kept go to a leg? There are some. Yes if they have a whole head, if they
 * have a fault, which the editor of a leg refuses, or if they are too many. Call it again when
 * there are more.
 */
bool conn_head_may_go(struct conn *c);

/* Part of a head is there: more than empty lines. */
bool conn_head_begun(const struct conn *c);

/* The head will never be whole: the access log gets its first line, as far as it came. */
void conn_head_log(struct conn *c);

/* NULL is fine. The bytes stay. */
void conn_head_free(struct conn *c);

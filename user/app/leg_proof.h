/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what its socket says of a leg that the application has closed, or may have. */
#pragma once

#include <stdbool.h>

#include "app/leg.h"

/*
 * Remembers how much the application's kernel has acknowledged, when nothing is under way. Then
 * leg_unread() is true if no byte that was sent since can have reached the application: it had
 * closed its end, and TCP has refused the bytes. (A FIN carries an acknowledgement, and a reset
 * behind it says that the bytes were refused.) False if that is not known, and always on a leg
 * that may be bypassed.
 */
void leg_mark(struct leg *l);
bool leg_unread(const struct leg *l);

/*
 * Between two requests: the application has closed the leg, or has said something that nobody asked
 * for. Takes a system call, and no byte.
 */
bool leg_is_stale(const struct leg *l);

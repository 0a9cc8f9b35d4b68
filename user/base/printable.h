/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: a text from a stranger, as a line may quote it. */
#pragma once

#include <stddef.h>

/*
 * Writes `text` to buf[0..size), and returns buf. Quotes, backslashes and bytes outside printable
 * ASCII become \xHH, so that it ends neither its quotes nor its line. It is cut to the room.
 */
char *printable(char *buf, size_t size, const char *text);

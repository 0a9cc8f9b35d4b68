/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the text of an errno. */
#pragma once

#include <string.h>

/*
 * In English whatever the locale is, and never NULL: the kernel also returns numbers that the C
 * library has no text for (524, ENOTSUPP). `err` is positive.
 */
static inline const char *errno_text(int err)
{
	const char *text = strerrordesc_np(err);

	return text ? text : strerror(err);
}

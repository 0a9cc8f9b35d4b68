/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what the guard needs of a listener. */
#pragma once

#include "config/config.h"
#include "config/config_mistakes.h"

/*
 * A listener that no client could reach through the guard is a mistake at `at`. For a listener with
 * all its values.
 */
void config_check_guard(const struct conf_guard *guard, const struct conf_listener *l,
			const struct place *at, struct mistakes *m);

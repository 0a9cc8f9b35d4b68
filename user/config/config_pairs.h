/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: is every certificate of a list whole? */
#pragma once

#include "config/config.h"
#include "config/config_mistakes.h"

/* Counts as mistakes what lacks its certificate or its key. */
void config_check_pairs(const struct conf_cert *certs, size_t count, const struct place *at,
			struct mistakes *m);

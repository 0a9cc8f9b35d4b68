/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: how a running kedge writes its log. */
#pragma once

#include "config/config.h"

/* Once the configuration is known, and after each reload. */
void log_setup(const struct conf *conf);

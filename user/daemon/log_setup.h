/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: how a running kedge writes its log. */
#pragma once

#include "base/log.h"
#include "config/config.h"

/* Once the configuration is known, and after each reload. */
void log_setup(const struct conf *conf);

/* Lines of the time before: they wait until it is known how to write them. */
struct log_hold {
	struct log_tap tap, *outer;
	char *lines; /* each its level, as a digit, its text and a newline */
	size_t len;
};

/* In between, what this thread logs is held. Then it is written. */
void log_hold_begin(struct log_hold *hold);
void log_hold_end(struct log_hold *hold);

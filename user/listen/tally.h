/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what all workers count of a listener. generation.c owns it. */
#pragma once

#include "base/log_quota.h"
#include "kedge/abi.h"

/* What is counted of a listener, over all its generations. Written by workers. */
struct tally {
	unsigned refs;                               /* atomic: generations */
	unsigned connections;                        /* atomic: see limits_enter() */
	struct log_quota quotas[KEDGE_REASON_COUNT]; /* of lines about each reason: why.h */
};

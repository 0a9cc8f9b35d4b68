/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: how often a line may be said that any peer can cause: once a minute. What is left out
 * is counted, and said with the next line, or by a sweep if there is none. All threads share a
 * quota.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LOG_QUOTA_MS 60000

/* Zeros are the start. */
struct log_quota {
	uint64_t said_ms;  /* atomic: 1 more than when the last line was said; 0: never */
	uint32_t left_out; /* atomic: since then; stays at its maximum */
};

/*
 * True: a line may be said, and *left_out is how many were not. False: this one is not, and is
 * counted.
 */
bool log_quota_take(struct log_quota *q, uint64_t now_ms, uint32_t *left_out);

/*
 * How many were left out, if nothing more was heard for a while after the minute was over: they are
 * forgotten then. now_ms UINT64_MAX: it is the end, so without waiting.
 */
uint32_t log_quota_rest(struct log_quota *q, uint64_t now_ms);

/* SPDX-License-Identifier: BSD-2-Clause */
/* One line a minute. See log_quota.h. */
#include "base/log_quota.h"

/* So long after its minute the next line has had its chance to say what was left out. */
#define REST_MS 1000

static bool is_over(uint64_t said_ms, uint64_t now_ms, uint64_t ms)
{
	/* Threads read their clocks at other times: now may be before the last line. */
	return !said_ms || now_ms >= said_ms - 1 + ms;
}

static void count(uint32_t *left_out)
{
	uint32_t n = __atomic_load_n(left_out, __ATOMIC_RELAXED);

	while (n < UINT32_MAX && !__atomic_compare_exchange_n(left_out, &n, n + 1, true,
							      __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

bool log_quota_take(struct log_quota *q, uint64_t now_ms, uint32_t *left_out)
{
	uint64_t said = __atomic_load_n(&q->said_ms, __ATOMIC_RELAXED);

	if (!is_over(said, now_ms, LOG_QUOTA_MS) ||
	    !__atomic_compare_exchange_n(&q->said_ms, &said, now_ms + 1, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED)) {
		count(&q->left_out);
		return false;
	}
	*left_out = __atomic_exchange_n(&q->left_out, 0, __ATOMIC_RELAXED);
	return true;
}

uint32_t log_quota_rest(struct log_quota *q, uint64_t now_ms)
{
	if (!__atomic_load_n(&q->left_out, __ATOMIC_RELAXED))
		return 0;
	if (now_ms != UINT64_MAX && !is_over(__atomic_load_n(&q->said_ms, __ATOMIC_RELAXED), now_ms,
					     LOG_QUOTA_MS + REST_MS))
		return 0;
	return __atomic_exchange_n(&q->left_out, 0, __ATOMIC_RELAXED);
}

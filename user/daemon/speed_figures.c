/* SPDX-License-Identifier: BSD-2-Clause */
/* Medians, spreads, verdicts. See speed_figures.h. */
#include "daemon/speed_figures.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts `values`. */
static struct speed_spread spread_of(double *values, unsigned n)
{
	const unsigned cut = n / 10;

	qsort(values, n, sizeof(*values), by_size);
	return (struct speed_spread){
		.low = values[cut],
		.median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2,
		.high = values[n - 1 - cut],
	};
}

/* They differ if nearly all rounds agree about it. */
static enum speed_verdict judge(const struct speed_spread *ratio)
{
	if (ratio->high < 1)
		return SPEED_KERNEL_LESS;
	return ratio->low > 1 ? SPEED_USER_LESS : SPEED_NO_DIFFERENCE;
}

void speed_figures(struct speed_figures *out, const struct speed_rounds *rounds, bool kernel)
{
	double values[SPEED_ROUNDS_MAX];

	assert(rounds->count && rounds->count <= SPEED_ROUNDS_MAX);
	memset(out, 0, sizeof(*out));
	for (int layer = 0; layer < (kernel ? SPEED_LAYERS : SPEED_KERNEL); layer++) {
		for (unsigned i = 0; i < rounds->count; i++)
			values[i] = (double)rounds->ns[layer][i];
		out->ns[layer] = spread_of(values, rounds->count);
	}
	if (!kernel)
		return;
	for (unsigned i = 0; i < rounds->count; i++)
		values[i] = (double)rounds->ns[SPEED_KERNEL][i] / (double)rounds->ns[SPEED_USER][i];
	out->ratio = spread_of(values, rounds->count);
	out->verdict = judge(&out->ratio);
}

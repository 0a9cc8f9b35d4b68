/* SPDX-License-Identifier: BSD-2-Clause */
/* The buffers of a worker's records. See record_scratch.h. */
#include "tls/record_scratch.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "tls/aead_pool.h"

int record_scratch_open(struct record_scratch *s, struct kedge_stats *stats)
{
	*s = (struct record_scratch){
		.in = malloc(RECORD_SCRATCH_BYTES),
		.out = malloc(RECORD_SCRATCH_BYTES),
		.in_size = RECORD_SCRATCH_BYTES,
		.out_size = RECORD_SCRATCH_BYTES,
		.stats = stats,
	};
	return s->in && s->out ? 0 : -ENOMEM;
}

void record_scratch_close(struct record_scratch *s)
{
	aead_pool_free(take_ptr(s->aead));
	free(take_ptr(s->in));
	free(take_ptr(s->out));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: opens and closes the buffers that all records of one worker share. */
#pragma once

#include "tls/record.h"

/*
 * A read takes at most this many bytes of content. Larger buffers save system calls on bodies.
 * The buffers for ciphertext have room for what a record layer adds to each record of 16 KiB.
 */
#define RECORD_READ_BYTES    (128 * 1024)
#define RECORD_SCRATCH_BYTES (RECORD_READ_BYTES + 16 * 1024)

/* The statistics stay the caller's. Returns 0, or -ENOMEM: close the buffers then too. */
int record_scratch_open(struct record_scratch *s, struct kedge_stats *stats);

/* Frees the buffers and the contexts. Fine after a failed open, and again. */
void record_scratch_close(struct record_scratch *s);

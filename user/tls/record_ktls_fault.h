/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: how a leg of kernel records fails. It stays failed: the kernel reports some errors
 * once and then -EAGAIN for ever.
 */
#pragma once

#include "tls/record_ktls_types.h"

/*
 * For a system call on the socket of a struct record_ktls that failed with `err`, a negative errno.
 * Tells the client why, if it can. Returns what reads give from now on.
 */
int record_ktls_fail_from_errno(struct record_tls *t, int err);

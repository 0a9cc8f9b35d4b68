/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: how a leg of kernel records fails. It stays failed: the kernel reports some errors
 * once and then -EAGAIN for ever.
 */
#pragma once

#include "tls/record_ktls_types.h"

/* Every read gives `err`, a negative errno, from now on. Returns it. */
int record_ktls_fail(struct record_ktls *k, int err, enum kedge_reason reason);

/*
 * Fails the leg with -EPROTO. Tells the client why, unless `description` is ALERT_NONE or our
 * direction has ended. The alert is lost if the socket is full.
 */
int record_ktls_fail_with_alert(struct record_ktls *k, uint8_t description,
				enum kedge_reason reason);

/* For a system call on the socket that failed with `err`, a negative errno. */
int record_ktls_fail_from_errno(struct record_ktls *k, int err);

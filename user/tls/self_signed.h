/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the certificate that kedge makes for itself, for trials without any file. One for the
 * process: P-256, for localhost, 127.0.0.1 and ::1. Its key never leaves the memory.
 */
#pragma once

#include "tls/cert_file.h"

/*
 * Fills in *c, which is released with cert_release() also after an error. The first call makes key
 * and certificate; later ones, such as those of a reload, get the same until it is about to expire.
 * Not for several threads at once. 0, or -errno after a line that names the cause.
 */
int self_signed_cert(struct cert *c);

/* Is it the one made here? */
bool self_signed_is(const struct cert *c);

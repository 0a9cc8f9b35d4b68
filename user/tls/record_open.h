/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: opens a TLS 1.3 record that the kernel has refused. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/ktls.h"

/* Does the first record in record[0..n) open with these keys? Decrypts it in place. */
bool record_authentic(const union ktls_crypto *keys, uint8_t *record, size_t n);

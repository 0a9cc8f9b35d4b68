/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: certificates that are read without a fault but fail for clients. */
#pragma once

struct tls_certs;

/* Warns of each certificate that no client can get, or that clients cannot verify. */
void tls_certs_warn(const struct tls_certs *certs);

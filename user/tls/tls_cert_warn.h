/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: certificates that can be read and are of no use to clients. */
#pragma once

struct tls_certs;

/* Warns of each certificate that no client can get, or that clients cannot verify. */
void tls_certs_warn(const struct tls_certs *certs);

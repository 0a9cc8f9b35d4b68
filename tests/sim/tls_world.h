/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: what all runs share of TLS: a certificate, a client's context, and a generator of
 * numbers that gives the same ones in each run. So the same records have the same lengths.
 */
#pragma once

#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

/* Files; made at the first call. */
const char *tls_world_cert(void);
const char *tls_world_key(void);
SSL_CTX *tls_world_client(void);

/* OpenSSL's numbers begin again. */
void tls_world_begin(void);
void tls_world_over(void);
